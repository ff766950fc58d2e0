/* SPDX-License-Identifier: MIT */
/* One table: the parser and --help are made from its rows. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"
#include "workload.h"

enum kind {
	KIND_FLAG = 0,
	KIND_TEXT,
	KIND_COUNT, /* uint32_t, from 1 */
	KIND_LARGE, /* uint64_t */
	KIND_NUMBER,
};

static const struct option {
	const char *name;
	const char *argument;
	const char *help;
	size_t offset;
	enum kind kind;
} table[] = {
#define MEMBER(m) offsetof(struct options, m)
	{ "--socket", "PATH", "the daemon's socket", MEMBER(socket), KIND_TEXT },
	{ "--libpq", "CONNINFO", "stream: with libpq in single-row mode, without sidepool",
	  MEMBER(conninfo), KIND_TEXT },
	{ "--clients", "N", "handles, of all threads together; 1", MEMBER(clients), KIND_COUNT },
	{ "--threads", "N", "2, and no more than clients", MEMBER(threads), KIND_COUNT },
	{ "--seconds", "S", "how long to measure; 5", MEMBER(seconds), KIND_NUMBER },
	{ "--warmup", "S", "how long to run before that; 0", MEMBER(warmup_seconds), KIND_NUMBER },
	{ "--requests", "N", "in all, instead of --seconds", MEMBER(requests), KIND_LARGE },
	{ "--rate", "R", "open loop: R a second, latency from when each was due; 0: closed loop",
	  MEMBER(rate), KIND_NUMBER },
	{ "--scale", "N", "of pgbench's tables; 10", MEMBER(scale), KIND_COUNT },
	{ "--seed", "N", "of the keys; 1", MEMBER(seed), KIND_LARGE },
	{ "--json", NULL, "one line for machines", MEMBER(json), KIND_FLAG },
#undef MEMBER
};

static void print_help(void)
{
	char left[32];

	printf("usage: sidepool-bench WORKLOAD [OPTION...]\n\nWorkloads:\n");
	for (unsigned i = 0; workload_at(i); i++)
		printf("  %-20s %s\n", workload_at(i)->name, workload_at(i)->help);
	printf("\nOptions, and what holds without them:\n");
	for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
		(void)snprintf(left, sizeof(left), "%s %s", table[i].name,
			       table[i].argument ? table[i].argument : "");
		printf("  %-20s %s\n", left, table[i].help);
	}
}

/* A number of a kind's range, written out in full; negative: it is none. */
static double number_of(const char *text, enum kind kind)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(value) || value < (kind == KIND_COUNT))
		return -1;
	if (kind != KIND_NUMBER && value != floor(value))
		return -1;
	return value > (kind == KIND_COUNT ? 1e6 : 1e15) ? -1 : value;
}

static int set(struct options *o, const struct option *option, const char *text)
{
	void *member = (char *)o + option->offset;
	double number;

	if (option->kind == KIND_TEXT) {
		*(const char **)member = text;
		return 0;
	}
	number = number_of(text, option->kind);
	if (number < 0) {
		(void)fprintf(stderr, "sidepool-bench: %s: \"%s\" is no such number\n",
			      option->name, text);
		return -1;
	}
	if (option->kind == KIND_COUNT)
		*(uint32_t *)member = (uint32_t)number;
	else if (option->kind == KIND_LARGE)
		*(uint64_t *)member = (uint64_t)number;
	else
		*(double *)member = number;
	return 0;
}

static const struct option *find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static int complain(const char *what, const char *which)
{
	(void)fprintf(stderr, "sidepool-bench: %s%s; see --help\n", what, which);
	return -1;
}

/* Takes one option, and its argument where it has one. */
static int take(struct options *o, char ***argv)
{
	const struct option *option = find(**argv);
	const char *name = *(*argv)++;

	if (!option)
		return complain("there is no option ", name);
	if (option->kind == KIND_FLAG) {
		*(bool *)((char *)o + option->offset) = true;
		return 0;
	}
	if (!**argv)
		return complain("an argument is missing behind ", name);
	return set(o, option, *(*argv)++);
}

int options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){ .clients = 1, .threads = 2, .seconds = 5, .scale = 10, .seed = 1 };
	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_help();
		return 1;
	}
	o->workload = workload_find(argv[1]);
	if (!o->workload)
		return complain("there is no workload ", argv[1]);
	for (argv += 2; *argv;)
		if (take(o, &argv) < 0)
			return -1;
	if (o->rate > 0 && o->requests > 0)
		return complain("--rate goes with --seconds, not with --requests", "");
	if (o->conninfo && !o->workload->libpq)
		return complain("--libpq is for the workload stream, not ", o->workload->name);
	o->threads = MIN(o->threads, o->clients);
	return 0;
}
