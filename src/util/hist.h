/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A histogram of latencies with a bounded relative error: each power of two is cut into HIST_STEPS
 * equal buckets, so that a quantile is at most 1/HIST_STEPS too high. Adding is a handful of
 * instructions and allocates nothing.
 */

#include <stdint.h>

#include "util/buckets.h"

enum {
	HIST_STEPS_LOG2 = 3,
	HIST_STEPS = 1 << HIST_STEPS_LOG2,
	HIST_OCTAVES = 36, /* up to 2^36 us: 19 hours; all above is counted there */
	HIST_BUCKETS = BUCKETS(HIST_STEPS_LOG2, HIST_OCTAVES),
};

struct hist {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t value);

/*
 * The smallest bucket bound that at least the part `q` (0 to 1) of all values is at or below; 0
 * when it is empty.
 */
uint64_t hist_quantile(const struct hist *h, double q);

/*
 * How many values are at or below `bound`, as far as the buckets can tell: those of the bucket that
 * holds it are counted.
 */
uint64_t hist_count_to(const struct hist *h, uint64_t bound);

void hist_merge(struct hist *h, const struct hist *other);

/* What was added since `before`, an earlier copy; its `max` is a bound of its highest bucket. */
void hist_since(const struct hist *h, const struct hist *before, struct hist *ret_since);

/*
 * Forgets half of everything, so that quantiles follow what happens now. `max` becomes the highest
 * bound left.
 */
void hist_halve(struct hist *h);
