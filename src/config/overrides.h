/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Settings that an administrator has changed while the daemon runs: a source of their own, stronger
 * than the others, kept by the daemon and given to each load. They are values as in the file, so
 * that a load checks them as it checks the file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;

struct config_override {
	char *section; /* owned, as all here: "sidepool", "pool main", "application seed-*" */
	char *name;
	char *value;
	char *where; /* "set by uid 1000 (ann), at 2026-11-21 12:03:04" */
};

struct config_overrides {
	struct config_override *items; /* owned */
	size_t n;
};

#define CONFIG_OVERRIDES_NULL ((struct config_overrides){ .items = NULL })

enum config_override_error {
	/* No such setting or section, or none that can be changed so; the sentence says it. */
	CONFIG_OVERRIDE_E_REFUSED = 1,
};

/*
 * Finds what is meant: `section` may be empty for one of [sidepool], or of a pool where there is
 * one pool alone. Returns 0 with the section's title, owned by the caller; CONFIG_OVERRIDE_E_REFUSED
 * with a sentence in `ret_message`; or -ENOMEM.
 */
int config_override_find(const struct config *c, const char *section, const char *name,
			 char **ret_section, char *ret_message, size_t n);

/* Returns 0 or -ENOMEM; then `ret_copy` is empty. */
int config_overrides_copy(const struct config_overrides *o, struct config_overrides *ret_copy);

/* Adds one, or replaces the one of the same section and name. Returns 0 or -ENOMEM. */
int config_overrides_put(struct config_overrides *o, const char *section, const char *name,
			 const char *value, const char *where);

/* Takes it away; an empty name takes all. Returns how many there were. */
size_t config_overrides_drop(struct config_overrides *o, const char *section, const char *name);

void config_overrides_deinit(struct config_overrides *o);

/*
 * "uid 1000 (ann)"; without the name where it is not known. It asks the user database and blocks.
 */
void config_user_text(uint32_t uid, char *ret_text, size_t n);
