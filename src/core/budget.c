/* SPDX-License-Identifier: MIT */
/*
 * How several pools share one budget. A pool opens connections as long as the budget has room
 * beside what is reserved: the part of the other pools' min_size that they have not opened yet. A
 * pool that finds no room is blocked, and has a claim on the connections of the others:
 *
 *	what idles at a pool where nobody waits goes at once, except for that pool's min_size;
 *	what becomes idle at a pool where others wait goes if the claim is better than theirs.
 *
 * The better claim: who has no connection at all, the longest first; then whose first is entitled
 * to a guaranteed minimum; then whose first has the higher priority; then who would still have
 * fewer connections, for the weights of those who wait and run there, after it got one more. The
 * last one makes pools that are all busy divide the budget by weight, and is strict, so that no
 * connection goes back and forth. A pool where somebody waits keeps its last connection, but takes
 * turns of STARVING_US with pools that have none: the budget may be smaller than the number of
 * pools.
 *
 * Invariant: as many connections are closed for others as these want, and no more (core::n_closing
 * counts them).
 */
#include "core/core-internal.h"
#include "core/queue.h"

static uint32_t waiting_eligible(const struct pool *p)
{
	return p->paused ? 0 : p->eligible[TICKET_ALONE] + p->eligible[TICKET_SHARED];
}

/* What must be left for another pool to reach its min_size. */
static uint32_t reserve_of(const struct pool *p)
{
	uint32_t min;

	if (pool_is_closing(p) || p->paused || p->breaker.state != BREAKER_CLOSED)
		return 0;
	min = MIN(p->settings.min_size, p->ceiling.limit);
	return min > p->n_slots ? min - p->n_slots : 0;
}

static uint32_t reserved_for_others(const struct pool *p)
{
	const struct pool *other;
	uint32_t n = 0;

	TAILQ_FOREACH (other, &p->core->pools, link)
		if (other != p)
			n += reserve_of(other);
	return n;
}

bool budget_allows(const struct pool *p)
{
	const struct core *c = p->core;

	if (c->n_slots >= c->settings.budget)
		return false;
	/*
	 * Its own minimum, and a first connection where somebody waits, are nobody else's to
	 * reserve.
	 */
	if (p->n_slots < p->settings.min_size || (pool_standing(p) == 0 && waiting_eligible(p)))
		return true;
	return c->n_slots + reserved_for_others(p) < c->settings.budget;
}

static int first_rank(const struct pool *p)
{
	const struct queue *q =
		container_of_or_null(heap_peek(&p->ready), struct queue, ready_node);

	return q ? q->rank : INT32_MIN;
}

/* Compares n / w without dividing. */
static bool has_less(uint32_t n_a, const struct pool *a, uint32_t n_b, const struct pool *b)
{
	return n_a * MAX(b->active_weight, UINT64_C(1)) < n_b * MAX(a->active_weight, UINT64_C(1));
}

/* Whether `a` should have the next connection rather than `b`. */
static bool has_better_claim(const struct pool *a, const struct pool *b)
{
	bool a_has_none = pool_standing(a) == 0, b_has_none = pool_standing(b) == 0;

	if (a_has_none != b_has_none)
		return a_has_none;
	if (a_has_none)
		return a->turn_since < b->turn_since;
	if (first_rank(a) != first_rank(b))
		return first_rank(a) > first_rank(b);
	return has_less(pool_standing(a) + 1, a, pool_standing(b) + 1, b);
}

bool budget_is_next(const struct pool *p)
{
	struct pool *other;

	if (p->core->n_blocked == 0)
		return true;
	TAILQ_FOREACH (other, &p->core->pools, link)
		if (other != p && other->blocked && budget_allows(other) &&
		    has_better_claim(other, p)) {
			/*
			 * Its claim may have become the better one unnoticed. It opens one, or
			 * withdraws the claim.
			 */
			pool_stir(other);
			return false;
		}
	return true;
}

/* Whether `p`, where somebody waits for the idle connection, has to leave it to `claimant`. */
static bool must_yield(const struct pool *p, const struct pool *claimant, usec now)
{
	if (pool_standing(claimant) == 0)
		return pool_standing(p) > 1 ||
		       (usec_sub(now, pool_oldest(claimant)) >= STARVING_US &&
			usec_sub(now, p->turn_since) >= STARVING_US);
	if (pool_standing(p) <= 1)
		return false;
	if (first_rank(claimant) != first_rank(p))
		return first_rank(claimant) > first_rank(p);
	return has_less(pool_standing(claimant) + 1, claimant, pool_standing(p), p);
}

/* Connections that the claimant can open as it is, or once what is being closed is closed. */
static uint32_t room_for(const struct pool *claimant)
{
	const struct core *c = claimant->core;
	uint32_t taken = c->n_slots + (pool_standing(claimant) ? reserved_for_others(claimant) : 0);
	uint32_t have = c->settings.budget + c->n_closing;

	return have > taken ? have - taken : 0;
}

static bool hands_over_to(const struct pool *p, const struct pool *claimant, usec now)
{
	uint32_t room = room_for(claimant);

	if (supply_wanted(claimant, now) <= room)
		return false;
	if (waiting_eligible(p))
		return must_yield(p, claimant, now);
	/* The last resort of those who have nothing: somebody's min_size. */
	return pool_standing(p) > p->settings.min_size ||
	       (pool_standing(claimant) == 0 && room == 0);
}

bool budget_hands_over(const struct pool *p, usec now)
{
	const struct pool *other;

	TAILQ_FOREACH (other, &p->core->pools, link)
		if (other != p && other->blocked && hands_over_to(p, other, now))
			return true;
	return false;
}

static void stir_blocked(struct core *c)
{
	struct pool *p;

	TAILQ_FOREACH (p, &c->pools, link)
		if (p->blocked)
			pool_stir(p);
}

void budget_changed(struct core *c)
{
	if (c->n_blocked)
		stir_blocked(c);
}

/* The others are asked for what idles there each time: what is wanted may have grown. */
static void call_in(const struct pool *p)
{
	struct pool *other;

	TAILQ_FOREACH (other, &p->core->pools, link)
		if (other != p && other->n[SLOT_IDLE])
			pool_stir(other);
}

void budget_block(struct pool *p, bool blocked)
{
	struct core *c = p->core;

	if (blocked)
		call_in(p);
	if (p->blocked == blocked)
		return;
	p->blocked = blocked;
	if (blocked) {
		c->n_blocked++;
	} else {
		c->n_blocked--;
		/* Its claim stood before those of others. */
		budget_changed(c);
	}
}
