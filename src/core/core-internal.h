/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The core's state, and what its files share with each other. Nobody outside src/core/ includes
 * this.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/application.h"
#include "core/core.h"
#include "core/pool.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/slot.h"
#include "core/ticket.h"
#include "util/heap.h"
#include "util/macro.h"

enum {
	APPLICATION_BUCKETS = 256,
	LEASE_INDEX_BITS = 20, /* of a lease's id: the slot that it holds */
	SLOTS_MAX = 1 << LEASE_INDEX_BITS,
};

/* From when on one waits too long: what gives way to it, and how far, is said at its uses. */
#define STARVING_US USEC_PER_SEC

struct core {
	struct core_settings settings;
	struct rng rng;
	bool draining;
	uint32_t n_slots;   /* taken from the budget: of all pools, in any state */
	uint32_t n_closing; /* of them, being closed */
	uint32_t n_blocked; /* pools that want a connection and find no budget */
	uint32_t waiting;   /* tickets */
	uint32_t granted;
	uint64_t next_token;
	uint64_t generation; /* counts releases of applications */
	TAILQ_HEAD(, pool) pools;
	TAILQ_HEAD(, application) applications;
	struct application *buckets[APPLICATION_BUCKETS];
	uint32_t n_applications;
	struct slot **slots;  /* owned, as is each: by index */
	uint32_t n_allocated; /* in `slots` */
	struct slot_list free_slots;
	struct ticket_list refused; /* until the decision is taken */
	struct heap deadlines;
	struct heap leases_due;
};

/* core.c */
void core_refuse(struct core *c, struct ticket *t, enum refusal refusal, usec retry_after_us);

/* admission.c: whether a new ticket is refused at once. */
bool admission_refuses(struct core *c, const struct ticket *t, usec now, enum refusal *ret_refusal,
		       usec *ret_retry_after_us);
/* How long who comes now would probably wait there. */
usec admission_estimate(const struct ticket *t);
/* Refuses all that wait in a pool which cannot serve them. */
void admission_refuse_waiting(struct pool *p, usec now);

/* application.c */
int application_add_queue(struct application *app, struct pool *p);
void application_drop_queue(struct application *app, const struct pool *p);
void application_granted(struct application *app, int change, usec now);
void application_headed(struct application *app, int change, usec now);
struct application *application_free(struct application *app);

/* slot.c */
struct slot *slot_take(struct pool *p);
void slot_free(struct slot *s);
void slot_move(struct slot *s, enum slot_state to);
void slot_idle(struct slot *s, usec now);
void slot_ping(struct slot *s);
void slot_close(struct slot *s);
void slot_back_from_ping(struct slot *s, usec now);
void slot_retire(struct slot *s, enum close_reason reason);
void slot_grant(struct slot *s, struct ticket *t, usec now);
void slot_finish(struct slot *s, struct ticket *t, usec now);
void slot_set_draining(struct slot *s, bool draining, usec now);
/* What its tickets will probably still take. */
usec slot_expected(const struct slot *s, usec now);
/* Files it anew among those that take another shared ticket. */
void slot_refile(struct slot *s, usec now);

/* pool.c */
bool pool_decide(struct pool *p, usec now, struct decision *d);

static inline struct queue *application_queue(const struct application *app, const struct pool *p)
{
	return app->queues[p->index];
}

/* Whether any connection is up. */
static inline bool pool_is_live(const struct pool *p)
{
	return p->n[SLOT_IDLE] + p->n[SLOT_BUSY] + p->n[SLOT_PINGING] > 0;
}

static inline bool pool_is_closing(const struct pool *p)
{
	return p->removing || p->core->draining;
}

static inline void pool_stir(struct pool *p)
{
	p->stirred = true;
}

/* Cheaper: only tickets came or went. What a pool claims from others depends on them, though. */
static inline void pool_call(struct pool *p)
{
	p->called = true;
	p->stirred |= p->blocked;
}

/* Connections that are there or will be, and stay. */
static inline uint32_t pool_standing(const struct pool *p)
{
	return p->n_slots - p->n[SLOT_CLOSING];
}

/* grant.c: who gets which connection. */
bool grant_decide(struct pool *p, usec now, struct decision *d);

/* supply.c: how many connections there are. */
bool supply_close_due(struct pool *p, usec now, struct decision *d);
bool supply_close_surplus(struct pool *p, usec now, struct decision *d);
bool supply_open(struct pool *p, usec now, struct decision *d);
bool supply_renew(struct pool *p, usec now, struct decision *d);
/* More than the settings allow, since they were lowered. */
bool supply_is_too_large(const struct pool *p);
bool supply_ping(struct pool *p, usec now, struct decision *d);
uint32_t supply_wanted(const struct pool *p, usec now);
usec supply_due(const struct pool *p, usec after);

/* budget.c: which pool gets how much of the budget. */
bool budget_allows(const struct pool *p);
void budget_block(struct pool *p, bool blocked);
/* Whether no other pool has a better claim to the next connection. */
bool budget_is_next(const struct pool *p);
/* Whether a pool's idle connection has to make room for another pool's. */
bool budget_hands_over(const struct pool *p, usec now);
/*
 * A connection more or less, or something else that is reserved: those who wait for the budget look
 * again.
 */
void budget_changed(struct core *c);

/* lease.c */
bool lease_decide(struct core *c, usec now, struct decision *d);
bool lease_due_before(const struct heap_node *a, const struct heap_node *b);
usec lease_wakeup(const struct core *c);
