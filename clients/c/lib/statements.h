/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the daemon calls the statements that were sent on this connection. A statement is its text and the types of its
 * parameters, as the daemon counts them. The least recently used goes first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "columns.h"
#include "list.h"

struct statement_key {
	const char *text;
	size_t len;
	const uint32_t *types; /* NULL where n_types is 0 */
	size_t n_types;
};

struct statement {
	struct list lru;         /* statements::lru */
	struct statement *chain; /* the next in its bucket */
	unsigned refs;           /* the cache's, and one for each request in flight */
	uint64_t hash;
	uint64_t id;             /* 0: not known */
	struct columns *columns; /* shared; NULL: not known */
	size_t len;
	size_t n_types;
	char data[]; /* the types, then the text */
};

struct statements {
	struct statement **buckets; /* owned; NULL until the first one comes */
	struct list lru;            /* most recent first */
	size_t count;
	size_t max; /* 0: keep none */
};

enum {
	STATEMENT_TEXT_MAX = 65536, /* longer ones are sent in full each time */
};

void statements_init(struct statements *s, size_t max);
void statements_deinit(struct statements *s);

/* The statement of that key, made if need be, a reference of the caller's. NULL: it is not to be kept, or there is no memory. */
struct statement *statements_get(struct statements *s, const struct statement_key *key);

/* The connection is gone, and the ids with it. */
void statements_forget_ids(struct statements *s);

const char *statement_text(const struct statement *f);

/* What an answer said of it. */
void statement_learn(struct statement *f, uint64_t id, struct columns *columns);

/* The daemon does not know its id any more. */
void statement_forget(struct statement *f);

struct statement *statement_unref(struct statement *f);
