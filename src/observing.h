/* SPDX-License-Identifier: MIT */
#pragma once
/* The HTTP side of the daemon: on which sockets it is, and what its site is made of. */

#include <stddef.h>

#include <uv.h>

#include "http/site.h"
#include "inherited.h"
#include "sp/listener.h"

struct config;
struct http_server;
struct rpc;

struct observing {
	struct site site;
	struct rpc *rpc;       /* borrowed */
	struct sp_bound bound; /* the socket that we have made: its file */
	struct http_server *servers[INHERITED_HTTP_MAX + 2]; /* owned */
	size_t n_servers;
};

struct observing_input {
	uv_loop_t *loop; /* borrowed, as all here */
	const struct config *config;
	const struct inherited *inherited;
	struct core *core;
	struct rpc *rpc;
	const struct sp_server *server;
	struct pg_pool *const *pools; /* outlives us */
	size_t n_pools;
};

/*
 * Returns 0, also where there shall be no HTTP or, by default, cannot be; -1 when what was asked
 * for cannot be had, which has been logged.
 */
int observing_init(struct observing *o, const struct observing_input *input);

/* After it the loop has to run once more. Safe on a zeroed one. */
void observing_deinit(struct observing *o);
