/* SPDX-License-Identifier: MIT */
#pragma once
/* What happens to the pools, published for whoever is interested. */

#include <stdbool.h>

#include "core/breaker.h"
#include "core/health.h"
#include "rpc/event.h"
#include "util/macro.h"

struct request;
struct rpc;
struct rpc_lease;
struct rpc_pool;

enum watch_check {
	WATCH_DATABASE,
	WATCH_ACQUISITION,
	WATCH_LIMITS,
	WATCH_CHECKS_N,
};

/* A pool as it was last told of. */
struct watch {
	struct topic breaker;
	struct topic lease;
	struct topic pause;
	struct topic health;
	struct topic statement;
	struct topic submit;
	enum breaker_state state;
	bool tripped;
	bool paused;
	enum health_level levels[WATCH_CHECKS_N];
};

int watching_init(struct rpc *rpc);
void watching_add_pool(struct rpc *rpc, struct rpc_pool *pool);
/* The engine is about to be freed. */
void watching_stop(struct rpc *rpc);
void watching_deinit(struct rpc *rpc);

/* After each turn of decisions: has a breaker changed, was a pool paused? */
void watch_look(struct rpc_pool *pool, struct rpc *rpc);

/* A lease is warned of, or revoked, and why. */
void watch_lease(const struct rpc_lease *l, bool revoked, const char *reason);

/* At most so many bytes, cut where a character begins: the text is UTF-8. */
void watch_cut(char *to, const char *sql, size_t most);

/* Publishes it. */
void watch_tell_statement(struct rpc_pool *pool, struct rpc *rpc, Sidepool__V1__StatementEvent *m);

/* A statement was slow. With slow_query_plan it may be told later, with its plan. */
void watch_statement(const struct request *r, const char *sql, usec wait, usec run);
