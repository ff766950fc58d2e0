/* SPDX-License-Identifier: MIT */
/*
 * Start-time fair queueing (Goyal, Vin, Cheng 1996) over applications, charged in
 * connection-seconds.
 *
 * The cost of a ticket is not known when it is granted, and a lease may run for an hour. So nothing
 * is charged ahead: a queue pays while it runs, `running` connection-seconds a second divided by
 * its weight, and its turn comes when it has paid least. Since it is only ever compared while it
 * waits, paying can be put off until it is looked at: the key under which it is filed is then too
 * low, never too high, and queue_next() refiles the first one until the first one is up to date.
 * That costs at most one step for each queue that runs something.
 *
 * Only contended time is charged. While nobody waits, using what others leave idle takes nothing
 * from them; an application that ran alone all night starts the day with no debt. The pool's
 * contended clock stands still then.
 *
 * Who comes back from idling starts where the last one served stood (pool::vtime, one for each
 * priority), so that idling earns no credit. Debt and credit are bounded by what the whole pool
 * does in HORIZON_US: after a lease of an hour its owner waits for HORIZON_US at the most until it
 * is its turn again.
 *
 * On equal accounts the one that has fewer connections goes first: TICK_US is added for each.
 * Otherwise several connections that become free at once would all go to one application, as no
 * time passes in which it could pay.
 *
 * Above that order stand priorities, strictly, and above them the applications that have less than
 * their guaranteed minimum. What keeps low priorities from starving is in grant.c.
 *
 * Invariants: a queue is in pool::ready and pool::ages exactly if a ticket waits in it and its
 * application has less than its maximum; in pool::joiners exactly if one of these is shared;
 * pool::eligible counts the tickets of the queues in pool::ready.
 */
#include "core/queue.h"

#include <math.h>
#include <stdlib.h>

#include "core/core-internal.h"
#include "core/meter.h"
#include "util/error.h"

#define HORIZON_US (5 * USEC_PER_SEC)
#define TICK_US 1000.0

enum {
	SAMPLES_MAX = 8,
};

int queue_new(struct queue **ret_queue, struct application *app, struct pool *p)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return err_raise(-ENOMEM);
	if (meter_get(p, app->name, &q->meter) < 0) {
		free(q);
		return err_raise(-ENOMEM);
	}
	q->app = app;
	q->pool = p;
	TAILQ_INIT(&q->waiting[TICKET_ALONE]);
	TAILQ_INIT(&q->waiting[TICKET_SHARED]);
	*ret_queue = q;
	return 0;
}

struct queue *queue_free(struct queue *q)
{
	free(q);
	return NULL;
}

static bool before(const struct queue *a, const struct queue *b)
{
	if (a->rank != b->rank)
		return a->rank > b->rank;
	if (a->key < b->key || a->key > b->key)
		return a->key < b->key;
	return a->head_submitted < b->head_submitted;
}

bool queue_ready_before(const struct heap_node *a, const struct heap_node *b)
{
	return before(container_of(a, struct queue, ready_node),
		      container_of(b, struct queue, ready_node));
}

bool queue_join_before(const struct heap_node *a, const struct heap_node *b)
{
	return before(container_of(a, struct queue, join_node),
		      container_of(b, struct queue, join_node));
}

bool queue_age_before(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct queue, age_node)->head_submitted <
	       container_of(b, struct queue, age_node)->head_submitted;
}

static usec contended_clock(const struct pool *p, usec now)
{
	return p->contended_us +
	       (p->contended_since == USEC_NEVER ? 0 : usec_sub(now, p->contended_since));
}

/* Stops or starts the contended clock. Whoever changes pool::ready calls it afterwards. */
static void watch_contention(struct pool *p, usec now)
{
	bool contended = heap_peek(&p->ready) != NULL;

	if (contended == (p->contended_since != USEC_NEVER))
		return;
	if (contended) {
		p->contended_since = now;
	} else {
		p->contended_us = contended_clock(p, now);
		p->contended_since = USEC_NEVER;
	}
}

static double *start_of(const struct queue *q)
{
	return &q->pool->vtime[q->app->share.priority - PRIORITY_MIN];
}

bool queue_is_entitled(const struct queue *q)
{
	return q->app->in_use < q->app->share.min;
}

/* What all connections of the pool together charge in HORIZON_US, per weight. */
static double horizon(const struct pool *p)
{
	return (double)HORIZON_US * MAX(p->n_slots, 1U) / (double)MAX(p->active_weight, 1U);
}

static void charge(struct queue *q, usec now)
{
	usec clock = contended_clock(q->pool, now);
	double start = *start_of(q), most;

	if (q->running && clock != q->charged_us)
		q->vtime += (double)(clock - q->charged_us) * q->running / q->app->share.weight;
	q->charged_us = clock;
	/* The usual case, where nobody waits, needs no division. */
	if (fabs(q->vtime - start) < TICK_US || queue_is_entitled(q))
		return;
	most = horizon(q->pool);
	q->vtime = MIN(MAX(q->vtime, start - most), start + most);
}

