/* SPDX-License-Identifier: MIT */
#pragma once
/* The monotonic clock, in nanoseconds: a round trip is some tens of microseconds. */

#include <stdint.h>
#include <time.h>

#define NS_PER_SEC UINT64_C(1000000000)

static inline uint64_t clock_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}
