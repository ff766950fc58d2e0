/* SPDX-License-Identifier: MIT */
/*
 * A lane that has something is in exactly one of these:
 *
 *	ready     in submit_flow::ready: its first may be taken as soon as its flow may
 *	sleeping  in submit_queue::sleeping: its first was tried, and waits for its time
 *	taken     its first runs
 *
 * A flow takes turns over its lanes; flows are asked in turn, so that one with thousands of lanes
 * keeps nobody waiting. A lane goes with its last submission, a flow with its last lane.
 */
#include "rpc/submit-queue.h"

#include <stdlib.h>
#include <string.h>

#include "util/error.h"

enum lane_state {
	LANE_READY,
	LANE_SLEEPING,
	LANE_TAKEN,
};

struct submit_lane {
	struct submit_flow *flow; /* borrowed: it lives for as long as its lanes */
	enum lane_state state;
	struct submission_list submissions;
	struct heap_node node;          /* submit_queue::sleeping */
	TAILQ_ENTRY(submit_lane) ready; /* submit_flow::ready */
	UT_hash_handle hh;              /* submit_flow::lanes, where it has a key */
	size_t key_bytes;
	uint8_t key[];
};

struct submit_flow {
	char *name;                      /* owned */
	struct submit_lane *lanes;       /* owned: those with a key */
	TAILQ_HEAD(, submit_lane) ready; /* owned where they have no key */
	uint32_t n_lanes;
	uint32_t n;
	uint32_t n_running;
	uint64_t bytes;
	usec held_until;               /* nothing is taken before */
	TAILQ_ENTRY(submit_flow) turn; /* submit_queue::turns */
	UT_hash_handle hh;
};

static bool before(const struct heap_node *a, const struct heap_node *b)
{
	const struct submit_lane *x = container_of(a, struct submit_lane, node);
	const struct submit_lane *y = container_of(b, struct submit_lane, node);

	return TAILQ_FIRST(&x->submissions)->due < TAILQ_FIRST(&y->submissions)->due;
}

void submit_queue_init(struct submit_queue *q, const struct submit_limits *limits)
{
	*q = (struct submit_queue){ .limits = *limits };
	TAILQ_INIT(&q->all);
	TAILQ_INIT(&q->turns);
	heap_init(&q->sleeping, before);
}

static struct submit_flow *find_flow(const struct submit_queue *q, const char *name)
{
	struct submit_flow *f;

	HASH_FIND_STR(q->flows, name, f);
	return f;
}

int submit_queue_admits(const struct submit_queue *q, const char *flow, size_t bytes, uint32_t held,
			uint64_t held_bytes)
{
	const struct submit_flow *f = find_flow(q, flow);

	if ((uint64_t)q->n + held >= q->limits.size)
		return SUBMIT_E_FULL;
	if (q->bytes + held_bytes + bytes > q->limits.bytes)
		return SUBMIT_E_BYTES;
	if (f && (f->n > q->limits.size / 2 || f->bytes > q->limits.bytes / 2))
		return SUBMIT_E_SHARE;
	return 0;
}

/* ---- flows and lanes ---- */

static struct submit_flow *get_flow(struct submit_queue *q, const char *name)
{
	struct submit_flow *f = find_flow(q, name);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (f)
		f->name = strdup(name);
	if (!f || !f->name) {
		free(f);
		return NULL;
	}
	TAILQ_INIT(&f->ready);
	HASH_ADD_KEYPTR(hh, q->flows, f->name, strlen(f->name), f);
	if (!hash_took(f, hh)) {
		free(f->name);
		free(f);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&q->turns, f, turn);
	return f;
}

static void put_flow(struct submit_queue *q, struct submit_flow *f)
{
	if (f->n_lanes > 0)
		return;
	HASH_DELETE(hh, q->flows, f);
	TAILQ_REMOVE(&q->turns, f, turn);
	free(f->name);
	free(f);
}

static struct submit_lane *get_lane(struct submit_flow *f, const void *key, size_t key_bytes)
{
	struct submit_lane *l = NULL;

	if (key_bytes > 0)
		HASH_FIND(hh, f->lanes, key, key_bytes, l);
	if (l)
		return l;
	l = calloc(1, sizeof(*l) + key_bytes);
	if (!l)
		return NULL;
	l->flow = f;
	l->key_bytes = key_bytes;
	TAILQ_INIT(&l->submissions);
	if (key_bytes > 0) {
		memcpy(l->key, key, key_bytes);
		HASH_ADD(hh, f->lanes, key, key_bytes, l);
		if (!hash_took(l, hh)) {
			free(l);
			return NULL;
		}
	}
	f->n_lanes++;
	l->state = LANE_READY;
	TAILQ_INSERT_TAIL(&f->ready, l, ready);
	return l;
}

static void leave(struct submit_queue *q, struct submit_lane *l)
{
	if (l->state == LANE_READY)
		TAILQ_REMOVE(&l->flow->ready, l, ready);
	else if (l->state == LANE_SLEEPING)
		heap_remove(&q->sleeping, &l->node);
}

