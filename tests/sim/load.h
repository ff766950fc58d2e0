/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Programs that want something all the time: each worker asks again as soon as it was served and
 * has thought.
 */

#include "util/hist.h"
#include "world.h"

enum {
	LOADS_MAX = 12,
};

struct load {
	struct application *app;
	struct pool *pool;
	uint32_t workers;
	usec least_us, most_us; /* length of a statement */
	usec think_us;          /* at most, before it asks again */
	double slow;            /* this part of the statements is `slow_factor` times as long, */
	double slow_factor;
	bool surprising; /* and it is not known beforehand which */
	bool pipelined;
	bool stopped;
	struct hist waits;     /* submit to grant */
	struct hist latencies; /* submit to end, of those that are not slow */
	usec connection_us;    /* used since the last load_mark() */
	uint64_t done;
};

struct loads {
	struct world world;
	struct load load[LOADS_MAX];
	uint32_t n;
};

/*
 * A server without limits, and the budget as its only pool's max_size; set up more with
 * world_add_pool().
 */
void loads_init(struct loads *l, uint64_t seed, uint32_t budget);
struct load *load_add(struct loads *l, const char *name, struct pool *p,
		      const struct share_settings *share, uint32_t workers, usec least_us,
		      usec most_us);
void load_start(struct loads *l, struct load *load);

/* Lets so much time pass. */
void loads_run(struct loads *l, usec time);

/*
 * Forgets what was measured so far; load::connection_us is brought up to date by load_measure().
 */
void loads_mark(struct loads *l);
void loads_measure(struct loads *l);

/* Of load::connection_us of the first `n`: 1 if all are equal, 1/n if one has all. */
double jain(const struct loads *l, uint32_t n);

void loads_end(struct loads *l);
