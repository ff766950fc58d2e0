/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A line in the log for each pool, every stats_interval: what it did since the last one. A pool
 * that did nothing and is well says nothing.
 */

#include <stddef.h>

#include <uv.h>

#include "util/macro.h"

struct minute_pool;
struct pg_pool;

struct minute {
	uv_timer_t timer;
	usec interval_us;          /* USEC_NEVER: none */
	struct minute_pool *pools; /* owned */
	size_t n_pools;
};

/* `pools` are borrowed: minute_deinit() comes before they go. Returns 0 or -ENOMEM. */
int minute_init(struct minute *m, uv_loop_t *loop, struct pg_pool *const *pools, size_t n_pools,
		usec interval_us);

/* Another interval begins now; the same goes on. */
void minute_configure(struct minute *m, usec interval_us);

/* Closes the timer, if it was begun. */
void minute_deinit(struct minute *m);
