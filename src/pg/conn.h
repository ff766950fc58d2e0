/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One connection to PostgreSQL on the loop. Work is put on it as calls: runs of statements that end
 * with a Sync. Calls of several owners may be on one connection at once; they run in the order in
 * which they were begun.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

#include "pg/statement.h"
#include "util/macro.h"

struct pg_call;
struct pg_conn;
struct pg_notify; /* libpq's PGnotify */
struct pg_result; /* libpq's PGresult */
struct pg_target;
struct pg_text;

/* How a call ended. */
enum pg_end {
	PG_END_SYNCED,   /* PostgreSQL answered everything; errors came by on_error */
	PG_END_NOT_SENT, /* the connection was lost before anything of it was sent */
	PG_END_LOST,     /* the connection was lost after it was sent and before it was answered */
};

/*
 * All of them are called from the loop, never from within a pg_call_*() function. `tag` is what the
 * statement was sent with, `set` counts its parameter sets. Results are borrowed for the call. One
 * that is NULL is of no interest to the owner; on_end is always there, and on_copy where a COPY is let
 * through.
 */
struct pg_call_ops {
	/* The statement's columns are known, before its first row or with it. */
	void (*on_rows)(struct pg_call *call, uint32_t tag, uint32_t set,
			const struct pg_result *rows);
	/*
	 * The statement is done: command tag, number of rows. It may have had no row; `result` has
	 * the columns.
	 */
	void (*on_complete)(struct pg_call *call, uint32_t tag, uint32_t set,
			    const struct pg_result *result);
	/* It failed; what stands behind it up to the next Sync is not run and not heard of. */
	void (*on_error)(struct pg_call *call, uint32_t tag, uint32_t set,
			 const struct pg_result *error);
	/* A warning or notice. */
	void (*on_notice)(struct pg_call *call, const struct pg_result *notice);
	/* COPY: first `ready` with the formats, then, for a COPY TO STDOUT, its data row by row. */
	void (*on_copy)(struct pg_call *call, const struct pg_result *ready, const char *data,
			size_t n);
	/* All that was added was sent; after PG_CALL_MORE, the rest of that statement. */
	void (*on_flushed)(struct pg_call *call);
	/* The last call: it is the owner's again. */
	void (*on_end)(struct pg_call *call, enum pg_end end);
};

struct pg_call {
	const struct pg_call_ops *ops;
	struct pg_conn *conn; /* borrowed; NULL when it is on none */
	unsigned pending;     /* answers that are outstanding */
	unsigned syncs;       /* ... those of Syncs among them */
	unsigned in_turn;     /* sets that went out in this turn of the loop */
	bool sent;            /* some of it was */
	bool ended;           /* pg_call_end() was called: nothing is added any more */
	bool failed;          /* an error came since the last Sync */
	/* a CommandComplete came since the last Sync, which alone makes it last */
	bool completed;
	TAILQ_ENTRY(pg_call) link; /* pg_conn::calls */
};

/* What has become of a connection; PG_CONN_CLOSED is where it ends. */
enum pg_conn_state {
	PG_CONN_RESOLVING,
	PG_CONN_CONNECTING,
	PG_CONN_UP,
	PG_CONN_CLOSED,
};

enum pg_failure_kind {
	PG_FAILURE_NETWORK,
	PG_FAILURE_TIMEOUT,
	PG_FAILURE_AUTH,
	PG_FAILURE_FULL,
	PG_FAILURE_OTHER,
};

struct pg_conn_ops {
	void (*on_up)(struct pg_conn *conn);
	/* The connect failed or the connection was lost. Its calls have ended before. Close it. */
	void (*on_down)(struct pg_conn *conn, enum pg_failure_kind kind, const char *reason);
	void (*on_notify)(struct pg_conn *conn, const char *channel, const char *payload,
			  int backend_pid);
	/* A statement that may have changed the schema is done, or a COMMIT or ROLLBACK. */
	void (*on_altered)(struct pg_conn *conn, const char *tag);
	/*
	 * A call was ended and is not written yet: pg_conn_flush() it in this turn of the loop. The
	 * one op that is called from within a pg_call_*() function. NULL: it is written at once.
	 */
	void (*on_unsent)(struct pg_conn *conn);
};

struct pg_conn_settings {
	usec connect_timeout_us;
	uint32_t max_prepared; /* statements kept prepared; 0: none */
};

