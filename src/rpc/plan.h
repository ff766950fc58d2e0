/* SPDX-License-Identifier: MIT */
#pragma once
/* The plans of slow statements: one at a time for each pool, each statement now and then. */

#include <stdbool.h>

#include "sidepool/v1/events.pb-c.h"

struct plans;
struct request;
struct rpc;
struct rpc_pool;

/*
 * Whether the statement of the request is going to be explained: then the event of it, a copy of
 * `m`, is published with the plan, or without where there turns out to be none.
 */
bool plan_begin(const struct request *r, const Sidepool__V1__StatementEvent *m);

/* The engine is about to be freed. */
void plans_stop(struct rpc *rpc);
void plans_deinit(struct rpc *rpc);
