/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one source of chance in the core: xoshiro256** (Blackman, Vigna 2018), seeded by its owner,
 * so that every run repeats.
 */

#include <stdint.h>

#include "util/macro.h"

struct rng {
	uint64_t state[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);

/* Uniform over 0 to n - 1; 0 where n is 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

/*
 * Uniform from half of `t` up to `t`: what each wait before a retry is, so that those who failed
 * together do not return together.
 */
usec rng_jitter(struct rng *r, usec t);
