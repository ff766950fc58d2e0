/* SPDX-License-Identifier: MIT */
#pragma once
/* What the daemon calls the statements that were sent on this connection: text to id, the least
 * recently used goes first. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "columns.h"
#include "list.h"

struct statement {
	struct list lru;         /* statements::lru */
	struct statement *chain; /* the next in its bucket */
	unsigned refs; /* the cache's, and one for each request that was sent with the id alone */
	uint64_t hash;
	uint64_t id;
	struct columns *columns; /* shared; NULL: none known */
	size_t len;
	char text[];
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

/* NULL if it is not there. */
struct statement *statements_find(struct statements *s, const char *text, size_t len);

/*
 * What an answer said of a text. Lack of memory loses only the saving.
 */
void statements_learn(struct statements *s, const char *text, size_t len, uint64_t id,
		      struct columns *columns);

/* The daemon does not know its id any more. */
void statements_forget(struct statements *s, struct statement *statement);

/* The connection is gone, and the ids with it. */
void statements_clear(struct statements *s);

struct statement *statement_ref(struct statement *statement);
struct statement *statement_unref(struct statement *statement);
