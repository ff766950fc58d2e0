/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The connections to one (hosts, database, role): its size, its breaker, its ceiling, and who waits
 * for it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/breaker.h"
#include "core/ceiling.h"
#include "core/core.h"
#include "core/meter.h"
#include "core/settings.h"
#include "core/slot.h"
#include "util/heap.h"
#include "util/hist.h"
#include "util/macro.h"

enum {
	CLOSE_REASONS_N = CLOSE_DRAIN + 1,
	REFUSALS_N = REFUSE_DRAINING + 1,
	SLOT_FAILURES_N = SLOT_FAILURE_OTHER + 1,
};

struct pool_stats {
	uint64_t granted_total;
	uint64_t finished_total;
	uint64_t pipelined_total; /* granted behind another on the same connection */
	uint64_t refused_total[REFUSALS_N];
	uint64_t expired_total;
	uint64_t leases_total;
	uint64_t connects_total; /* that worked */
	uint64_t connect_failures_total;
	uint64_t failures_total[SLOT_FAILURES_N]; /* of connects and of established connections */
	uint64_t closed_total[CLOSE_REASONS_N];
	uint64_t pings_total;
	uint64_t wait_us_total;
	uint64_t run_us_total;
	struct hist waits;    /* of what was granted, microseconds */
	struct hist runs;     /* from becoming the first on its connection to the finish */
	struct hist connects; /* from DECISION_OPEN to core_slot_opened() */
	struct hist depths;   /* tickets on the connection, with the one that was granted */
};

struct pool {
	void *owner;       /* the caller's; not touched by the core */
	struct core *core; /* borrowed */
	uint32_t index;    /* in application::queues */
	struct pool_settings settings;
	struct breaker breaker;
	struct ceiling ceiling;
	struct server_limits discovered; /* as last handed in; zeroed before */
	bool paused;
	bool removing;
	bool gone;                 /* DECISION_GONE was given */
	uint32_t n_slots;          /* in any state */
	uint32_t n[SLOT_STATES_N]; /* of them in each; SLOT_FREE unused */
	uint32_t granted;          /* tickets */
	uint32_t waiting;          /* tickets */
	uint32_t leases;           /* alive */
	usec recent_wait_us;       /* moving average over the last grants */
	usec last_granted;
	struct pool_stats stats;
	struct meter_list meters; /* owned, as is each */
	uint32_t n_meters;

	/* The core's. */
	bool stirred; /* something changed: look for decisions of any kind */
	bool called;  /* somebody came or left: look whether anybody can be granted something */
	bool blocked; /* wants a connection and the budget has none */
	bool pressed; /* shared tickets double up: one more connection would be used */
	bool loss_counted;   /* connections that die together count once for the breaker */
	uint32_t n_retiring; /* slots that are marked so */
	uint32_t n_draining;
	uint32_t eligible[2]; /* waiting tickets that no limit of their application holds back,
				 alone and shared */
	uint32_t grants_since_aged;
	uint64_t active_weight;        /* of applications that wait or run here */
	uint64_t active_min;           /* their guaranteed minima */
	double vtime[PRIORITY_LEVELS]; /* where those start who come back from idling */
	usec contended_us;    /* how long somebody has waited here so far: the clock by which is
				 charged */
	usec contended_since; /* USEC_NEVER: nobody waits */
	usec turn_since;      /* when it last got a first connection */
	usec due;      /* when to look again if nothing happens; may be too early, never too late */
	usec join_due; /* when a shared ticket that waits may fit behind others */
	usec backoff_us;
	usec retry_at;                         /* no connect before */
	struct slot_list slots[SLOT_STATES_N]; /* idle: the last used comes first */
	struct slot_list checks;               /* idle ones, the longest unchecked first */
	struct slot_list draining;
	struct heap joinable;   /* slots that take another shared ticket, the least work first */
	struct heap lifetimes;  /* slots that are up, by retire_at */
	struct heap ready;      /* queues that may be granted a connection, in fair order */
	struct heap joiners;    /* those of them that have a shared ticket, in fair order */
	struct heap ages;       /* queues of `ready`, the longest waiting first */
	TAILQ_ENTRY(pool) link; /* core::pools */
};

/* Returns 0 or -ENOMEM. Its min_size connections are asked for by the next decisions. */
int pool_add(struct core *c, const struct pool_settings *settings, void *owner, usec now,
	     struct pool **ret_pool);

void pool_configure(struct pool *p, const struct pool_settings *settings, usec now);

/* What the server's settings were found to allow. */
void pool_discovered(struct pool *p, const struct server_limits *limits, usec now);

/*
 * Nothing is granted until resumed, and who comes waits. What runs goes on: it is over when
 * pool::granted is 0.
 */
void pool_pause(struct pool *p, usec now);
void pool_resume(struct pool *p, usec now);

/*
 * Every connection is replaced as it becomes idle, and a connect that waits for its time is tried
 * at once.
 */
void pool_reconnect(struct pool *p, usec now);

/*
 * By hand. A tripped breaker refuses everybody, even where connections idle; reset also ends all
 * backing off.
 */
void pool_trip(struct pool *p, usec now);
void pool_reset(struct pool *p, usec now);

/*
 * The most connections that it may have at the moment, by its settings, the budget and the server.
 */
uint32_t pool_limit(const struct pool *p);

/*
 * What its settings ask for and the server will not give: the number that would fit, or 0 if all is
 * well.
 */
uint32_t pool_would_fit(const struct pool *p);

/* Since when the oldest ticket waits; USEC_NEVER if none does. */
usec pool_oldest(const struct pool *p);

/* All of them, in the order in which they came: NULL gives the first, the last gives NULL. */
struct pool *pool_next(const struct core *c, const struct pool *after);

/*
 * Waiting and new tickets are refused, idle connections closed; DECISION_GONE comes when the last
 * one is.
 */
void pool_remove(struct pool *p, usec now);

/* After DECISION_GONE; core_free() does it for those that are left. */
struct pool *pool_free(struct pool *p);
