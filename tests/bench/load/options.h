/* SPDX-License-Identifier: MIT */
#pragma once
/* What sidepool-bench is told on its command line. */

#include <stdbool.h>
#include <stdint.h>

struct workload;

struct options {
	const struct workload *workload;
	const char *socket;   /* borrowed, as all texts: from argv. NULL: as libsidepool finds it */
	const char *conninfo; /* stream alone: not through sidepool but with libpq */
	uint32_t clients;     /* handles in all threads together */
	uint32_t threads;
	double seconds;        /* of measuring; unused where requests are given */
	double warmup_seconds; /* before that */
	uint64_t requests;     /* in all; 0: as many as there is time for */
	double rate;           /* a second, of all clients together; 0: closed loop */
	uint32_t scale;        /* of pgbench's tables */
	uint64_t seed;
	bool json;
};

/* Returns 0, 1 where only help was asked for, or -1 with the reason on stderr. */
int options_parse(struct options *o, int argc, char **argv);
