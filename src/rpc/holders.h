/* SPDX-License-Identifier: MIT */
#pragma once
/* Who has a pool's connections: the longest first. */

#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

struct rpc;
struct rpc_pool;

enum {
	HOLDERS_MAX = 5,
};

/* Strings are borrowed: valid until anything is finished. */
struct holder {
	const char *application;
	const char *unit;
	const char *call_site;
	const char *state;
	uint32_t pid;
	usec since;
	uint64_t lease_id;
};

/* Fills at most HOLDERS_MAX, and returns their number. */
size_t holders_find(const struct rpc *rpc, const struct rpc_pool *pool, struct holder *ret_holders);
