/* SPDX-License-Identifier: MIT */
/*
 * Values below LATENCY_STEPS have a bucket each. Above, the bucket is given by the position of the
 * highest bit and the LATENCY_STEPS_LOG2 bits behind it.
 */
#include "latency.h"

#include <math.h>

#include "util/macro.h"

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < LATENCY_STEPS)
		return (unsigned)ns;
	if (ns >> LATENCY_OCTAVES)
		return LATENCY_BUCKETS - 1;
	shift = 63 - LATENCY_STEPS_LOG2 - (unsigned)__builtin_clzll(ns);
	return LATENCY_STEPS * shift + (unsigned)(ns >> shift);
}

/* The highest value that falls into the bucket. */
static uint64_t bound_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * LATENCY_STEPS)
		return bucket;
	shift = bucket / LATENCY_STEPS - 1;
	return ((uint64_t)(LATENCY_STEPS + bucket % LATENCY_STEPS + 1) << shift) - 1;
}

void latency_record(struct latency *l, uint64_t ns)
{
	l->count++;
	l->sum_ns += (double)ns;
	l->squares += (double)ns * (double)ns;
	l->max_ns = MAX(l->max_ns, ns);
	l->buckets[bucket_of(ns)]++;
}

void latency_merge(struct latency *l, const struct latency *other)
{
	l->count += other->count;
	l->sum_ns += other->sum_ns;
	l->squares += other->squares;
	l->max_ns = MAX(l->max_ns, other->max_ns);
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		l->buckets[i] += other->buckets[i];
}

uint64_t latency_quantile_ns(const struct latency *l, double q)
{
	double wanted = q * (double)l->count;
	uint64_t seen = 0;

	/* Whatever is longer than the longest is in the last one. */
	for (unsigned i = 0; i < LATENCY_BUCKETS - 1; i++) {
		seen += l->buckets[i];
		if (seen > 0 && (double)seen >= wanted)
			return MIN(bound_of(i), l->max_ns);
	}
	return l->max_ns;
}

double latency_mean_ns(const struct latency *l)
{
	return l->count ? l->sum_ns / (double)l->count : 0;
}

double latency_deviation_ns(const struct latency *l)
{
	double mean = latency_mean_ns(l), variance;

	if (l->count < 2)
		return 0;
	variance = l->squares / (double)l->count - mean * mean;
	return variance > 0 ? sqrt(variance) : 0;
}
