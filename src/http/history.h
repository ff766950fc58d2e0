/* SPDX-License-Identifier: MIT */
#pragma once
/* How the pools stood in the last minutes, for the plots: a ring of samples, of a fixed size. */

#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "util/macro.h"

enum {
	HISTORY_SAMPLES = 200,
	HISTORY_STEP_MS = 3000,
};

struct pg_pool;

struct history_sample {
	uint32_t open, in_use, waiting, limit;
	uint64_t granted_total, wait_us_total, refused_total;
	uint32_t wait_us; /* the mean of those granted in the step before it */
	uint32_t granted; /* in that step */
	uint32_t refused;
};

struct history {
	uv_timer_t timer;
	struct pg_pool *const *pools; /* borrowed */
	size_t n_pools;
	struct history_sample *samples; /* owned: [at][pool] */
	size_t n;                       /* taken, at most HISTORY_SAMPLES */
	size_t next;
};

/* Returns 0 or -ENOMEM. */
int history_init(struct history *h, uv_loop_t *loop, struct pg_pool *const *pools, size_t n_pools);

/* The oldest is 0. */
const struct history_sample *history_at(const struct history *h, size_t i, size_t pool);

/* After it the loop has to run once more. Safe on a zeroed one. */
void history_deinit(struct history *h);
