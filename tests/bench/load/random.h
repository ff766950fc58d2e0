/* SPDX-License-Identifier: MIT */
#pragma once
/* splitmix64: quick, and the same everywhere. Each client has a state of its own. */

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* From 1 to `most`, each as likely as the next to within 2^-32. */
static inline uint32_t random_upto(uint64_t *state, uint32_t most)
{
	return 1 + (uint32_t)(((random_next(state) >> 32) * most) >> 32);
}