static void enter(struct submit_queue *q, struct submit_lane *l, enum lane_state state)
{
	l->state = state;
	if (state == LANE_READY)
		TAILQ_INSERT_TAIL(&l->flow->ready, l, ready);
	else if (state == LANE_SLEEPING)
		heap_insert(&q->sleeping, &l->node);
}

static void free_lane(struct submit_queue *q, struct submit_lane *l)
{
	struct submit_flow *f = l->flow;

	leave(q, l);
	if (l->key_bytes > 0)
		HASH_DELETE(hh, f->lanes, l);
	f->n_lanes--;
	free(l);
	put_flow(q, f);
}

/* ---- submissions ---- */

static void link_in_order(struct submit_queue *q, struct submission *s)
{
	struct submission *last = TAILQ_LAST(&q->all, submission_list);

	while (last && last->id > s->id)
		last = TAILQ_PREV(last, submission_list, order);
	if (last)
		TAILQ_INSERT_AFTER(&q->all, last, s, order);
	else
		TAILQ_INSERT_HEAD(&q->all, s, order);
}

int submit_queue_add(struct submit_queue *q, struct submission *s, const char *flow,
		     const void *key, size_t key_bytes)
{
	struct submit_flow *f = get_flow(q, flow);
	struct submit_lane *l = f ? get_lane(f, key, key_bytes) : NULL;

	if (!l) {
		if (f)
			put_flow(q, f);
		return err_raise(-ENOMEM);
	}
	s->lane = l;
	s->state = SUBMISSION_WAITING;
	TAILQ_INSERT_TAIL(&l->submissions, s, link);
	link_in_order(q, s);
	q->n++;
	f->n++;
	q->bytes += s->bytes;
	f->bytes += s->bytes;
	return 0;
}

static void wake(struct submit_queue *q, usec now)
{
	struct submit_lane *l;

	while ((l = container_of_or_null(heap_peek(&q->sleeping), struct submit_lane, node)) &&
	       TAILQ_FIRST(&l->submissions)->due <= now) {
		leave(q, l);
		enter(q, l, LANE_READY);
	}
}

static bool may_run(const struct submit_queue *q, const struct submit_flow *f, usec now)
{
	return !TAILQ_EMPTY(&f->ready) && f->held_until <= now &&
	       f->n_running < q->limits.at_a_time;
}

/* The flow that was asked goes to the end of the line. */
static struct submit_flow *next_flow(struct submit_queue *q, usec now)
{
	struct submit_flow *f;

	TAILQ_FOREACH (f, &q->turns, turn)
		if (may_run(q, f, now))
			break;
	if (f) {
		TAILQ_REMOVE(&q->turns, f, turn);
		TAILQ_INSERT_TAIL(&q->turns, f, turn);
	}
	return f;
}

struct submission *submit_queue_take(struct submit_queue *q, usec now)
{
	struct submit_flow *f;
	struct submit_lane *l;
	struct submission *s;

	wake(q, now);
	f = next_flow(q, now);
	if (!f)
		return NULL;
	l = TAILQ_FIRST(&f->ready);
	leave(q, l);
	enter(q, l, LANE_TAKEN);
	s = TAILQ_FIRST(&l->submissions);
	s->state = SUBMISSION_RUNNING;
	s->tries++;
	f->n_running++;
	q->n_running++;
	return s;
}

static void stop_running(struct submit_queue *q, struct submission *s)
{
	s->state = SUBMISSION_WAITING;
	s->lane->flow->n_running--;
	q->n_running--;
}

void submit_queue_put_back(struct submit_queue *q, struct submission *s, usec due, bool flow)
{
	struct submit_flow *f = s->lane->flow;

	stop_running(q, s);
	s->due = due;
	if (flow)
		f->held_until = MAX(f->held_until, due);
	enter(q, s->lane, LANE_SLEEPING);
}

void submit_queue_remove(struct submit_queue *q, struct submission *s)
{
	struct submit_lane *l = s->lane;
	struct submit_flow *f = l->flow;
	bool first = TAILQ_FIRST(&l->submissions) == s;

	if (s->state == SUBMISSION_RUNNING)
		stop_running(q, s);
	if (first)
		leave(q, l);
	TAILQ_REMOVE(&l->submissions, s, link);
	TAILQ_REMOVE(&q->all, s, order);
	q->n--;
	f->n--;
	q->bytes -= s->bytes;
	f->bytes -= s->bytes;
	s->lane = NULL;
	s->state = SUBMISSION_NEW;
	if (first)
		enter(q, l, LANE_READY);
	if (TAILQ_EMPTY(&l->submissions))
		free_lane(q, l);
}

usec submit_queue_wakeup(const struct submit_queue *q)
{
	const struct submit_lane *l =
		container_of_or_null(heap_peek(&q->sleeping), struct submit_lane, node);
	usec due = l ? TAILQ_FIRST(&l->submissions)->due : USEC_NEVER;
	const struct submit_flow *f, *tmp;

	HASH_ITER (hh, q->flows, f, tmp)
		if (!TAILQ_EMPTY(&f->ready) && f->n_running < q->limits.at_a_time)
			due = MIN(due, f->held_until);
	return due;
}

void submit_queue_deinit(struct submit_queue *q)
{
	struct submission *s;

	while ((s = TAILQ_FIRST(&q->all)))
		submit_queue_remove(q, s);
}
