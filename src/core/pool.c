/* SPDX-License-Identifier: MIT */
/*
 * A pool's life, and the order in which its decisions are found: first what must go (so that nobody
 * gets a connection that is to be closed), then who gets what is there, then what is opened, and
 * last what idles.
 *
 * A pool is looked at when it was stirred, that is when anything about it changed, or when
 * something of it is due; when only tickets came or went, it is only seen to those.
 */
#include "core/pool.h"

#include <assert.h>
#include <stdlib.h>

#include "core/core-internal.h"
#include "core/queue.h"
#include "util/error.h"

static bool ends_before(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct slot, join_node)->expected_end <
	       container_of(b, struct slot, join_node)->expected_end;
}

static bool retires_before(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct slot, lifetime_node)->retire_at <
	       container_of(b, struct slot, lifetime_node)->retire_at;
}

static uint32_t free_index(const struct core *c)
{
	const struct pool *p;
	uint32_t index = 0;
	bool taken;

	do {
		taken = false;
		TAILQ_FOREACH (p, &c->pools, link)
			taken |= p->index == index;
		index += taken;
	} while (taken);
	return index;
}

static void init(struct pool *p, struct core *c, const struct pool_settings *settings, void *owner)
{
	p->core = c;
	p->owner = owner;
	p->index = free_index(c);
	p->settings = *settings;
	p->contended_since = USEC_NEVER;
	p->join_due = USEC_NEVER;
	ceiling_init(&p->ceiling);
	for (int i = 0; i < SLOT_STATES_N; i++)
		TAILQ_INIT(&p->slots[i]);
	TAILQ_INIT(&p->checks);
	TAILQ_INIT(&p->meters);
	TAILQ_INIT(&p->draining);
	heap_init(&p->joinable, ends_before);
	heap_init(&p->lifetimes, retires_before);
	heap_init(&p->ready, queue_ready_before);
	heap_init(&p->joiners, queue_join_before);
	heap_init(&p->ages, queue_age_before);
}

static void drop_queues(struct pool *p)
{
	struct application *app;

	TAILQ_FOREACH (app, &p->core->applications, link)
		application_drop_queue(app, p);
}

int pool_add(struct core *c, const struct pool_settings *settings, void *owner, usec now,
	     struct pool **ret_pool)
{
	struct pool *p = calloc(1, sizeof(*p));
	struct application *app;
	int r;

	(void)now;
	if (!p)
		return err_raise(-ENOMEM);
	init(p, c, settings, owner);
	TAILQ_FOREACH (app, &c->applications, link) {
		r = application_add_queue(app, p);
		if (r < 0) {
			drop_queues(p);
			meters_free(p);
			free(p);
			return err_forward(r);
		}
	}
	TAILQ_INSERT_TAIL(&c->pools, p, link);
	pool_stir(p);
	*ret_pool = p;
	return 0;
}

static void refile_slots(struct pool *p, usec now)
{
	struct slot *s;

	TAILQ_FOREACH (s, &p->slots[SLOT_BUSY], link)
		slot_refile(s, now);
}

void pool_configure(struct pool *p, const struct pool_settings *settings, usec now)
{
	p->settings = *settings;
	refile_slots(p, now);
	pool_stir(p);
	budget_changed(p->core);
}

void pool_discovered(struct pool *p, const struct server_limits *limits, usec now)
{
	uint32_t open = pool_standing(p) - p->n[SLOT_CONNECTING];

	p->discovered = *limits;
	ceiling_discovered(&p->ceiling, &p->settings, limits, open, &p->core->rng, now);
	pool_stir(p);
	budget_changed(p->core);
}

void pool_pause(struct pool *p, usec now)
{
	(void)now;
	p->paused = true;
	pool_stir(p);
	budget_changed(p->core);
}

void pool_resume(struct pool *p, usec now)
{
	(void)now;
	p->paused = false;
	pool_stir(p);
}

static void retire_all(struct pool *p, enum slot_state state)
{
	struct slot *s;

	TAILQ_FOREACH (s, &p->slots[state], link)
		slot_retire(s, CLOSE_RECONNECT);
}

