/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The configuration: read from the command line, the environment, a file and libpq's and other
 * pools' variables, checked as a whole, and then a plain value that is passed down. What each
 * member means, its unit, default and range is one row in settings.def. Nothing here is global, so
 * a load may run in a worker thread; it asks the user database for names.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/values.h"
#include "util/macro.h"

struct arguments;

#define CONFIG_DEFAULT_FILE "/etc/sidepool/sidepool.conf"

/* What is wrong, and where. `message` says what was meant and never holds a password. */
struct config_mistake {
	bool is_warning;
	const char *where; /* "FILE:LINE", "environment NAME", "command line"; "" for the whole */
	const char *message;
};
typedef void (*config_mistake_fn)(void *userdata, const struct config_mistake *mistake);
/*
 * Whether libpq can read `conninfo`: 0, or -1 with its reason in `ret_message` (NUL-terminated).
 * The reason may quote the string: it is cleaned of secrets here.
 */
typedef int (*config_check_conninfo_fn)(const char *conninfo, char *ret_message, size_t n);

struct config_overrides;

struct config_input {
	const struct arguments *arguments; /* borrowed for the call, as all here; NULL: none */
	const struct config_overrides *overrides; /* go before all other sources; NULL: none */
	/* its file is taken as it was read then; NULL: the file is read */
	const struct config *read_before;
	char *const *environment; /* NAME=VALUE strings, NULL at the end */
	const char *default_file; /* read where it exists and no other is named; NULL: none */
	config_check_conninfo_fn check_conninfo;
	config_mistake_fn mistake; /* called for each, in the order found; warnings do not count */
	void *userdata;
};

/*
 * Reads and checks everything; blocks. Returns 0 and the config; the number of mistakes, each of
 * which was told; or -ENOMEM.
 */
int config_load(struct config **ret_config, const struct config_input *input);

/* Who asks: what it says (`name`) and what the kernel proves. Unknown strings are NULL. */
struct config_facts {
	const char *name;
	const char *unit;
	const char *executable;
	uint32_t uid;
	uint32_t gid;
	const uint32_t *groups; /* supplementary */
	size_t n_groups;
};

/* The first section that fits, or &c->other. */
const struct config_application *config_match(const struct config *c,
					      const struct config_facts *facts);
bool config_may_use_pool(const struct config_application *a, const struct config_pool *p);
/* root, the daemon's own uid, admin_users and admin_groups. */
bool config_is_admin(const struct config *c, const struct config_facts *facts);
/* In force: the application's own, else the pool's, else [sidepool]'s. */
usec config_acquire_timeout(const struct config_pool *p, const struct config_application *a);

struct config *config_free(struct config *c);
