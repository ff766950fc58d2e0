/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A histogram of nanoseconds, finer than the daemon's of util/hist.h, and with the deviation: a
 * quantile is at most 1/LATENCY_STEPS too high. Recording allocates nothing and costs a few
 * instructions.
 */

#include <stdint.h>

#include "util/buckets.h"

enum {
	LATENCY_STEPS_LOG2 = 6,
	LATENCY_STEPS = 1 << LATENCY_STEPS_LOG2,
	LATENCY_OCTAVES = 40, /* up to 2^40 ns: 18 minutes; all above is counted there */
	LATENCY_BUCKETS = BUCKETS(LATENCY_STEPS_LOG2, LATENCY_OCTAVES),
};

struct latency {
	uint64_t count;
	uint64_t max_ns;
	uint64_t buckets[LATENCY_BUCKETS];
	double sum_ns;
	double squares; /* the sum of the squares */
};

void latency_record(struct latency *l, uint64_t ns);
void latency_merge(struct latency *l, const struct latency *other);

/* The bound that at least the part `q` (0 to 1) of all is at or below; 0 when it is empty. */
uint64_t latency_quantile_ns(const struct latency *l, double q);
double latency_mean_ns(const struct latency *l);
double latency_deviation_ns(const struct latency *l);