/*
 * Begins to connect. `application_name` is what pg_stat_activity shows. `target` is borrowed until
 * on_up or the close. Returns 0 or -ENOMEM.
 */
int pg_conn_new(struct pg_conn **ret_conn, uv_loop_t *loop, struct pg_target *target,
		const struct pg_conn_settings *settings, const char *application_name,
		const struct pg_conn_ops *ops, void *owner);

void *pg_conn_owner(const struct pg_conn *conn);
enum pg_conn_state pg_conn_state(const struct pg_conn *conn);
int pg_conn_backend_pid(const struct pg_conn *conn);

/* A setting that PostgreSQL reports (ParameterStatus), or NULL. */
const char *pg_conn_parameter(const struct pg_conn *conn, const char *name);

/* 'I' idle, 'T' in a transaction, 'E' in a failed one, 'A' a call is under way. */
char pg_conn_transaction(const struct pg_conn *conn);

/* Calls on it. */
unsigned pg_conn_depth(const struct pg_conn *conn);

/* Puts a call on the connection, behind those that are there. */
void pg_call_begin(struct pg_conn *conn, struct pg_call *call, const struct pg_call_ops *ops);

/*
 * Adds a statement, prepared where that is worth while; pg_call_sync() ends a run of them,
 * pg_call_end() the call (with a Sync if there is none behind the last statement). Whatever goes
 * wrong on the way to the server is heard through the ops. Returns 0, PG_CALL_E_PARAMETERS (the
 * packed parameters are not what was declared: nothing was sent), PG_CALL_MORE (too many sets for one
 * turn: until on_flushed nothing may be added, and `statement` has to stay) or a negative errno.
 */
enum {
	PG_CALL_E_PARAMETERS = 1,
	PG_CALL_MORE = 2,
};
int pg_call_execute(struct pg_call *call, const struct pg_statement *statement, uint32_t tag);

/* The same for a text of the daemon's own, without parameters. */
int pg_call_execute_text(struct pg_call *call, const char *sql, uint32_t tag);
void pg_call_sync(struct pg_call *call);
/* Whether it has added enough for this turn of the loop: if so, more waits as after PG_CALL_MORE. */
bool pg_call_pauses(struct pg_call *call);
/* What stands before it is answered without waiting for the Sync. */
void pg_call_flush(struct pg_call *call);
void pg_call_end(struct pg_call *call);

/*
 * One call in the simple query protocol, on a connection that has no other: several statements, or
 * COPY. `tag` counts up with each statement of the text.
 */
int pg_call_simple(struct pg_conn *conn, struct pg_call *call, const struct pg_call_ops *ops,
		   const char *sql);

/* A COPY FROM STDIN: data, and its end or (`failure` not NULL) failure. 0 or a negative errno. */
int pg_call_copy_put(struct pg_call *call, const char *data, size_t n);
int pg_call_copy_end(struct pg_call *call, const char *failure);

/* Writes what the socket takes; the rest follows by itself. */
void pg_conn_flush(struct pg_conn *conn);

/* Whether nothing waits to be sent to PostgreSQL. */
bool pg_conn_is_flushed(const struct pg_conn *conn);

/* Reads no more from PostgreSQL until resumed: its consumer is slow. */
void pg_conn_pause(struct pg_conn *conn);
void pg_conn_resume(struct pg_conn *conn);

/*
 * Asks PostgreSQL to cancel what runs. `done` is called from the loop when the request was
 * delivered or has failed; until then nothing else may be put on the connection. Returns 0 or a
 * negative errno.
 */
typedef void (*pg_cancel_fn)(struct pg_conn *conn, bool delivered);
int pg_conn_cancel(struct pg_conn *conn, pg_cancel_fn done);
bool pg_conn_is_cancelling(const struct pg_conn *conn);

/* The prepared statements of the session are gone (DISCARD ALL, DEALLOCATE ALL ran). */
void pg_conn_forget_prepared(struct pg_conn *conn);

/* Takes one text's prepared statement away, or all, because their plans do not fit any more. */
void pg_conn_unprepare(struct pg_conn *conn, struct pg_text *text);
void pg_conn_unprepare_all(struct pg_conn *conn);

/*
 * Says goodbye (Terminate) and frees it. Calls on it end with PG_END_LOST or PG_END_NOT_SENT before
 * this returns.
 */
struct pg_conn *pg_conn_close(struct pg_conn *conn);
