/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the parts of a load share: the config that comes into being, and the mistakes found on the
 * way.
 */

#include "config/config.h"
#include "config/section.h"
#include "config/settings.h"
#include "util/macro.h"

struct loader {
	const struct config_input *input; /* borrowed */
	struct config *config;            /* owned */
	int n_mistakes;
	int error; /* 0, or the -ENOMEM that ends the load */
};

/* Where a value is from, for the person who has to change it. */
struct place {
	enum config_source source;
	bool in_url;
	const char *where; /* "FILE:LINE", the variable's name, the option */
};

/* Tells a mistake, or what is only worth a warning. */
void loader_mistake(struct loader *l, const struct place *place, const char *format, ...)
	printf_like(3, 4);
void loader_warn(struct loader *l, const struct place *place, const char *format, ...)
	printf_like(3, 4);

/* A setting's own place, as its origin says. */
struct place place_of(const struct section *section, const struct setting *s);

/*
 * Sets it, unless a stronger source has; a bad value is a mistake either way. Two in one file are a
 * mistake.
 */
void loader_set(struct loader *l, const struct section *section, const struct setting *s,
		const char *text, const struct place *place);

/* Environment variable of the input; NULL: not set, or set to nothing. */
const char *loader_getenv(const struct loader *l, const char *name);

/* The steps of config_load(), in their order. */
void loader_read_file(struct loader *l, const char *path, bool must_exist);
void loader_read_text(struct loader *l, const char *path,
		      const char *text); /* of an earlier load */
void loader_read_environment(struct loader *l);
bool loader_environment_has_main(const struct loader *l); /* a SIDEPOOL_POOL_... of the pool main */
void loader_read_aliases(struct loader *l);
void loader_apply_overrides(struct loader *l);
void loader_resolve_targets(struct loader *l);
void loader_look_up_names(struct loader *l);
void loader_check(struct loader *l);
