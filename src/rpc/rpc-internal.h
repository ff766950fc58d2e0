/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of rpc share: the daemon-wide state, and one object for each connected process. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/config.h"
#include "core/application.h"
#include "core/core.h"
#include "core/pool.h"
#include "pg/engine.h"
#include "pg/text.h"
#include "rpc/event.h"
#include "rpc/facts.h"
#include "rpc/request.h"
#include "rpc/rpc.h"
#include "rpc/submit.h"
#include "rpc/watch.h"
#include "util/hash.h"

struct idempotency_table;
struct listened;
struct listening;
struct pg_listener;
struct plans;
struct rpc_lease;
struct stream;
struct submits;
struct watching;

TAILQ_HEAD(request_list, request);

/* A pool with the numbers that only we know of it. */
struct rpc_pool {
	struct pg_pool *pg;               /* borrowed */
	const struct config_pool *config; /* borrowed: of rpc::config */
	uint64_t queries_total;
	uint64_t batches_total;
	uint64_t leases_total;
	uint64_t errors_total;
	uint64_t timeouts_total;
	struct pg_listener *listener; /* owned */
	struct listened *listened;    /* owned: channels that somebody wants, by name */
	struct topic marks;
	struct watch watch;
	unsigned char submit_table; /* enum submit_table */
	struct submit_counts submits;
};

/* What one uid has open, all its processes together. */
struct rpc_user {
	uint32_t uid;
	unsigned clients; /* the entry lives while there are any */
	unsigned leases;
	unsigned streams;
	unsigned listens;
	uint64_t bytes; /* messages in work, and chunks of streams */
	UT_hash_handle hh;
};

/* Why a lease is no more. */
struct gravestone {
	uint64_t id; /* 0: none */
	uint64_t token;
	enum sidepool_error_code code;
};

enum {
	GRAVES_MAX = 8,
};

/* One connected process. */
struct client {
	struct rpc *rpc;      /* borrowed */
	struct sp_conn *conn; /* borrowed: we are its owner, and go when it goes */
	uint64_t id;
	struct facts facts;
	struct rpc_user *user;                   /* borrowed: counted in user->clients */
	const struct config_application *config; /* borrowed: of rpc::config */
	struct application *application;         /* borrowed: core's */
	char declared[64];                       /* by itself, or found out */
	char name[64];                           /* the same, as others are told */
	char client_name[64];                    /* "sidepool-python 0.1.0" */
	struct request_list requests;
	unsigned in_flight;
	uint64_t requests_total;
	usec connected;
	TAILQ_HEAD(, rpc_lease) leases;       /* owned */
	TAILQ_HEAD(, listen) listens;         /* owned */
	struct gravestone graves[GRAVES_MAX]; /* of leases that were taken away, the last ones */
	unsigned n_graves;
	struct stream *streams;   /* owned by their requests, by id */
	TAILQ_ENTRY(client) link; /* rpc::clients */
};

struct rpc {
	uv_loop_t *loop;
	struct core *core; /* borrowed, as the next three */
	struct pg_engine *engine;
	struct sp_server *server;
	const struct config *config;
	const struct rpc_ops *ops;
	void *userdata;
	uint64_t instance_id;
	uint64_t random;
	usec started;
	bool draining;
	bool stopped;           /* the engine is about to be freed: nothing is begun any more */
	struct request *reload; /* borrowed: it waits for the end of a reload; NULL: none */

	struct rpc_pool *pools; /* owned */
	size_t n_pools;
	struct pg_texts *texts;               /* owned */
	struct pg_text *xact_text;            /* one reference: settle_sql() */
	TAILQ_HEAD(, settlement) settlements; /* borrowed: each has its request */
	TAILQ_HEAD(, client) clients;
	unsigned n_clients;
	struct facts_known known;     /* of who connected last */
	struct rpc_user *users;       /* owned, by uid */
	struct application *fallback; /* for those who are one application too many */
	unsigned n_leases;
	unsigned n_requests;       /* that exist */
	struct request_list spare; /* owned: requests to be used again */
	unsigned n_spare;
	struct idempotency_table *idempotency; /* owned */
	uint64_t requests_total;

	const char *events_url;      /* borrowed; NULL: nothing is published */
	uint64_t topic_floor;        /* the last number of topics that are gone */
	struct buf event;            /* owned: being published */
	struct listening *listening; /* owned */
	struct watching *watching;   /* owned */
	struct plans *plans;         /* owned; NULL until the first */
	struct submits *submits;     /* owned */
};

void requests_free_spare(struct rpc *rpc);

/* A number that nobody can guess from those he knows; never 0. */
uint64_t rpc_random(struct rpc *rpc);

static inline usec rpc_now(void)
{
	return pg_engine_now();
}
