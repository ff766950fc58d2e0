/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A configuration as people see it: printed with its origins, compared with the one before, without
 * its secrets.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct config;

/*
 * One difference. Values are as in the file, secrets masked; NULL where the section did not or does
 * not exist.
 */
struct config_change {
	const char *section; /* "sidepool", "pool main", "application seed-*" */
	const char *name;    /* NULL: the section as a whole came, went or moved among its kind */
	const char *before;
	const char *after;
	bool needs_restart; /* a reload leaves the old value in force */
};

typedef void (*config_change_fn)(void *userdata, const struct config_change *change);

/* Tells each setting that differs. Returns their number, or -ENOMEM. */
int config_diff(const struct config *before, const struct config *after, config_change_fn change,
		void *userdata);

/*
 * Everything in force and where each value is from, as a file that could be read again but for its
 * masked secrets.
 */
int config_print(const struct config *c, FILE *f);

/*
 * A URL or conninfo string as it may be shown: passwords are "***". Owned by the caller; NULL
 * without memory.
 */
char *config_mask(const char *target);

/*
 * `message` with all that could be a part of a secret of `target` replaced: for libpq's messages on
 * a target, which quote it. Owned by the caller; NULL without memory.
 */
char *config_mask_message(const char *message, const char *target);

/* Every setting with its default, for a terminal. */
int config_print_settings(FILE *f);

/* The example file: every setting, commented out, at its default. */
int config_print_example(FILE *f);

/*
 * The settings of one section ("sidepool", "pool", "application") in mdoc(7), for sidepool.conf(5).
 */
int config_print_man(FILE *f, const char *section);
