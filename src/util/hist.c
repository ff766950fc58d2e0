/* SPDX-License-Identifier: MIT */
/*
 * Values below HIST_STEPS have a bucket each. Above, the bucket is given by the position of the
 * highest bit and the HIST_STEPS_LOG2 bits behind it. Invariant: `count` is the sum of all buckets.
 */
#include "util/hist.h"

#include "util/macro.h"

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < HIST_STEPS)
		return (unsigned)value;
	if (value >> HIST_OCTAVES)
		return HIST_BUCKETS - 1;
	shift = 63 - HIST_STEPS_LOG2 - (unsigned)__builtin_clzll(value);
	return HIST_STEPS * shift + (unsigned)(value >> shift);
}

/* The highest value that falls into the bucket. */
static uint64_t bound_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * HIST_STEPS)
		return bucket;
	shift = bucket / HIST_STEPS - 1;
	return ((uint64_t)(HIST_STEPS + bucket % HIST_STEPS + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t value)
{
	h->count++;
	h->sum += value;
	h->max = MAX(h->max, value);
	h->buckets[bucket_of(value)]++;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	double wanted = q * (double)h->count;
	uint64_t seen = 0;

	if (h->count == 0)
		return 0;
	for (unsigned i = 0; i < HIST_BUCKETS - 1; i++) {
		seen += h->buckets[i];
		if (seen > 0 && (double)seen >= wanted)
			return MIN(bound_of(i), h->max);
	}
	return h->max;
}

uint64_t hist_count_to(const struct hist *h, uint64_t bound)
{
	unsigned last = bucket_of(bound);
	uint64_t seen = 0;

	for (unsigned i = 0; i <= last; i++)
		seen += h->buckets[i];
	return seen;
}

void hist_merge(struct hist *h, const struct hist *other)
{
	h->count += other->count;
	h->sum += other->sum;
	h->max = MAX(h->max, other->max);
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		h->buckets[i] += other->buckets[i];
}

void hist_since(const struct hist *h, const struct hist *before, struct hist *ret_since)
{
	*ret_since = (struct hist){ .sum = h->sum - before->sum };
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		ret_since->buckets[i] = h->buckets[i] - before->buckets[i];
		ret_since->count += ret_since->buckets[i];
		if (ret_since->buckets[i])
			ret_since->max = i == HIST_BUCKETS - 1 ? h->max : MIN(h->max, bound_of(i));
	}
}

void hist_halve(struct hist *h)
{
	uint64_t max = 0;

	h->count = 0;
	h->sum /= 2;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		h->buckets[i] /= 2;
		h->count += h->buckets[i];
		if (h->buckets[i])
			max = i == HIST_BUCKETS - 1 ? h->max : MIN(h->max, bound_of(i));
	}
	h->max = max;
}
