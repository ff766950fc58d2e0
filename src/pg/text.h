/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The statements that the daemon has seen: one entry for each text with its parameter types, so
 * that what a text is and how long it takes is found out once. The table is bounded; what has not
 * been used for longest goes first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pg/classify.h"
#include "util/hash.h"
#include "util/macro.h"

enum {
	PG_TEXT_RUNS = 16, /* buckets of run time, each twice as wide as the one before */
};

struct pg_text {
	/* what clients send instead of the text: random, so that it cannot be guessed */
	uint64_t id;
	char *sql; /* owned; NUL-terminated */
	size_t sql_bytes;
	uint32_t *types; /* owned: the parameter types that the client declared */
	uint32_t n_types;
	struct pg_class class;
	uint32_t serial; /* names it on the server: "s<serial>" */
	unsigned refs;   /* requests and prepared statements that use it */
	uint64_t uses;
	usec mean_us;   /* of the run time, moving; 0: never finished yet */
	usec spread_us; /* mean absolute deviation, moving */
	/* how many ran for up to 64, 128, 256 us and so on; the last: and longer */
	uint16_t runs[PG_TEXT_RUNS];
	uint16_t n_runs;
	usec high_us; /* their 99th percentile or a little more, rounded up to a bucket's bound */
	uint64_t max_result_bytes;
	uint64_t hash;
	UT_hash_handle by_hash;
	UT_hash_handle by_id;
	TAILQ_ENTRY(pg_text) link; /* pg_texts::used, the latest first */
};

struct pg_texts;

/* `limit_bytes` bounds the texts that are kept; `seed` makes the ids. Returns 0 or -ENOMEM. */
int pg_texts_new(struct pg_texts **ret_texts, size_t limit_bytes, uint64_t seed);

/*
 * The entry of a text, made where it is new, with one reference for the caller. `sql` need not be
 * terminated, and must not contain NUL. Returns 0 or -ENOMEM.
 */
int pg_texts_get(struct pg_texts *texts, const char *sql, size_t sql_bytes, const uint32_t *types,
		 uint32_t n_types, struct pg_text **ret_text);

/* The entry of an id with a reference for the caller, or NULL. */
struct pg_text *pg_texts_by_id(struct pg_texts *texts, uint64_t id);

struct pg_text *pg_text_ref(struct pg_text *t);
struct pg_text *pg_text_unref(struct pg_text *t);

/* Learns from a run that succeeded. */
void pg_text_ran(struct pg_text *t, usec run_us, size_t result_bytes);

/* How long it will probably run: generous, in that few runs take longer; 0: not known yet. */
usec pg_text_expected_us(const struct pg_text *t);

/*
 * Whether hardly a run took longer than that, as far as is known: others may wait behind it. What
 * is slow once in a hundred times has a short mean, and would make a queue of those behind it.
 */
bool pg_text_is_short(const struct pg_text *t, usec most_us);

/* All references must be gone. */
struct pg_texts *pg_texts_free(struct pg_texts *texts);
