/* SPDX-License-Identifier: MIT */
#include "latency.h"

#include <math.h>

#include "util/macro.h"

void latency_record(struct latency *l, uint64_t ns)
{
	l->count++;
	l->sum_ns += (double)ns;
	l->squares += (double)ns * (double)ns;
	l->max_ns = MAX(l->max_ns, ns);
	l->buckets[buckets_index(ns, LATENCY_STEPS_LOG2, LATENCY_OCTAVES)]++;
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

	return MIN(buckets_reach(l->buckets, LATENCY_BUCKETS, LATENCY_STEPS_LOG2, wanted),
		   l->max_ns);
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
