/* SPDX-License-Identifier: MIT */
/*
 * Open addressing with linear probing, at most half full. A removal closes the gap behind it
 * (Knuth, algorithm 6.4R), so there are no tombstones and an empty set gives its memory back, which
 * is the usual state of a connection.
 *
 * Invariant: from the home slot of an entry to its own slot no slot is free.
 */
#include "sp/flight.h"

#include <string.h>

#include "sp/pool.h"
#include "util/error.h"

enum {
	FLIGHT_FIRST_SLOTS = 16,
};

void sp_flight_init(struct sp_flight *f, uint64_t seed)
{
	*f = (struct sp_flight){ .seed = seed };
}

void sp_flight_deinit(struct sp_flight *f, struct sp_pool *pool)
{
	sp_pool_give(pool, f->slots, f->slots_bytes);
	sp_flight_init(f, f->seed);
}

static uint32_t home(const struct sp_flight *f, const struct sp_request *request)
{
	uint64_t h = f->seed;

	for (uint32_t i = 0; i < request->n_words; i++) {
		h = (h ^ request->words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return (uint32_t)h & f->mask;
}

/* The slot of the request, or the free one where it belongs. */
static uint32_t find(const struct sp_flight *f, const struct sp_request *request)
{
	uint32_t i = home(f, request);

	while (f->slots[i].n_words && !sp_request_equal(&f->slots[i], request))
		i = (i + 1) & f->mask;
	return i;
}

static int resize(struct sp_flight *f, struct sp_pool *pool, uint32_t n_slots)
{
	struct sp_flight old = *f;

	f->slots = sp_pool_take(pool, n_slots * sizeof(*f->slots), &f->slots_bytes);
	if (!f->slots) {
		*f = old;
		return err_raise(-ENOMEM);
	}
	f->mask = n_slots - 1;
	for (uint32_t i = 0; i < n_slots; i++)
		f->slots[i].n_words = 0;
	for (uint32_t i = 0; old.slots && i <= old.mask; i++)
		if (old.slots[i].n_words)
			f->slots[find(f, &old.slots[i])] = old.slots[i];
	sp_pool_give(pool, old.slots, old.slots_bytes);
	return 0;
}

static int make_room(struct sp_flight *f, struct sp_pool *pool)
{
	if (!f->slots)
		return resize(f, pool, FLIGHT_FIRST_SLOTS);
	if ((f->n + 1) * 2 > f->mask + 1)
		return resize(f, pool, (f->mask + 1) * 2);
	return 0;
}

int sp_flight_add(struct sp_flight *f, struct sp_pool *pool, const struct sp_request *request)
{
	uint32_t i;
	int r = make_room(f, pool);

	if (r < 0)
		return err_forward(r);
	i = find(f, request);
	if (f->slots[i].n_words)
		return SP_FLIGHT_E_DUPLICATE;
	f->slots[i].n_words = request->n_words;
	memcpy(f->slots[i].words, request->words, sp_request_bytes(request));
	f->n++;
	return 0;
}

/* Moves back what could not stand nearer to its home because of the slot that is free now. */
static void close_gap(struct sp_flight *f, uint32_t gap)
{
	for (uint32_t i = (gap + 1) & f->mask; f->slots[i].n_words; i = (i + 1) & f->mask) {
		uint32_t from_home = (i - home(f, &f->slots[i])) & f->mask;

		if (from_home < ((i - gap) & f->mask))
			continue;
		f->slots[gap] = f->slots[i];
		gap = i;
	}
	f->slots[gap].n_words = 0;
}

int sp_flight_remove(struct sp_flight *f, struct sp_pool *pool, const struct sp_request *request)
{
	uint32_t i;

	if (!f->slots)
		return SP_FLIGHT_E_UNKNOWN;
	i = find(f, request);
	if (!f->slots[i].n_words)
		return SP_FLIGHT_E_UNKNOWN;
	if (--f->n == 0)
		sp_flight_deinit(f, pool);
	else
		close_gap(f, i);
	return 0;
}
