/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The plan of a statement, asked of PostgreSQL on a connection of the pool that idles. The statement
 * is planned and not run; its parameters are not needed, since the plan is the one for any of them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/ticket.h"
#include "pg/conn.h"
#include "pg/engine.h"
#include "util/buf.h"

struct application;
struct pg_text;

enum pg_explain_state {
	PG_EXPLAIN_REST,
	PG_EXPLAIN_WAITING,   /* for its connection */
	PG_EXPLAIN_PREPARING, /* in a transaction of its own */
	PG_EXPLAIN_ASKING,
	PG_EXPLAIN_LEAVING,
};

/* `plan` is borrowed for the call; NULL: there is none, for whatever reason. */
typedef void (*pg_explain_fn)(void *userdata, const char *plan);

/* One at a time; zeroed, it rests. */
struct pg_explain {
	struct pg_engine *engine; /* borrowed */
	enum pg_explain_state state;
	struct pg_text *text; /* one reference, but at rest */
	uint32_t n_params;
	bool failed; /* PostgreSQL refused it */
	struct ticket ticket;
	struct pg_task task;
	struct pg_call call;
	struct buf plan; /* owned */
	pg_explain_fn done;
	void *userdata;
};

/* Whether it is a statement that has a plan. */
bool pg_explain_fits(const struct pg_text *text);

/*
 * Begins, where a connection of the pool idles and nobody waits for any: returns true, and `done`
 * follows, once, never from within this call unless by pg_explain_stop().
 */
bool pg_explain_begin(struct pg_explain *e, struct pg_engine *engine, struct pg_pool *pool,
		      struct application *application, struct pg_text *text, uint32_t n_params);

/* The engine is about to be freed. What waits is taken back. */
void pg_explain_stop(struct pg_explain *e);
void pg_explain_deinit(struct pg_explain *e);
