/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The buckets of a histogram with a bounded relative error: each power of two is cut into
 * 2^steps_log2 equal ones, and values below that have one each. Above, the bucket is given by the
 * position of the highest bit and the steps_log2 bits behind it. The last one, just below
 * 2^octaves, has also all that is above.
 */

#include <stdint.h>

#define BUCKETS(steps_log2, octaves) ((1 << (steps_log2)) * ((octaves) - (steps_log2) + 1))

static inline unsigned buckets_index(uint64_t value, unsigned steps_log2, unsigned octaves)
{
	unsigned shift;

	if (value >> steps_log2 == 0)
		return (unsigned)value;
	if (value >> octaves)
		return ((octaves - steps_log2 + 1) << steps_log2) - 1;
	shift = 63 - steps_log2 - (unsigned)__builtin_clzll(value);
	return (shift << steps_log2) + (unsigned)(value >> shift);
}

/* The highest value that falls into the bucket, which is not the last. */
static inline uint64_t buckets_bound(unsigned bucket, unsigned steps_log2)
{
	unsigned steps = 1U << steps_log2, shift;

	if (bucket < 2 * steps)
		return bucket;
	shift = bucket / steps - 1;
	return ((uint64_t)(steps + bucket % steps + 1) << shift) - 1;
}

/*
 * The smallest bound that at least `wanted` values are at or below; what is in the last of the n
 * buckets has UINT64_MAX for one.
 */
static inline uint64_t buckets_reach(const uint64_t *counts, unsigned n, unsigned steps_log2,
				     double wanted)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < n - 1; i++) {
		seen += counts[i];
		if (seen > 0 && (double)seen >= wanted)
			return buckets_bound(i, steps_log2);
	}
	return UINT64_MAX;
}
