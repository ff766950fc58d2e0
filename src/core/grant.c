/* SPDX-License-Identifier: MIT */
/*
 * Who gets which connection. A connection that idles goes to whose turn it is (queue.c). If none
 * idles, shared tickets are put behind each other: on the connection with the least expected work,
 * as long as that and the ticket's own together stay within pipeline_budget and the depth below
 * pipeline_depth. Never is a ticket that is not shared behind another, or has another behind it.
 *
 * A stream of shared tickets could so keep all connections busy for ever, while a ticket that wants
 * one alone waits. Therefore as many connections as such tickets wait are set to draining: what is
 * on them is finished, and nothing is put behind it. A connection that won its turn with a shared
 * ticket still takes others for pipeline_budget, although it drains: otherwise pipelining would be
 * lost exactly when it is needed most. So one alone waits for no longer than twice pipeline_budget
 * until one connection has drained; one that is entitled to its guaranteed minimum does not even
 * wait for that.
 *
 * Strict priorities starve those below, and so do guaranteed minima that together take all there
 * is. Against this, the queue whose first ticket has waited longest goes first in every
 * AGED_EVERY-th grant, once that has waited for STARVING_US. It passes over a guaranteed minimum
 * only if the minima leave nothing to anybody else.
 *
 * Invariant: after grant_decide() said false no connection idles for whom a ticket of the pool may
 * have it.
 */
#include "core/core-internal.h"
#include "core/queue.h"

enum {
	AGED_EVERY = 8,
};

static bool minima_take_all(const struct pool *p)
{
	return p->active_min >= p->n_slots - p->n[SLOT_CLOSING] - p->n[SLOT_CONNECTING];
}

/* Whether the longest waiting goes before `first`. */
static bool has_aged(const struct pool *p, const struct queue *oldest, const struct queue *first,
		     usec now)
{
	if (oldest->rank >= first->rank || usec_sub(now, oldest->head_submitted) < STARVING_US)
		return false;
	if (p->grants_since_aged + 1 < AGED_EVERY)
		return false;
	return !queue_is_entitled(first) || minima_take_all(p);
}

static struct queue *whose_turn(struct pool *p, struct queue *first, usec now)
{
	struct queue *oldest = queue_oldest(p);

	return has_aged(p, oldest, first, now) ? oldest : first;
}

static void count_turn(struct pool *p, struct queue *q, const struct queue *first)
{
	if (q != first) {
		p->grants_since_aged = 0;
		return;
	}
	p->grants_since_aged++;
	queue_turn(q);
}

static void count_grant(struct pool *p, const struct queue *q, struct ticket *t, unsigned depth,
			usec now)
{
	struct application *app = t->app;
	usec wait = usec_sub(now, t->submitted);

	p->last_granted = now;
	p->recent_wait_us = p->recent_wait_us - p->recent_wait_us / 16 + wait / 16;
	p->stats.granted_total++;
	p->stats.wait_us_total += wait;
	hist_add(&p->stats.waits, wait);
	app->stats.granted_total++;
	app->stats.wait_us_total += wait;
	hist_add(&app->stats.waits, wait);
	hist_add(&p->stats.depths, depth + 1);
	q->meter->granted_total++;
	hist_add(&q->meter->waits, wait);
	if (depth) {
		p->stats.pipelined_total++;
		app->stats.pipelined_total++;
		q->meter->pipelined_total++;
	}
}

static bool grant(struct pool *p, struct queue *q, struct ticket *t, struct slot *s, usec now,
		  struct decision *d)
{
	unsigned depth = s->depth;

	queue_remove(q, t, now);
	p->waiting--;
	p->core->waiting--;
	t->app->waiting--;
	count_grant(p, q, t, depth, now);
	slot_grant(s, t, now);
	*d = (struct decision){
		.type = DECISION_GRANT, .pool = p, .slot = s, .ticket = t, .depth = depth
	};
	return true;
}

static bool grant_idle(struct pool *p, usec now, struct decision *d)
{
	struct slot *s = TAILQ_FIRST(&p->slots[SLOT_IDLE]);
	struct queue *first, *q;

	if (!s)
		return false;
	first = queue_next(p, now);
	q = whose_turn(p, first, now);
	count_turn(p, q, first);
	return grant(p, q, queue_head(q), s, now, d);
}

static struct slot *least_loaded(struct pool *p, usec now)
{
	struct slot *s;

	for (;;) {
		s = container_of_or_null(heap_peek(&p->joinable), struct slot, join_node);
		if (!s || now + slot_expected(s, now) <= MAX(s->expected_end, now))
			return s;
		slot_refile(s, now);
	}
}

/* As many drain as tickets wait for a connection of their own. */
static void balance_draining(struct pool *p, usec now)
{
	struct slot *s;

	while (p->n_draining > p->eligible[TICKET_ALONE])
		slot_set_draining(TAILQ_LAST(&p->draining, slot_list), false, now);
	while (p->n_draining < p->eligible[TICKET_ALONE]) {
		s = least_loaded(p, now);
		if (!s)
			return;
		slot_set_draining(s, true, now);
	}
}

/* The one that has drained for the shortest time, while its turn lasts. */
static struct slot *young_draining(struct pool *p, usec now)
{
	struct slot *s = TAILQ_LAST(&p->draining, slot_list);
	struct queue *q;

	if (!s || s->depth >= p->settings.pipeline_depth || s->broken || s->retiring ||
	    usec_sub(now, s->run_started) >= p->settings.pipeline_budget_us)
		return NULL;
	q = queue_next(p, now);
	return q && queue_is_entitled(q) && q->n_waiting[TICKET_ALONE] ? NULL : s;
}

static bool grant_shared(struct pool *p, usec now, struct decision *d)
{
	struct queue *first, *q;
	struct ticket *t;
	struct slot *s;
	usec work;

	p->join_due = USEC_NEVER;
	if (!heap_peek(&p->joiners))
		return false;
	balance_draining(p, now);
	s = least_loaded(p, now);
	if (!s)
		s = young_draining(p, now);
	if (!s)
		return false;
	first = queue_next_joiner(p, now);
	q = whose_turn(p, first, now);
	if (!q->n_waiting[TICKET_SHARED])
		q = first;
	t = TAILQ_FIRST(&q->waiting[TICKET_SHARED]);
	work = usec_add(slot_expected(s, now), t->expected_us);
	if (work > p->settings.pipeline_budget_us) {
		/* Time alone may make it fit, unless what runs there has lost its way. */
		p->join_due = now + work - p->settings.pipeline_budget_us;
		return false;
	}
	p->pressed = true;
	count_turn(p, q, first);
	return grant(p, q, t, s, now, d);
}

bool grant_decide(struct pool *p, usec now, struct decision *d)
{
	if (!heap_peek(&p->ready) || p->paused || p->breaker.tripped || pool_is_closing(p))
		return false;
	return grant_idle(p, now, d) || grant_shared(p, now, d);
}
