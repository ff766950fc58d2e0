/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The waiting tickets of one application at one pool, and what it has used there: the unit of fair
 * queueing. Internal.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/ticket.h"
#include "util/heap.h"
#include "util/macro.h"

struct application;
struct meter;
struct pool;

enum ticket_kind {
	TICKET_ALONE,
	TICKET_SHARED,
};

struct queue {
	struct application *app;       /* borrowed: owns this */
	struct pool *pool;             /* borrowed */
	struct meter *meter;           /* borrowed: of the pool */
	struct ticket_list waiting[2]; /* borrowed: by kind, first come first */
	uint32_t n_waiting[2];
	uint32_t counted[2];    /* what of it is in pool::eligible */
	uint32_t running;       /* connections on which its ticket is the first: what it pays for */
	uint32_t active_weight; /* in pool::active_weight: 0 unless it waits or runs */
	uint32_t active_min;    /* in pool::active_min, likewise */
	double vtime;           /* connection-microseconds per weight that it has paid for */
	usec charged_us;        /* up to when, on the pool's contended clock */
	double mean_us;         /* moving average of its service times */
	uint32_t samples;       /* that went into it, up to a few */
	int rank;               /* as filed: entitled ones above all priorities */
	double key;             /* as filed: never later than it is */
	usec head_submitted;    /* as filed */
	struct heap_node ready_node; /* pool::ready */
	struct heap_node join_node;  /* pool::joiners */
	struct heap_node age_node;   /* pool::ages */
};

int queue_new(struct queue **ret_queue, struct application *app, struct pool *p);
struct queue *queue_free(struct queue *q);

void queue_push(struct queue *q, struct ticket *t, usec now);
void queue_remove(struct queue *q, struct ticket *t, usec now);

/* Files it anew after its application's share or usage changed. */
void queue_refile(struct queue *q, usec now);

/* Pays up to now: before its weight changes. */
void queue_settle(struct queue *q, usec now);

/* A connection on which its ticket is the first was won (1) or given up (-1). */
void queue_run(struct queue *q, int change, usec now);

/* A ticket of it was served in `us`. */
void queue_served(struct queue *q, usec us);

/* Whose turn it is: for a connection of one's own, and for sharing one. NULL: nobody's. */
struct queue *queue_next(struct pool *p, usec now);
struct queue *queue_next_joiner(struct pool *p, usec now);

/* The one whose first ticket has waited longest. */
struct queue *queue_oldest(const struct pool *p);

/* Whether its application has less than its guaranteed minimum. */
bool queue_is_entitled(const struct queue *q);

/* It is served in its turn: who comes back from idling starts from here. */
void queue_turn(struct queue *q);

/* The older of its first tickets. */
struct ticket *queue_head(const struct queue *q);

static inline uint32_t queue_waiting(const struct queue *q)
{
	return q->n_waiting[TICKET_ALONE] + q->n_waiting[TICKET_SHARED];
}

/* For pool::ready and pool::joiners, and for pool::ages. */
bool queue_ready_before(const struct heap_node *a, const struct heap_node *b);
bool queue_join_before(const struct heap_node *a, const struct heap_node *b);
bool queue_age_before(const struct heap_node *a, const struct heap_node *b);
