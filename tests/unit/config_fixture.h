/* SPDX-License-Identifier: MIT */
#pragma once
/* Loads a configuration from text, and keeps what was told of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/arguments.h"
#include "config/config.h"
#include "config/report.h"
#include "util/macro.h"

struct loaded {
	struct config *config; /* owned; NULL after mistakes */
	int result;            /* of config_load() */
	char *told; /* owned: "WHERE: MESSAGE\n" for each, with "warning: " before a warning */
};

/* Variables of the test's environment: `env("A=1", "B=2")`. */
#define env(...) ((char *const[]){ __VA_ARGS__, NULL })

/* libpq's own variables have the database, so that a test of something else needs no URL. */
#define env_db env("PGHOST=/tmp")

/* Reads `text` as the file "t.conf" (NULL: there is none), with libpq as the judge of targets. */
void config_fixture_load(struct loaded *ret_loaded, const char *text, char *const *environment,
			 const struct arguments *arguments);
void loaded_deinit(struct loaded *l);

/* Loads `text` with env_db and compares what is told; `expected` without "t.conf:" at its begin says so by "@LINE: ". */
void assert_told(const char *text, const char *expected);

/* A config that must load without a word. */
struct config *load_silently(const char *text, char *const *environment,
			     const struct arguments *arguments);

/* The whole of a function that prints. Owned by the caller. */
char *printed(int (*print)(FILE *f));

/* Group setup and teardown: an empty folder to work in; open files are counted before and after. */
int config_fixture_setup(void **state);
int config_fixture_teardown(void **state);