void queue_settle(struct queue *q, usec now)
{
	charge(q, now);
}

static double key_of(const struct queue *q)
{
	return q->running ? q->vtime + TICK_US * q->running / q->app->share.weight : q->vtime;
}

static bool is_eligible(const struct queue *q)
{
	const struct share_settings *s = &q->app->share;

	return queue_waiting(q) > 0 && (s->max == 0 || q->app->granted < s->max);
}

static void count_eligible(struct queue *q, bool eligible)
{
	for (int kind = 0; kind < 2; kind++) {
		uint32_t n = eligible ? q->n_waiting[kind] : 0;

		q->pool->eligible[kind] += n - q->counted[kind];
		q->counted[kind] = n;
	}
}

/* Applications that wait or run divide the pool among them; the others' weights count nothing. */
static void watch_activity(struct queue *q)
{
	bool active = q->running > 0 || queue_waiting(q) > 0;
	uint32_t weight = active ? q->app->share.weight : 0;
	uint32_t min = active ? q->app->share.min : 0;

	q->pool->active_weight = q->pool->active_weight + weight - q->active_weight;
	q->pool->active_min = q->pool->active_min + min - q->active_min;
	q->active_weight = weight;
	q->active_min = min;
}

static void file(struct queue *q)
{
	struct pool *p = q->pool;

	q->rank = q->app->share.priority + (queue_is_entitled(q) ? PRIORITY_LEVELS : 0);
	q->key = key_of(q);
	q->head_submitted = queue_head(q)->submitted;
	heap_insert(&p->ready, &q->ready_node);
	heap_insert(&p->ages, &q->age_node);
	if (q->n_waiting[TICKET_SHARED])
		heap_insert(&p->joiners, &q->join_node);
}

void queue_refile(struct queue *q, usec now)
{
	struct pool *p = q->pool;
	bool eligible = is_eligible(q);

	charge(q, now);
	heap_remove(&p->ready, &q->ready_node);
	heap_remove(&p->ages, &q->age_node);
	heap_remove(&p->joiners, &q->join_node);
	if (eligible)
		file(q);
	count_eligible(q, eligible);
	watch_activity(q);
	watch_contention(p, now);
	pool_call(p);
}

struct ticket *queue_head(const struct queue *q)
{
	struct ticket *alone = TAILQ_FIRST(&q->waiting[TICKET_ALONE]);
	struct ticket *shared = TAILQ_FIRST(&q->waiting[TICKET_SHARED]);

	if (!alone || !shared)
		return alone ? alone : shared;
	return shared->submitted < alone->submitted ? shared : alone;
}

void queue_push(struct queue *q, struct ticket *t, usec now)
{
	if (queue_waiting(q) == 0) {
		charge(q, now);
		q->vtime = MAX(q->vtime, *start_of(q));
	}
	TAILQ_INSERT_TAIL(&q->waiting[t->shared], t, link);
	q->n_waiting[t->shared]++;
	/* Behind others nothing changes but the counts. */
	if (heap_linked(&q->ready_node) && (!t->shared || heap_linked(&q->join_node))) {
		count_eligible(q, true);
		pool_call(q->pool);
		return;
	}
	queue_refile(q, now);
}

void queue_remove(struct queue *q, struct ticket *t, usec now)
{
	TAILQ_REMOVE(&q->waiting[t->shared], t, link);
	q->n_waiting[t->shared]--;
	queue_refile(q, now);
}

void queue_run(struct queue *q, int change, usec now)
{
	charge(q, now);
	q->running += (uint32_t)change;
	if (heap_linked(&q->ready_node))
		queue_refile(q, now);
	else
		watch_activity(q);
}

void queue_served(struct queue *q, usec us)
{
	static const double part[SAMPLES_MAX + 1] = { 0,      1,      1. / 2, 1. / 3, 1. / 4,
						      1. / 5, 1. / 6, 1. / 7, 1. / 8 };

	if (q->samples < SAMPLES_MAX)
		q->samples++;
	q->mean_us += ((double)us - q->mean_us) * part[q->samples];
}

/* Whether the account under which it is filed is up to date; files it anew if not. */
static bool is_current(struct queue *q, usec now)
{
	charge(q, now);
	if (key_of(q) <= q->key)
		return true;
	queue_refile(q, now);
	return false;
}

struct queue *queue_next(struct pool *p, usec now)
{
	struct queue *q;

	do {
		q = container_of_or_null(heap_peek(&p->ready), struct queue, ready_node);
	} while (q && !is_current(q, now));
	return q;
}

struct queue *queue_next_joiner(struct pool *p, usec now)
{
	struct queue *q;

	do {
		q = container_of_or_null(heap_peek(&p->joiners), struct queue, join_node);
	} while (q && !is_current(q, now));
	return q;
}

struct queue *queue_oldest(const struct pool *p)
{
	return container_of_or_null(heap_peek(&p->ages), struct queue, age_node);
}

void queue_turn(struct queue *q)
{
	double *start = start_of(q);

	if (!queue_is_entitled(q))
		*start = MAX(*start, q->vtime);
}