void pool_reconnect(struct pool *p, usec now)
{
	(void)now;
	retire_all(p, SLOT_CONNECTING);
	retire_all(p, SLOT_IDLE);
	retire_all(p, SLOT_BUSY);
	retire_all(p, SLOT_PINGING);
	p->retry_at = 0;
	p->backoff_us = 0;
	if (p->breaker.state == BREAKER_OPEN && !p->breaker.tripped)
		p->breaker.retry_at = 0;
	pool_stir(p);
}

void pool_trip(struct pool *p, usec now)
{
	breaker_trip(&p->breaker, now);
	pool_stir(p);
	budget_changed(p->core);
}

void pool_reset(struct pool *p, usec now)
{
	breaker_reset(&p->breaker, now);
	p->retry_at = 0;
	p->backoff_us = 0;
	pool_stir(p);
}

uint32_t pool_limit(const struct pool *p)
{
	uint32_t n = p->settings.max_size + p->settings.max_overflow;

	return MIN(MIN(n, p->ceiling.limit), p->core->settings.budget);
}

uint32_t pool_would_fit(const struct pool *p)
{
	uint32_t asked =
		MIN(p->settings.max_size + p->settings.max_overflow, p->core->settings.budget);

	return p->ceiling.hard < asked ? p->ceiling.hard : 0;
}

usec pool_oldest(const struct pool *p)
{
	const struct application *app;
	const struct queue *q = queue_oldest(p);
	usec oldest = q ? q->head_submitted : USEC_NEVER;

	if (q || p->waiting == 0)
		return oldest;
	/* All who wait are held back by their application's maximum. */
	TAILQ_FOREACH (app, &p->core->applications, link)
		if (queue_waiting(application_queue(app, p)))
			oldest = MIN(oldest, queue_head(application_queue(app, p))->submitted);
	return oldest;
}

struct pool *pool_next(const struct core *c, const struct pool *after)
{
	return after ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&c->pools);
}

void pool_remove(struct pool *p, usec now)
{
	(void)now;
	p->removing = true;
	pool_stir(p);
	budget_changed(p->core);
}

struct pool *pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	assert(p->n_slots == 0 && p->waiting == 0);
	if (!p->gone)
		TAILQ_REMOVE(&p->core->pools, p, link);
	meters_free(p);
	free(p);
	return NULL;
}

/* What is due at or before now was looked at, and needs nothing. */
static usec next_due(const struct pool *p, usec now)
{
	usec due = supply_due(p, now);

	return p->join_due > now ? MIN(due, p->join_due) : due;
}

static bool hand_back(struct pool *p, struct decision *d)
{
	if (!p->removing || p->gone || p->n_slots > 0 || p->waiting > 0)
		return false;
	budget_block(p, false);
	drop_queues(p);
	TAILQ_REMOVE(&p->core->pools, p, link);
	p->gone = true;
	*d = (struct decision){ .type = DECISION_GONE, .pool = p };
	return true;
}

/*
 * Where only tickets came and went, it is about them alone, unless one finds nothing that could
 * serve it.
 */
static bool answer_call(struct pool *p, usec now, struct decision *d)
{
	if (grant_decide(p, now, d))
		return true;
	p->called = false;
	p->stirred = p->pressed || p->eligible[TICKET_ALONE] + p->eligible[TICKET_SHARED] > 0;
	return false;
}

bool pool_decide(struct pool *p, usec now, struct decision *d)
{
	if (p->called && !p->stirred && answer_call(p, now, d))
		return true;
	if (!p->stirred && p->due > now)
		return false;
	if (supply_renew(p, now, d) || supply_close_due(p, now, d) || grant_decide(p, now, d) ||
	    supply_open(p, now, d) || supply_close_surplus(p, now, d) || supply_ping(p, now, d) ||
	    hand_back(p, d)) {
		/* There may be more. */
		p->stirred = !p->gone;
		p->called &= !p->gone;
		return true;
	}
	p->stirred = p->called = false;
	p->due = next_due(p, now);
	return false;
}
