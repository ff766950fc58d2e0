/* SPDX-License-Identifier: MIT */
/*
 * A slot and the tickets on it.
 *
 * Invariants: a slot is in exactly one list, pool::slots[state] or core::free_slots, and its state
 * names that list. It is in pool::checks while it is idle, in pool::lifetimes from when it is up
 * until its lifetime was seen to. More than one ticket is on it only if all are shared. The first
 * ticket's application pays for it, nobody else.
 *
 * How much work is on it is known by estimate: each shared ticket says how long it expects to take.
 * Where the first one has been running for longer than it expected, nothing is known but that it is
 * slow; it is taken to need as long again as it is over. So expected_end, by which slots are filed,
 * is never later than the estimate, and the first one is refiled until it is up to date.
 */
#include "core/slot.h"

#include <assert.h>

#include "core/core-internal.h"
#include "core/queue.h"

static const uint8_t may_follow[SLOT_STATES_N] = {
	[SLOT_FREE] = 1U << SLOT_CONNECTING,
	[SLOT_CONNECTING] = 1U << SLOT_IDLE | 1U << SLOT_FREE,
	[SLOT_IDLE] = 1U << SLOT_BUSY | 1U << SLOT_PINGING | 1U << SLOT_CLOSING | 1U << SLOT_FREE,
	[SLOT_BUSY] = 1U << SLOT_IDLE | 1U << SLOT_FREE,
	[SLOT_PINGING] = 1U << SLOT_IDLE | 1U << SLOT_FREE,
	[SLOT_CLOSING] = 1U << SLOT_FREE,
};

/* Takes it out of its list and its pool's and the core's counts. */
static void leave(struct slot *s)
{
	struct pool *p = s->pool;

	TAILQ_REMOVE(&p->slots[s->state], s, link);
	p->n[s->state]--;
	if (s->state == SLOT_CLOSING)
		p->core->n_closing--;
	if (s->state == SLOT_IDLE)
		TAILQ_REMOVE(&p->checks, s, check_link);
}

static void enter(struct slot *s, enum slot_state to)
{
	struct pool *p = s->pool;

	assert(may_follow[s->state] & 1U << to);
	s->state = to;
	p->n[to]++;
	if (to == SLOT_CLOSING)
		p->core->n_closing++;
}

void slot_move(struct slot *s, enum slot_state to)
{
	leave(s);
	enter(s, to);
	TAILQ_INSERT_HEAD(&s->pool->slots[to], s, link);
}

struct slot *slot_take(struct pool *p)
{
	struct core *c = p->core;
	struct slot *s = TAILQ_FIRST(&c->free_slots);
	uint32_t index;

	assert(s);
	TAILQ_REMOVE(&c->free_slots, s, link);
	index = s->index;
	*s = (struct slot){ .index = index, .pool = p, .state = SLOT_FREE };
	TAILQ_INIT(&s->tickets);
	enter(s, SLOT_CONNECTING);
	TAILQ_INSERT_HEAD(&p->slots[SLOT_CONNECTING], s, link);
	p->n_slots++;
	c->n_slots++;
	pool_stir(p);
	return s;
}

/*
 * Neither the one it should have replaced nor the one that should have replaced it waits for it any
 * more.
 */
static void unpair(struct slot *s)
{
	if (s->replaces)
		s->replaces->replaced_by = NULL;
	if (s->replaced_by)
		s->replaced_by->replaces = NULL;
	s->replaces = s->replaced_by = NULL;
}

void slot_free(struct slot *s)
{
	struct pool *p = s->pool;

	assert(TAILQ_EMPTY(&s->tickets) && !s->lease);
	leave(s);
	if (s->draining) {
		TAILQ_REMOVE(&p->draining, s, drain_link);
		p->n_draining--;
	}
	heap_remove(&p->joinable, &s->join_node);
	heap_remove(&p->lifetimes, &s->lifetime_node);
	unpair(s);
	p->n_retiring -= s->retiring;
	p->n_slots--;
	p->core->n_slots--;
	s->state = SLOT_FREE;
	s->owner = NULL;
	TAILQ_INSERT_HEAD(&p->core->free_slots, s, link);
	pool_stir(p);
	budget_changed(p->core);
}

void slot_idle(struct slot *s, usec now)
{
	struct pool *p = s->pool;

	slot_move(s, SLOT_IDLE);
	s->idle_since = s->checked = now;
	TAILQ_INSERT_TAIL(&p->checks, s, check_link);
	/* Mostly it is wanted by those who wait here, or by nobody. */
	if (s->retiring || p->core->n_blocked || pool_is_closing(p) || supply_is_too_large(p) ||
	    pool_standing(p) > p->settings.max_size)
		pool_stir(p);
	pool_call(p);
	p->due = MIN(p->due,
		     usec_add(now, MIN(p->settings.idle_timeout_us, p->settings.keepalive_us)));
}

void slot_ping(struct slot *s)
{
	slot_move(s, SLOT_PINGING);
	pool_stir(s->pool);
}

