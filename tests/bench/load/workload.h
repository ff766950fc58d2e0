/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a client does again and again. Each is one file; workload.c has the list of them.
 */

#include <stdint.h>

struct client;
struct options;

struct workload {
	const char *name;
	const char *help;

	/*
	 * Asks for one unit of work; worker_finish() is called at its end, never from within.
	 * Returns 0, or -1 where it could not be asked for. NULL: the clients are just there.
	 */
	int (*begin)(struct client *c);

	/* The same work with libpq, for --libpq; returns the exit status. May be NULL. */
	int (*libpq)(const struct options *o);

	unsigned own_handle : 1; /* begin() opens the handle and the end of the work closes it */
};

/* NULL where there is none of that name. */
const struct workload *workload_find(const char *name);

/* The one of that number from 0, and NULL behind the last. */
const struct workload *workload_at(unsigned number);

extern const struct workload workload_select;
extern const struct workload workload_tpcb;
extern const struct workload workload_connect;
extern const struct workload workload_mixed;
extern const struct workload workload_hidden;
extern const struct workload workload_stream;
extern const struct workload workload_idle;
