/* SPDX-License-Identifier: MIT */
#include "core/rng.h"

/* splitmix64: spreads one word over the state, which must not be all zero. */
static uint64_t spread(uint64_t *x)
{
	uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, unsigned n)
{
	return (x << n) | (x >> (64 - n));
}

void rng_init(struct rng *r, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++)
		r->state[i] = spread(&seed);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->state;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

/*
 * The bias of the remainder is below n / 2^64: nothing for the waits and choices it is used for.
 */
uint64_t rng_below(struct rng *r, uint64_t n)
{
	return n ? rng_next(r) % n : 0;
}

usec rng_jitter(struct rng *r, usec t)
{
	return t - rng_below(r, t / 2 + 1);
}
