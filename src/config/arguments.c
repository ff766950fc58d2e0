/* SPDX-License-Identifier: MIT */
/*
 * The options are a table, from which getopt's own table, --help and the guess at a misspelt one
 * are made.
 */
#include "config/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/distance.h"
#include "config/report.h"
#include "util/error.h"

enum option_code {
	OPTION_CONFIG = 'c',
	OPTION_SOCKET = 's',
	OPTION_HELP = 'h',
	OPTION_VERSION = 'V',
	OPTION_CHECK = 256,
	OPTION_PRINT_CONFIG,
	OPTION_PRINT_EXAMPLE,
	OPTION_PRINT_MAN,
};

static const struct {
	enum option_code code;
	const char *name;
	const char *argument; /* NULL: none */
	enum arguments_action action;
	const char *help; /* NULL: not in --help */
} table[] = {
	{ OPTION_CONFIG, "config", "FILE", ARGUMENTS_RUN,
	  "read FILE instead of " CONFIG_DEFAULT_FILE },
	{ OPTION_SOCKET, "socket", "PATH", ARGUMENTS_RUN, "listen at PATH" },
	{ OPTION_CHECK, "check", NULL, ARGUMENTS_CHECK,
	  "tell every mistake in the configuration, and leave" },
	{ OPTION_PRINT_CONFIG, "print-config", NULL, ARGUMENTS_PRINT_CONFIG,
	  "print what would be in force, and where each value is from" },
	{ OPTION_PRINT_EXAMPLE, "print-example", NULL, ARGUMENTS_PRINT_EXAMPLE,
	  "print a configuration file with every setting at its default" },
	{ OPTION_PRINT_MAN, "print-man", NULL, ARGUMENTS_PRINT_MAN, NULL },
	{ OPTION_HELP, "help", NULL, ARGUMENTS_HELP, "print this" },
	{ OPTION_VERSION, "version", NULL, ARGUMENTS_VERSION, "print the version" },
};

static void make_options(struct option options[static ARRAY_LEN(table) + 1], char *ret_letters)
{
	*ret_letters++ = ':'; /* a missing argument is told from an unknown option */
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		options[i] = (struct option){ table[i].name,
					      table[i].argument ? required_argument : no_argument,
					      NULL, (int)table[i].code };
		if (table[i].code < 256)
			*ret_letters++ = (char)table[i].code;
		if (table[i].code < 256 && table[i].argument)
			*ret_letters++ = ':';
	}
	options[ARRAY_LEN(table)] = (struct option){ .name = NULL };
	*ret_letters = '\0';
}

static int refuse_option(const char *given, char *ret_message, size_t n)
{
	size_t name = strcspn(given + strspn(given, "-"), "=");
	const char *guess = NULL;
	char *word = strndup(given + strspn(given, "-"), name);

	for (size_t i = 0; word && i < ARRAY_LEN(table); i++)
		if (distance(word, table[i].name) <= distance_limit(word))
			guess = table[i].name;
	free(word);
	(void)snprintf(ret_message, n, "unknown option \"%.*s\"%s%s%s", (int)strcspn(given, "="),
		       given, guess ? ": did you mean --" : "", guess ? guess : "",
		       guess ? "?" : "; see --help");
	return -1;
}

static int take_option(struct arguments *a, int code, const char *value, const char *given,
		       char *ret_message, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if ((int)table[i].code != code)
			continue;
		if (code == OPTION_CONFIG)
			a->config = value;
		else if (code == OPTION_SOCKET)
			a->socket = value;
		else
			a->action = table[i].action;
		return 0;
	}
	if (code != ':')
		return refuse_option(given, ret_message, n);
	(void)snprintf(ret_message, n, "%s needs a value; see --help", given);
	return -1;
}

/* ps(1) shows argv as it stands in memory. */
static void hide(char *url)
{
	size_t n = strlen(url);
	char *masked = config_mask(url);

	if (masked && strcmp(masked, url) != 0)
		(void)strncpy(url, masked, n);
	free(masked);
}

static int take_url(struct arguments *a, int argc, char **argv, char *ret_message, size_t n)
{
	if (argc - optind > 1) {
		(void)snprintf(ret_message, n,
			       "there can be one URL only; further databases are [pool NAME] "
			       "sections of the file");
		return -1;
	}
	if (argc == optind)
		return 0;
	a->url = strdup(argv[optind]);
	if (!a->url) {
		(void)snprintf(ret_message, n, "there is no memory");
		return -1;
	}
	hide(argv[optind]);
	return 0;
}

int arguments_parse(struct arguments *ret_arguments, int argc, char **argv, char *ret_message,
		    size_t n)
{
	struct option options[ARRAY_LEN(table) + 1];
	char letters[2 * ARRAY_LEN(table) + 2];
	struct arguments a = { .action = ARGUMENTS_RUN };
	int code;

	make_options(options, letters);
	optind = 0; /* glibc: begin anew, also in a second call */
	opterr = 0;
	while ((code = getopt_long(argc, argv, letters, options, NULL)) != -1)
		if (take_option(&a, code, optarg, argv[optind - 1], ret_message, n) < 0)
			return -1;
	if (take_url(&a, argc, argv, ret_message, n) < 0)
		return -1;
	*ret_arguments = a;
	return 0;
}

void arguments_deinit(struct arguments *a)
{
	free(a->url);
	a->url = NULL;
}

static void print_option(FILE *f, size_t i)
{
	char text[64], letter[8] = "    ";

	if (table[i].code < 256)
		(void)snprintf(letter, sizeof(letter), "-%c, ", (char)table[i].code);
	(void)snprintf(text, sizeof(text), "%s--%s%s%s", letter, table[i].name,
		       table[i].argument ? " " : "", table[i].argument ? table[i].argument : "");
	(void)fprintf(f, "  %-23s %s\n", text, table[i].help);
}

int arguments_print_help(FILE *f)
{
	(void)fprintf(
		f, "Usage: sidepoold [OPTION]... [postgresql://USER@HOST/DATABASE]\n\n"
		   "Owns this host's connections to PostgreSQL and lends them to local programs.\n"
		   "A URL alone will do: everything else has a default.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].help)
			print_option(f, i);
	(void)fprintf(
		f,
		"\n"
		"A value is taken from the command line, else from SIDEPOOL_... in the "
		"environment,\n"
		"else from the file, else from the other variable named with it, else it is the\n"
		"default. Without a url, libpq's PGHOST, PGSERVICE and so on say where to "
		"connect.\n"
		"Times have a unit (us, ms, s, min, h, d), sizes may have one (KiB, MiB, GiB, "
		"TiB).\n"
		"Of a pool other than main, the variables are SIDEPOOL_POOL_<NAME>_<SETTING>.\n");
	return config_print_settings(f) < 0 ? err_raise(-EIO) : 0;
}
