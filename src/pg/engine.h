/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The hands of the core: carries out its decisions on real connections, and gives whoever asks for
 * a connection one interface, the task (pg/task.h). When that is finished the engine makes the
 * connection clean for the next one: rolled back, and reset where something was touched.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "core/core.h"
#include "pg/task.h"
#include "util/macro.h"

struct pg_backend;
struct pg_engine;
struct pg_parameters;
struct pg_pool;
struct pg_task;
struct pg_texts;

struct pg_engine_settings {
	usec cancel_timeout_us;
	/* borrowed: tried out on each server, see pg_pool_runs_probe(); NULL: none */
	const char *probe_sql;
};

/* What the daemon hears of the pools. */
struct pg_engine_ops {
	/* A lease is to be warned of or revoked: rpc/lease.c knows what to do. */
	void (*lease)(void *userdata, const struct decision *decision);
	void (*notify)(void *userdata, struct pg_task *task, const char *channel,
		       const char *payload, int backend_pid);
	/* All has been decided for now: pools may stand differently than before. */
	void (*decided)(void *userdata);
};

/* `core` is borrowed and outlives the engine. Returns 0 or a negative errno. */
int pg_engine_new(struct pg_engine **ret_engine, uv_loop_t *loop, struct core *core,
		  const struct pg_engine_settings *settings, const struct pg_engine_ops *ops,
		  void *userdata);
/* Another cancel_timeout, from now on. */
void pg_engine_configure(struct pg_engine *engine, usec cancel_timeout_us);

struct pg_pool_settings {
	const char *name;     /* copied */
	const char *conninfo; /* copied */
	const char *password; /* copied; NULL: none */
	struct pg_conn_settings conn;
	/* functions that are called out of sight are taken to leave the session alone */
	bool trust_functions;
	struct pool_settings core;
};

/*
 * Returns 0, a negative errno, or PG_TARGET_E_INVALID with the reason in `message`. The pool begins
 * to connect as the core sees fit.
 */
int pg_engine_add_pool(struct pg_engine *engine, const struct pg_pool_settings *settings,
		       struct pg_pool **ret_pool, char *message, size_t message_bytes);

/*
 * New settings for a pool; a new target is connected to as connections are replaced. Returns as
 * pg_engine_add_pool().
 */
int pg_engine_change_pool(struct pg_engine *engine, struct pg_pool *pool,
			  const struct pg_pool_settings *settings, char *message,
			  size_t message_bytes);

const char *pg_pool_name(const struct pg_pool *pool);
const char *pg_pool_target(const struct pg_pool *pool);
struct pool *pg_pool_core(const struct pg_pool *pool);
/* The last connection failure, or "". */
const char *pg_pool_failure(const struct pg_pool *pool);
/*
 * Whether any statement may change the session behind its text: then none shares a connection, and
 * each is followed by a reset.
 */
bool pg_pool_hides(const struct pg_pool *pool);
/* Which function and what calls it, for a warning; "": none. */
const char *pg_pool_hidden(const struct pg_pool *pool);
/* Whether probe_sql can be added to others' transactions there without doing harm. */
bool pg_pool_runs_probe(const struct pg_pool *pool);
/* What the server reported at the last connect. */
const struct pg_parameters *pg_pool_parameters(const struct pg_pool *pool);

/* Microseconds on the monotonic clock. */
usec pg_engine_now(void);

/*
 * Carries out what the core has decided; to be called after core functions were used directly.
 * Cheap to call often.
 */
void pg_engine_kick(struct pg_engine *engine);

/* Closes every connection at once. Calls end with PG_END_LOST, tasks hear ops->lost. */
struct pg_engine *pg_engine_free(struct pg_engine *engine);
