/* SPDX-License-Identifier: MIT */
#pragma once
/* What is published: topics with their counters, and events put into bytes (proto/WIRE.md, 6). */

#include <stddef.h>
#include <stdint.h>

#include "sidepool/v1/events.pb-c.h"

struct rpc;

struct topic {
	size_t n; /* bytes of `name`, with its zero byte; 0: not begun */
	uint64_t sequence;
	char name[160];
};

/*
 * "KIND/POOL/NAME". Its numbers go on above all that topics had which are gone: a subscriber never
 * sees them fall.
 */
void topic_init(struct topic *t, const struct rpc *rpc, const char *kind, const char *pool,
		const char *name);
void topic_deinit(struct topic *t, struct rpc *rpc);

/* Publishes the event under the topic's next number; its kind is set, the rest is filled in. */
void topic_publish(struct topic *t, struct rpc *rpc, const char *pool, Sidepool__V1__Event *event);

/* Says what the last number was. */
void topic_mark(struct topic *t, struct rpc *rpc, const char *pool);