/* Back to where it was in the order of use: a check is no use. */
void slot_back_from_ping(struct slot *s, usec now)
{
	struct slot_list *idle = &s->pool->slots[SLOT_IDLE];
	struct slot *at;

	leave(s);
	enter(s, SLOT_IDLE);
	pool_stir(s->pool);
	s->checked = now;
	TAILQ_INSERT_TAIL(&s->pool->checks, s, check_link);
	TAILQ_FOREACH_REVERSE (at, idle, slot_list, link)
		if (at->idle_since >= s->idle_since)
			break;
	if (at)
		TAILQ_INSERT_AFTER(idle, at, s, link);
	else
		TAILQ_INSERT_HEAD(idle, s, link);
}

void slot_close(struct slot *s)
{
	slot_move(s, SLOT_CLOSING);
	pool_stir(s->pool);
	heap_remove(&s->pool->lifetimes, &s->lifetime_node);
	unpair(s);
}

void slot_retire(struct slot *s, enum close_reason reason)
{
	if (s->retiring)
		return;
	s->retiring = true;
	s->retire_reason = (uint8_t)reason;
	s->pool->n_retiring++;
	heap_remove(&s->pool->joinable, &s->join_node);
	pool_stir(s->pool);
}

/* How long the first ticket is over what it expected. */
static usec overrun(const struct slot *s, usec now)
{
	return usec_sub(usec_sub(now, s->headed), TAILQ_FIRST(&s->tickets)->expected_us);
}

usec slot_expected(const struct slot *s, usec now)
{
	usec over = overrun(s, now);
	usec behind = s->expected_us - TAILQ_FIRST(&s->tickets)->expected_us;

	return over ? over + behind : usec_sub(s->headed + s->expected_us, now);
}

static bool takes_another(const struct slot *s)
{
	return s->state == SLOT_BUSY && !s->draining && !s->broken && !s->retiring &&
	       s->depth < s->pool->settings.pipeline_depth && TAILQ_FIRST(&s->tickets) &&
	       TAILQ_FIRST(&s->tickets)->shared;
}

void slot_refile(struct slot *s, usec now)
{
	struct pool *p = s->pool;

	heap_remove(&p->joinable, &s->join_node);
	if (!takes_another(s))
		return;
	s->expected_end = now + slot_expected(s, now);
	heap_insert(&p->joinable, &s->join_node);
}

void slot_set_draining(struct slot *s, bool draining, usec now)
{
	struct pool *p = s->pool;

	if (s->draining == draining)
		return;
	s->draining = draining;
	if (draining) {
		TAILQ_INSERT_TAIL(&p->draining, s, drain_link);
		p->n_draining++;
	} else {
		TAILQ_REMOVE(&p->draining, s, drain_link);
		p->n_draining--;
	}
	slot_refile(s, now);
}

/* The first ticket begins to run, and its application to pay. */
static void head(struct slot *s, usec now)
{
	struct ticket *t = TAILQ_FIRST(&s->tickets);

	s->headed = now;
	queue_run(application_queue(t->app, s->pool), 1, now);
	application_headed(t->app, 1, now);
}

static void unhead(struct slot *s, usec now)
{
	struct ticket *t = TAILQ_FIRST(&s->tickets);
	struct queue *q = application_queue(t->app, s->pool);
	usec ran = usec_sub(now, s->headed);

	queue_served(q, ran);
	queue_run(q, -1, now);
	application_headed(t->app, -1, now);
	t->app->stats.connection_us_total += ran;
	s->pool->stats.run_us_total += ran;
	hist_add(&s->pool->stats.runs, ran);
}

void slot_grant(struct slot *s, struct ticket *t, usec now)
{
	struct pool *p = s->pool;

	if (s->state == SLOT_IDLE) {
		slot_move(s, SLOT_BUSY);
		s->run_started = now;
	}
	t->state = TICKET_GRANTED;
	t->slot = s;
	t->granted = now;
	TAILQ_INSERT_TAIL(&s->tickets, t, link);
	s->depth++;
	s->uses++;
	s->expected_us += t->expected_us;
	p->granted++;
	p->core->granted++;
	application_granted(t->app, 1, now);
	if (s->depth == 1)
		head(s, now);
	if (t->shared)
		slot_refile(s, now);
}

void slot_finish(struct slot *s, struct ticket *t, usec now)
{
	struct pool *p = s->pool;
	bool was_first = TAILQ_FIRST(&s->tickets) == t;

	if (was_first)
		unhead(s, now);
	TAILQ_REMOVE(&s->tickets, t, link);
	t->state = TICKET_DONE;
	t->slot = NULL;
	s->depth--;
	s->expected_us -= t->expected_us;
	p->granted--;
	p->core->granted--;
	application_granted(t->app, -1, now);
	if (s->depth > 0) {
		if (was_first)
			head(s, now);
		slot_refile(s, now);
		pool_call(p);
		return;
	}
	heap_remove(&p->joinable, &s->join_node);
	slot_set_draining(s, false, now);
	/* A broken one waits for core_slot_failed(). */
	if (!s->broken)
		slot_idle(s, now);
}

const char *slot_state_to_string(enum slot_state state)
{
	static const char *const names[SLOT_STATES_N] = {
		[SLOT_FREE] = "free", [SLOT_CONNECTING] = "connecting", [SLOT_IDLE] = "idle",
		[SLOT_BUSY] = "busy", [SLOT_PINGING] = "pinging",       [SLOT_CLOSING] = "closing",
	};

	return (unsigned)state < SLOT_STATES_N ? names[state] : "?";
}
