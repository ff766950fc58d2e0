/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The requests: protobuf in, protobuf out. Connections of the socket come in from src/sp,
 * connections to PostgreSQL from src/pg; each kind of request is one file here.
 */

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "sp/server.h"
#include "util/macro.h"

struct config;
struct core;
struct decision;
struct pg_engine;
struct pg_pool;
struct pg_task;
struct rpc;

/* A setting to be changed by hand, and by whom. */
struct rpc_change {
	const char *section; /* borrowed for the call, as all here */
	const char *name;
	const char *value; /* NULL: back to what it is without */
	uint32_t uid;
	int pid;
};

/* What only the daemon can do. */
struct rpc_ops {
	/* Begins it; rpc_reload_done() follows, always. false: refused, with the reason in `why`. */
	bool (*reload)(void *userdata, char *why, size_t why_bytes);
	/* The same for a change by hand. */
	bool (*change)(void *userdata, const struct rpc_change *change, char *why,
		       size_t why_bytes);
	void (*drain)(void *userdata);
	/* To every subscriber of the events socket. What there is no memory for is lost. */
	void (*publish)(void *userdata, const void *topic, size_t topic_bytes, const void *body,
			size_t body_bytes);
};

struct rpc_input {
	uv_loop_t *loop;
	struct core *core;           /* borrowed, as all here: outlives us */
	const struct config *config; /* until rpc_reconfigure() */
	const struct rpc_ops *ops;
	void *userdata;
	uint64_t instance_id;
	uint64_t seed;
};

/* Returns 0 or a negative errno. */
int rpc_new(struct rpc **ret_rpc, const struct rpc_input *input);

/* Where it publishes; borrowed. NULL, as before the first call: nowhere. */
void rpc_set_events_url(struct rpc *rpc, const char *url);

/* The engine that grants connections; its ops are ours: rpc_on_...(). */
void rpc_set_engine(struct rpc *rpc, struct pg_engine *engine);
void rpc_on_lease(void *userdata, const struct decision *decision);
void rpc_on_notify(void *userdata, struct pg_task *task, const char *channel, const char *payload,
		   int backend_pid);
void rpc_on_decided(void *userdata);

/*
 * The pools in the order of the configuration; `pools` is copied. What the journal of submitted
 * writes has is run from now on. Returns 0, -ENOMEM, or -1 when the reason was logged.
 */
int rpc_set_pools(struct rpc *rpc, struct pg_pool *const *pools, size_t n_pools);

void rpc_reconfigure(struct rpc *rpc, const struct config *config);

/*
 * A reload or a change is over, whoever began it. `sentence` is what was done, or why nothing was.
 */
void rpc_reload_done(struct rpc *rpc, bool done, const char *sentence);

/* For sp_server_new(); userdata is the rpc. */
const struct sp_ops *rpc_sp_ops(void);
void rpc_set_server(struct rpc *rpc, struct sp_server *server);

/* No new work from now on: it is refused with SHUTTING_DOWN. */
void rpc_drain(struct rpc *rpc);

/* Requests and leases that are not over yet. */
unsigned rpc_unfinished(const struct rpc *rpc);

/* Cancels what runs and takes the leases back: shutdown_timeout is over. */
void rpc_abort(struct rpc *rpc);

/* Does nothing more by itself: the engine is about to be freed. NULL is allowed. */
void rpc_stop(struct rpc *rpc);

/* All connections of the socket must be closed, and the engine freed. */
struct rpc *rpc_free(struct rpc *rpc);
