/* SPDX-License-Identifier: MIT */
#pragma once
/* What waits and runs, for those who want to see it and end it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sidepool/v1/rpc.pb-c.h"

struct request;
struct rpc;

/* Adds them to a StatusReply, in the arena of the request that asks. */
void queries_add(struct request *r, bool waiting_only, Sidepool__V1__StatusReply *reply);

/* The request of that serial number, if it waits or runs; else NULL. */
struct request *queries_find(const struct rpc *rpc, uint64_t serial);

/* Ends all requests and leases of applications whose name matches; how many of each. */
void queries_kill(struct rpc *rpc, const char *pattern, unsigned *ret_requests,
		  unsigned *ret_leases);
