/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One connection of a pool that LISTENs for everybody. It waits for its place in the budget as any
 * other does, and is there only while a channel is wanted; once lost it is asked for again by
 * itself.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/core.h"
#include "util/hash.h"
#include "util/macro.h"

struct application;
struct pg_channel;
struct pg_engine;
struct pg_listener;
struct pg_pool;
struct pg_result;

enum {
	PG_CHANNEL_NAME_MOST = 63, /* NAMEDATALEN - 1: PostgreSQL would cut a longer one */
};

/* All of them are called from the loop, never from within a pg_listener_*() function. */
struct pg_listener_ops {
	/* From here on everything is heard. */
	void (*listening)(struct pg_channel *c);
	/*
	 * PostgreSQL refused the LISTEN (`error`), or there was no connection to be had. It is tried
	 * again as long as it is wanted.
	 */
	void (*failed)(struct pg_channel *c, const struct pg_result *error);
	void (*refused)(struct pg_channel *c, enum refusal why, usec retry_after_us,
			const char *reason);
	void (*heard)(struct pg_channel *c, const char *payload, int backend_pid);
	/* It was listened to and is not any more; `listening` follows when it is again. */
	void (*lost)(struct pg_channel *c, const char *reason);
};

struct pg_channel {
	struct pg_listener *listener; /* borrowed */
	void *owner;                  /* the caller's, as long as it wants the channel */
	bool wanted;
	bool on;      /* PostgreSQL listens */
	bool again;   /* ... but who wants it now was not told */
	bool in_call; /* a LISTEN or UNLISTEN of it is under way */
	bool listens; /* ... and it is the former */
	bool done;    /* ... and it has gone well so far */
	bool is_todo; /* in pg_listener::todo */
	TAILQ_ENTRY(pg_channel) todo;
	UT_hash_handle hh;
	char name[PG_CHANNEL_NAME_MOST + 1];
};

/*
 * `pool` and `application` are borrowed: the connection is booked on the latter. Returns 0 or
 * -ENOMEM.
 */
int pg_listener_new(struct pg_listener **ret_listener, struct pg_engine *engine,
		    struct pg_pool *pool, struct application *application,
		    const struct pg_listener_ops *ops);

/*
 * The channel of that name (1 to PG_CHANNEL_NAME_MOST bytes), which nobody must want already.
 * Returns 0 or -ENOMEM.
 */
int pg_listener_want(struct pg_listener *l, const char *name, void *owner,
		     struct pg_channel **ret_channel);

/* Nothing more is heard of it; it is forgotten as soon as may be. */
void pg_channel_unwant(struct pg_channel *c);

/* Channels that are wanted: while there are any, a connection is held or waited for. */
unsigned pg_listener_wanted(const struct pg_listener *l);

/*
 * Looks whether it may keep its connection: not in a pool that is paused or shall connect anew, nor
 * the only one that others wait for. Cheap; to be called after each turn of decisions.
 */
void pg_listener_look(struct pg_listener *l);

/* Asks for nothing more: the engine is about to be freed. */
void pg_listener_stop(struct pg_listener *l);

/* After the engine was freed. Its channels go with it. */
struct pg_listener *pg_listener_free(struct pg_listener *l);
