/* SPDX-License-Identifier: MIT */
#pragma once
/* What a statement may do to the session it runs in, told from its text. */

#include <stdbool.h>
#include <stddef.h>

/* What of a session a statement may leave behind. */
enum pg_touch {
	PG_TOUCH_SETTINGS = 1 << 0, /* SET, set_config() */
	PG_TOUCH_ROLE = 1 << 1,     /* SET ROLE, SET SESSION AUTHORIZATION */
	PG_TOUCH_TEMP = 1 << 2,     /* temporary tables and whatever else lives in pg_temp */
	PG_TOUCH_LISTEN = 1 << 3,
	PG_TOUCH_LOCKS = 1 << 4,     /* advisory locks of the session */
	PG_TOUCH_CURSORS = 1 << 5,   /* DECLARE ... WITH HOLD */
	PG_TOUCH_PREPARED = 1 << 6,  /* PREPARE, DEALLOCATE */
	PG_TOUCH_SEQUENCES = 1 << 7, /* currval() and lastval() remember */
	/* it calls functions that are not PostgreSQL's own, or runs code: anything may be left */
	PG_TOUCH_UNKNOWN = 1 << 8,
	PG_TOUCH_ALL = (1 << 9) - 1,
};

enum pg_transaction_verb {
	PG_VERB_NONE,
	PG_VERB_BEGIN,
	PG_VERB_COMMIT,    /* also END, PREPARE TRANSACTION */
	PG_VERB_ROLLBACK,  /* also ABORT; not ROLLBACK TO */
	PG_VERB_SAVEPOINT, /* SAVEPOINT, RELEASE, ROLLBACK TO */
};

struct pg_class {
	unsigned touch; /* enum pg_touch, or-ed */
	enum pg_transaction_verb verb;
	const char *
		session_word; /* why it cannot run as a plain query: "SET", "DECLARE", "pg_advisory_lock()"; NULL: it can */
	bool empty;        /* nothing but blanks and comments */
	bool several;      /* more than one statement */
	bool sets_locally; /* SET LOCAL */
	bool copy;         /* COPY ... FROM STDIN or TO STDOUT */
	/* SELECT, VALUES, TABLE, SHOW, EXPLAIN without a word that writes or locks */
	bool reads_only;
	/* also no function but PostgreSQL's own: may share a connection with others' */
	bool simple_read;
	/* CALL, DO, VACUUM ...: may commit by itself before it ends */
	bool self_commits;
	bool reads_sequence; /* currval(), lastval() */
	/* DEALLOCATE, DISCARD: may take our prepared statements along */
	bool drops_prepared;
};

/*
 * Looks at `n` bytes of SQL once, in one pass. Never fails: what it does not know it takes for the
 * worst.
 */
struct pg_class pg_classify(const char *sql, size_t n);
