/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of a connection share: conn.c its life, call.c the work on it, prepared.c its
 * statement cache.
 */

#include <libpq-fe.h>

#include "pg/conn.h"
#include "pg/target.h"
#include "util/buf.h"

struct pg_prepared;

TAILQ_HEAD(pg_call_list, pg_call);
TAILQ_HEAD(pg_prepared_list, pg_prepared);

/* An answer that PostgreSQL owes us, in the order of the questions. */
enum pg_answer_kind {
	PG_ANSWER_PREPARE,
	PG_ANSWER_EXECUTE,
	/* DEALLOCATE of a statement that fell out of the cache: nobody wants to know */
	PG_ANSWER_FORGET,
	PG_ANSWER_SYNC,
	PG_ANSWER_SIMPLE, /* everything up to ReadyForQuery */
};

/* What a COPY waits for; until it is over libpq has no result. */
enum pg_copy {
	PG_COPY_NONE,
	PG_COPY_IN,
	PG_COPY_OUT,
};

struct pg_answer {
	enum pg_answer_kind kind;
	enum pg_copy copy;
	bool done;  /* PostgreSQL has said how it ended */
	bool begun; /* it is the head, and libpq was told how to deliver it */
	uint32_t tag;
	uint32_t set;
	uint32_t tags_most;           /* PG_ANSWER_SIMPLE: no text has more statements than bytes */
	struct pg_call *call;         /* borrowed; NULL: the connection's own */
	struct pg_prepared *prepared; /* borrowed: PG_ANSWER_PREPARE */
};

/*
 * The poll handle outlives the connection by one turn of the loop, for uv_close() is not immediate.
 */
struct pg_poller {
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles;     /* not closed yet */
	struct pg_conn *conn; /* borrowed; NULL once the connection is gone */
};

struct pg_sending;

struct pg_conn {
	enum pg_conn_state state;
	PGconn *pq; /* owned; NULL before it was resolved */
	const struct pg_conn_ops *ops;
	void *owner; /* borrowed: owns us */
	uv_loop_t *loop;
	struct pg_poller *poller; /* owned; NULL until there is a socket */
	int fd;                   /* libpq's, as the poller knows it */
	int events;               /* what the poller waits for */
	bool unwritten;           /* libpq has some that the socket did not take */
	bool paused;
	bool pumping; /* inside pg_calls_pump(): do not begin another */
	/* closed while something of ours was at it, which frees it in the end */
	bool orphaned;
	bool broken;  /* to be given up at the next turn of the loop */
	bool garbled; /* libpq has lost some of an answer: nothing more is taken from it */
	pg_cancel_fn cancel_done;         /* not NULL while a cancel request is under way */
	struct pg_resolution *resolution; /* borrowed while it runs */
	struct pg_conn_settings settings;

	struct pg_call_list calls;
	unsigned depth;            /* of calls */
	struct pg_answer *answers; /* owned: a ring of answers_size, a power of two */
	uint32_t answers_size, answers_head, answers_count;
	PGresult *last_chunk; /* owned; NULL: see keep_if_last() */
	PGresult *unheard;    /* owned; an error of nobody's call, which takes others' with it */
	struct pg_sending *sending; /* owned; NULL: no statement is half-way out */
	struct pg_call *more; /* borrowed; NULL: none has more to send than it was its turn to */

	struct pg_prepared *prepared;   /* owned, by text */
	struct pg_prepared_list by_use; /* the latest first */
	uint32_t n_prepared;
	uint32_t n_named; /* ever */
	/* A hash of the settings by which constants are read; 0: not known. See prepared.c. */
	uint32_t reading;
	uint32_t reading_first;  /* as it was at first */
	bool reading_may_differ; /* a client may have changed it */
	bool reading_may_change; /* what is not answered yet may */
};

/* conn.c */
/* It cannot be used any more: on_down comes from the loop. */
void pg_conn_break(struct pg_conn *conn);
void pg_conn_destroy(struct pg_conn *conn);

/* call.c */
/* false: the connection was closed meanwhile, and is gone */
bool pg_calls_pump(struct pg_conn *conn);
void pg_calls_abandon(struct pg_conn *conn);
int pg_answers_push(struct pg_conn *conn, struct pg_answer answer);
/* Only a Parse, under a name of the caller's, which no other statement has. */
int pg_call_prepare(struct pg_call *call, const char *name, const struct pg_text *text,
		    uint32_t tag);

/* What was added is to be written in this turn of the loop. */
void pg_call_is_unsent(struct pg_call *call);

/* sending.c */
/*
 * `more` goes on, now that the socket has taken all before it. Returns it when its statement is out;
 * NULL: there is more of that, or the connection is broken.
 */
struct pg_call *pg_call_go_on(struct pg_conn *conn);
struct pg_sending *pg_sending_free(struct pg_sending *s);

/* prepared.c */
enum {
	PG_PREPARED_NAME_BYTES = 24,
};

enum pg_prepared_state {
	PG_PREPARED_PENDING, /* Parse was sent */
	PG_PREPARED_READY,
};

/*
 * The prepared statement to use for the text on this connection: sends Parse where it is worth it.
 * NULL: run it unnamed. `call` is told if the Parse fails, under `tag`.
 */
const char *pg_prepared_for(struct pg_conn *conn, struct pg_text *text, struct pg_call *call,
			    uint32_t tag);
void pg_prepared_done(struct pg_conn *conn, struct pg_prepared *p, bool ok);
void pg_prepared_deinit(struct pg_conn *conn);
