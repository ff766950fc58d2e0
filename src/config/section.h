/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One section of a config seen through the table: what reads, writes, prints and compares settings
 * needs not know which struct they are in. A view is made when needed and is void once a pool or an
 * application is added.
 */

#include "config/config.h"
#include "config/settings.h"

struct section {
	enum setting_section kind;
	const char *name; /* borrowed: of the pool, pattern of the application, "" for [sidepool] */
	void *object;     /* borrowed */
	struct config_origin *origins; /* borrowed: one for each setting of the kind */
};

struct section section_of_config(struct config *c);
struct section section_of_pool(struct config_pool *p);
struct section section_of_application(struct config_application *a);

/* All sections in their order: [sidepool] is 0. Returns false past the last. */
bool section_at(const struct config *c, size_t i, struct section *ret_section);

/* "sidepool", "pool main", "application seed-*". Owned by the caller; NULL without memory. */
char *section_title(const struct section *s);

/*
 * A config with every setting of [sidepool] at its default, and neither pool nor application.
 * Returns 0 or -ENOMEM.
 */
int config_new(struct config **ret_config);

/* Appends a section with every setting at its default. Returns 0 or -ENOMEM. */
int config_add_pool(struct config *c, const char *name);
int config_add_application(struct config *c, const char *pattern);

struct config_pool *config_find_pool(const struct config *c, const char *name);
