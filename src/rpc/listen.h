/* SPDX-License-Identifier: MIT */
#pragma once
/* Who listens to which channel: the notifications themselves go by the events socket. */

#include <uv.h>

struct client;
struct request;
struct rpc;
struct rpc_pool;

/* The part of listening that is the daemon's. Returns 0 or a negative errno. */
int listening_init(struct rpc *rpc);
int listening_add_pool(struct rpc *rpc, struct rpc_pool *pool);
/* The engine is about to be freed. */
void listening_stop(struct rpc *rpc);
void listening_deinit(struct rpc *rpc);

/* A Listen that waits is taken back. */
void listen_forget(struct request *r);

/* All that a client listens to: it is gone. */
void listens_abandon(struct client *c);
