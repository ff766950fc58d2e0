/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the server tells of itself: how many connections it allows, and whether its schema changes
 * sessions behind the statements' backs. Asked of the first connection, and again from time to
 * time, along with the reset of a session.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

struct pg_backend;
struct pg_pool;
struct pg_result;

enum {
	PG_TAG_LIMITS = 0x7ffffff1,
	PG_TAG_HIDDEN = 0x7ffffff2,
	PG_TAG_PROBE = 0x7ffffff3,
};

/* Whether the pool is to be looked at again: it was not for long, or its schema has changed. */
bool pg_discover_is_due(const struct pg_pool *pool, usec now);

/* Puts the questions on the backend's own call, behind a Sync of their own. */
void pg_discover_ask(struct pg_backend *b);

/* An answer with one of the tags above; `rows` is NULL for an error. */
void pg_discover_hear(struct pg_backend *b, uint32_t tag, const struct pg_result *rows);

/* The call has ended: tells the core, and whoever reads the log. */
void pg_discover_done(struct pg_backend *b);

/*
 * A statement with this command tag may have changed the schema: prepared statements do not fit any
 * more, functions are in doubt. Its own session sees that at once, the others when its transaction
 * is over.
 */
void pg_discover_altered(struct pg_backend *b, const char *tag);
void pg_discover_committed(struct pg_backend *b);
