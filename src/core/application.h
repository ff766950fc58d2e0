/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who asks, with its share of the connections and its bill. Applications live in the core, are
 * found by name, and are kept for a while after the last process of theirs has gone, so that their
 * counters survive; their number is bounded.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/settings.h"
#include "core/ticket.h"
#include "util/hist.h"
#include "util/macro.h"

struct core;
struct pool;
struct queue;

struct application_stats {
	uint64_t granted_total;
	uint64_t finished_total;
	uint64_t pipelined_total; /* granted behind another on the same connection */
	uint64_t refused_total;
	uint64_t timeouts_total; /* refused for REFUSE_TIMEOUT or REFUSE_DEADLINE; among
				    refused_total */
	uint64_t expired_total;  /* deadlines that passed while granted */
	uint64_t leases_total;
	uint64_t revoked_total;
	uint64_t connection_us_total; /* connection time used up by what has finished */
	uint64_t wait_us_total;
	struct hist waits; /* of what was granted, microseconds */
};

struct application {
	void *owner;       /* the caller's; not touched by the core */
	char *name;        /* owned */
	struct core *core; /* borrowed */
	struct share_settings share;
	uint32_t refs;
	uint32_t granted; /* tickets that hold a connection or share one */
	uint32_t in_use;  /* connections on which its ticket is the first */
	uint32_t waiting;
	struct application_stats stats;

	/* The core's. */
	uint64_t last_used;    /* core::generation at the last release: the oldest goes first */
	struct queue **queues; /* owned, as is each: [pool::index]; NULL where there is no pool */
	uint32_t n_queues;
	TAILQ_ENTRY(application) link;      /* core::applications */
	struct application *next_in_bucket; /* core::buckets */
};

enum {
	APPLICATION_E_LIMIT = 1,
};

/*
 * The application of that name, made if there is none, and held until application_unref(). `share`
 * counts only when it is made. Returns 0, APPLICATION_E_LIMIT when there are too many that are in
 * use (the caller then falls back on one it has), or -ENOMEM.
 */
int application_get(struct core *c, const char *name, const struct share_settings *share,
		    struct application **ret_app);

/* Not held by this; NULL if there is none. */
struct application *application_find(const struct core *c, const char *name);

struct application *application_ref(struct application *app);

/* A new share, in force from the next decision on. */
void application_configure(struct application *app, const struct share_settings *share, usec now);

/* Whose tickets wait most at the pool, and how many they are; NULL if none wait. */
const struct application *application_waiting_most(const struct pool *p, uint32_t *ret_n);

/* Since when its oldest waiting ticket waits; USEC_NEVER if none does. */
usec application_oldest(const struct application *app);

/* All of them, in the order in which they came: NULL gives the first, the last gives NULL. */
struct application *application_next(const struct core *c, const struct application *after);

/* Its tickets may still wait or run; it is forgotten when room is needed. */
struct application *application_unref(struct application *app);
