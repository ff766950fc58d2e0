/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What was submitted and is not done: whose turn it is. It knows neither statements nor connections
 * nor a clock. A *flow* is what one application has for one pool; a *lane* is what of it has the
 * same key, and runs one after the other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "util/hash.h"
#include "util/heap.h"
#include "util/macro.h"

enum submission_state {
	SUBMISSION_NEW,     /* in no queue */
	SUBMISSION_WAITING, /* in its lane; the first of it, once it was tried, perhaps for its time */
	SUBMISSION_RUNNING, /* the first of its lane, and taken */
};

struct submit_lane;

/* Embedded in what is to be run; it starts out zeroed. */
struct submission {
	uint64_t id;
	size_t bytes; /* what it counts for */
	enum submission_state state;
	unsigned tries;                /* so often it was taken */
	usec due;                      /* not before; 0: at once */
	struct submit_lane *lane;      /* borrowed; NULL where it is in no queue */
	TAILQ_ENTRY(submission) link;  /* submit_lane::submissions */
	TAILQ_ENTRY(submission) order; /* submit_queue::all */
};

TAILQ_HEAD(submission_list, submission);

struct submit_limits {
	uint32_t size;      /* submissions in all */
	uint64_t bytes;     /* their bytes in all */
	uint32_t at_a_time; /* that run at once in one flow */
};

struct submit_flow;

struct submit_queue {
	struct submit_limits limits;
	struct submit_flow *flows;       /* owned */
	TAILQ_HEAD(, submit_flow) turns; /* the same, the next first */
	struct submission_list all;      /* borrowed, in the order of their ids */
	struct heap sleeping;            /* lanes that wait for a time */
	uint32_t n;
	uint32_t n_running;
	uint64_t bytes;
};

enum {
	SUBMIT_KEY_MOST = 255,

	SUBMIT_E_FULL = 1,  /* submit_limits::size is reached */
	SUBMIT_E_BYTES = 2, /* submit_limits::bytes would be passed */
	SUBMIT_E_SHARE = 3, /* the flow has half of either, which is its most */
};

void submit_queue_init(struct submit_queue *q, const struct submit_limits *limits);

/*
 * Whether there is room for `bytes` more of that flow, with `held` and `held_bytes` that are about
 * to come: 0 or SUBMIT_E_...
 */
int submit_queue_admits(const struct submit_queue *q, const char *flow, size_t bytes, uint32_t held,
			uint64_t held_bytes);

/*
 * Puts it at the end of its lane; no key: a lane of its own. What was admitted once is taken here
 * whatever the limits are. Returns 0 or -ENOMEM.
 */
int submit_queue_add(struct submit_queue *q, struct submission *s, const char *flow,
		     const void *key, size_t key_bytes);

/* The next that may run now, taken; NULL: none. */
struct submission *submit_queue_take(struct submit_queue *q, usec now);

/*
 * It is to be tried again at `due`, ahead of those behind it in its lane; with `flow`, nothing of
 * its flow is taken before that.
 */
void submit_queue_put_back(struct submit_queue *q, struct submission *s, usec due, bool flow);

/* It is over, in whatever state it is; its memory is its owner's. */
void submit_queue_remove(struct submit_queue *q, struct submission *s);

/* When submit_queue_take() may have something that it has not now; USEC_NEVER: not by itself. */
usec submit_queue_wakeup(const struct submit_queue *q);

/* Forgets all of it. What was in it is its owner's. */
void submit_queue_deinit(struct submit_queue *q);
