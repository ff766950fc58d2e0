/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A world for the core to live in: servers that accept, refuse and die, connections that take their
 * time, and clients that want something, all under a virtual clock. Everything follows from the
 * seed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/application.h"
#include "core/core.h"
#include "core/lease.h"
#include "core/pool.h"
#include "core/rng.h"
#include "util/heap.h"
#include "util/macro.h"

struct world;

struct event {
	usec at;
	void (*fire)(struct world *w, struct event *e);
	struct heap_node node; /* world::events */
};

/* A PostgreSQL server, as far as connecting goes. */
struct server {
	bool up;
	bool knows_us; /* the password is right */
	uint32_t max;
	uint32_t others; /* held by others */
	uint32_t ours;
	usec connect_us; /* at most */
};

struct job;
TAILQ_HEAD(job_list, job);

/* What hangs on a slot. */
struct conn {
	struct event event;    /* the end of connecting, checking or closing */
	struct slot *slot;     /* borrowed */
	struct server *server; /* borrowed */
	bool up;
	struct job_list jobs; /* granted here, in order */
	uint32_t n_jobs;
	LIST_ENTRY(conn) link; /* world::conns */
};

/* What a client wants: a statement, or a lease with several. */
struct job {
	struct lease lease; /* its ticket is the job's, lease or not */
	struct event event; /* the end of what runs, or of idling */
	struct conn *conn;  /* where it is granted */
	bool is_lease;
	bool forgets; /* takes a lease and never comes back to it */
	bool cancelled;
	uint32_t statements; /* of the lease, still to come */
	usec run_us;
	usec submitted;
	void (*on_end)(struct world *w, struct job *j); /* before it is freed; NULL: nothing */
	uint32_t worker;                                /* on_end's */
	TAILQ_ENTRY(job) link;                          /* conn::jobs */
	TAILQ_ENTRY(job) all;                           /* world::jobs */
	bool was_granted, was_refused;
};

enum {
	SERVERS_MAX = 3,
	POOLS_MAX = 5,
	APPS_MAX = 12,
};

struct world {
	uint64_t seed;
	uint64_t steps;
	usec now;
	struct rng rng;
	struct core *core;
	struct core_settings settings;
	struct heap events;
	struct server servers[SERVERS_MAX];
	uint32_t n_servers;
	struct pool *pools[POOLS_MAX];
	uint32_t n_pools;
	struct application *apps[APPS_MAX];
	uint32_t n_apps;
	LIST_HEAD(, conn) conns;
	struct job_list jobs;
	uint64_t submitted, finished, refused, withdrawn;
	uint32_t most_depth; /* pipeline_depth was never set higher */
	bool lowered;        /* budget or sizes were: more may be open than they say */
	usec longest_us;     /* that anything holds a connection */
	usec eligible_since[APPS_MAX][POOLS_MAX]; /* check.c */
	void (*on_grant)(struct world *w, struct job *j);
};

/* Ends the program with the seed and the step, where `ok` is not so. */
#define demand(w, ok)                                                                              \
	do {                                                                                       \
		if (!(ok))                                                                         \
			world_fail((w), #ok, __FILE__, __LINE__);                                  \
	} while (0)
_Noreturn void world_fail(const struct world *w, const char *what, const char *file, int line);

void world_init(struct world *w, uint64_t seed, const struct core_settings *settings);

/* Sensible settings to start from. */
struct core_settings world_core_settings(uint32_t budget);
struct pool_settings world_pool_settings(uint32_t max_size);

struct pool *world_add_pool(struct world *w, const struct pool_settings *s, struct server *server);
struct application *world_add_app(struct world *w, const char *name,
				  const struct share_settings *s);

uint64_t world_below(struct world *w, uint64_t n);
bool world_chance(struct world *w, double p);
/* Spread evenly over the orders of magnitude between them. */
usec world_between(struct world *w, usec least, usec most);

void world_schedule(struct world *w, struct event *e, usec at);

/* A job of the application at the pool; submit it after setting what else is to be set. */
struct job *job_new(struct world *w, struct application *app, struct pool *p, usec run_us);
void job_submit(struct world *w, struct job *j);
/* Its client is gone: withdrawn if it waits, cancelled if it runs. */
void job_abandon(struct world *w, struct job *j);

/* The connection breaks. */
void conn_break(struct world *w, struct conn *c, enum slot_failure failure);

/* Carries out all decisions, then checks everything. */
void world_settle(struct world *w);

/*
 * Goes on to the next thing that happens, no further than `until`. False if nothing does before.
 */
bool world_step(struct world *w, usec until);

/* Drains, lets everything end, demands that nothing is left, and frees it. */
void world_end(struct world *w);

/* check.c */
void check_all(struct world *w);
void check_open(struct world *w, const struct decision *d);
void check_grant(struct world *w, const struct decision *d);
/*
 * To be called before a grant's consequences: who was passed over. The core has counted the grant
 * already.
 */
void check_minima(struct world *w, const struct decision *d);
