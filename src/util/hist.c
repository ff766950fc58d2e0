/* SPDX-License-Identifier: MIT */
/* Invariant: `count` is the sum of all buckets. */
#include "util/hist.h"

#include "util/macro.h"

/* The highest value that the bucket can have. */
static uint64_t most(const struct hist *h, unsigned bucket)
{
	if (bucket == HIST_BUCKETS - 1)
		return h->max;
	return MIN(h->max, buckets_bound(bucket, HIST_STEPS_LOG2));
}

void hist_add(struct hist *h, uint64_t value)
{
	h->count++;
	h->sum += value;
	h->max = MAX(h->max, value);
	h->buckets[buckets_index(value, HIST_STEPS_LOG2, HIST_OCTAVES)]++;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	double wanted = q * (double)h->count;

	return MIN(buckets_reach(h->buckets, HIST_BUCKETS, HIST_STEPS_LOG2, wanted), h->max);
}

uint64_t hist_count_to(const struct hist *h, uint64_t bound)
{
	unsigned last = buckets_index(bound, HIST_STEPS_LOG2, HIST_OCTAVES);
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
			ret_since->max = most(h, i);
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
			max = most(h, i);
	}
	h->max = max;
}
