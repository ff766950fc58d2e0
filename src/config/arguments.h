/* SPDX-License-Identifier: MIT */
#pragma once
/* The command line of sidepoold. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum arguments_action {
	ARGUMENTS_RUN,
	ARGUMENTS_CHECK,         /* load the configuration, tell every mistake, leave */
	ARGUMENTS_PRINT_CONFIG,  /* what is in force, and where it is from */
	ARGUMENTS_PRINT_EXAMPLE, /* a file with every setting at its default */
	ARGUMENTS_PRINT_MAN,     /* the settings, as sidepool.conf(5) has them */
	ARGUMENTS_HELP,
	ARGUMENTS_VERSION,
};

struct arguments {
	enum arguments_action action;
	const char *config; /* borrowed from argv; NULL: the default file, where it exists */
	const char *socket; /* borrowed from argv; NULL: as configured */
	char *url;          /* owned; of the pool "main"; NULL: as configured */
};

/*
 * Returns 0, or -1 with a sentence in `ret_message` (NUL-terminated). The URL is copied, and its
 * password is then overwritten in argv, so that the process list shows it for no longer than the
 * start takes.
 */
int arguments_parse(struct arguments *ret_arguments, int argc, char **argv, char *ret_message,
		    size_t n);

void arguments_deinit(struct arguments *a);

/* Usage, options and every setting with its default. */
int arguments_print_help(FILE *f);
