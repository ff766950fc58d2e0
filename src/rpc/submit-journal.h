/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What was accepted, on disk before it is said to be accepted, and what of it is done. Writing and
 * syncing is done by a thread of libuv, one piece of work at a time: what comes in meanwhile is the
 * next piece, and shares one sync.
 */

#include <stddef.h>
#include <stdint.h>

struct rpc;
struct rpc_pool;
struct submit_journal;
struct submits;
struct submitted;

/* What is known of sidepool_submitted in the database of a pool. */
enum submit_table {
	SUBMIT_TABLE_UNKNOWN,
	SUBMIT_TABLE_THERE,
	SUBMIT_TABLE_MISSING, /* it is made with the next try */
	SUBMIT_TABLE_DENIED,  /* it cannot be made, or not written, and that was logged */
};

/*
 * Opens or makes it, and puts into the queue what it has. Blocks: at start. Returns 0, -ENOMEM, or
 * -1 when the reason was logged.
 */
int submit_journal_open(struct submits *s, const char *path);

/* submits_entered() follows. */
void submit_journal_enter(struct submit_journal *j, struct submitted *w);

/* It is over, one way or the other, and its row not needed any more. */
void submit_journal_done(struct submit_journal *j, struct submitted *w);

uint64_t submit_journal_bytes(const struct submit_journal *j);
/* Why it takes nothing at the moment, or "". */
const char *submit_journal_failure(const struct submit_journal *j);

/* The statement that writes the row of an entry. */
void submit_journal_row_sql(const struct submit_journal *j, uint64_t id, char *sql, size_t size);
const char *submit_journal_table_sql(void);
enum submit_table submit_journal_table(const struct rpc_pool *p);
void submit_journal_set_table(struct rpc_pool *p, enum submit_table state);

/* No row is taken away any more: the engine is about to be freed. */
void submit_journal_stop(struct submit_journal *j);

/* No piece of work is under way: the loop has run out. */
struct submit_journal *submit_journal_free(struct submit_journal *j);
