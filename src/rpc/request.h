/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One request on its way through the daemon. It is made when a message is decoded, and lives until
 * it was answered and nothing of it is left on a connection to PostgreSQL. A request whose client
 * is gone goes the same way, unheard.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pg/engine.h"
#include "rpc/failure.h"
#include "rpc/output.h"
#include "rpc/run.h"
#include "rpc/settle.h"
#include "sidepool/v1/rpc.pb-c.h"
#include "sp/conn.h"
#include "util/arena.h"

struct client;
struct request;
struct rpc;
struct rpc_lease;
struct rpc_pool;
struct settlement;
struct stream;
struct submitted;

/* What differs between the kinds of request that run on a connection to PostgreSQL. */
struct request_kind {
	const char *name;
	/* A connection is there, and all that was asked ahead on it is done: begin the call. */
	void (*run)(struct request *r);
	/* Not NULL: all that it has added to its call was sent. */
	void (*sent)(struct request *r);
	/* Not NULL: what is done in place of all that, once its idempotency_key lets it pass. */
	void (*admitted)(struct request *r);
};

enum request_state {
	REQUEST_NEW,     /* being decoded */
	REQUEST_WAITING, /* for a connection, or for its turn on the lease */
	REQUEST_RUNNING, /* its call is on a connection */
	REQUEST_ENDED,   /* its call has ended */
};

struct request {
	struct rpc *rpc;       /* borrowed */
	struct client *client; /* borrowed; NULL once it is gone */
	struct sp_conn *conn;  /* one reference */
	struct sp_request id;
	uint64_t serial; /* of the daemon's life */
	const struct request_kind *kind;
	enum request_state state;
	struct arena arena;             /* what was decoded lives here */
	Sidepool__V1__Request *message; /* in the arena */
	struct rpc_pool *pool;          /* borrowed */

	struct ticket ticket; /* its own place in the queue, unless it runs on a lease */
	struct pg_task task;
	struct pg_call call;
	struct rpc_lease *lease; /* borrowed: where it runs, or what it takes */
	struct pg_text **texts;  /* in the arena, a reference each: of its statements */
	size_t n_texts;
	struct pg_statement *statements;          /* in the arena */
	Sidepool__V1__Statement *const *messages; /* in the arena: what they were made of */
	size_t n_statements_asked;
	const char *simple_sql;      /* in the arena: of a COPY */
	const char *parameters_text; /* in the arena: for the log; NULL: not to be told */
	const Sidepool__V1__LeaseOptions *lease_options; /* in the arena */

	struct output output;
	struct failure failure;        /* code 0: none */
	struct buf envelope;           /* what its lease told at its end, for the last chunk */
	struct stream *stream;         /* owned; NULL while it is one answer */
	struct xact xact;              /* on a lease that has its own: the copy that is settled */
	struct settlement *settlement; /* owned, while an outcome is looked for */
	bool exclusive;                /* not to be pipelined: its answer may take long */
	bool answered;                 /* the message that made it has its answer */
	bool cancelled;                /* its client asked for that */
	bool timed_out;                /* its deadline, or statement_timeout, passed */
	bool statement_timeout;        /* ... and it was the latter */
	bool abandoned;                /* its client is gone */
	bool taking_lease;             /* Request.acquire */
	bool finishes_lease;           /* Request.finish */
	bool tells_grant;              /* its answer has a LeaseGrant */
	bool each_for_itself;          /* a batch that is not atomic */
	bool read_only;                /* a BEGIN READ ONLY of ours went ahead of it */
	bool batch_begins;             /* a batch that is a transaction of its own */
	uint32_t next;                 /* of a batch: the statement that goes out next */
	bool is_simple;                /* by the simple query protocol */
	bool begins;                   /* a BEGIN of ours went ahead of it */
	bool in_explicit;              /* it runs in a transaction that a BEGIN began */
	bool in_transaction;           /* in one of any kind that is more than one statement */
	bool asked_xact;               /* settle_ask() */
	bool all_complete;             /* its last statement was done */
	uint32_t n_ahead;              /* statements of ours in front of a simple query */
	bool dropping;                 /* no rows are wanted any more */
	bool broken_off;               /* by request_break_off() */
	bool refused;                  /* PostgreSQL has reported an error */
	bool setup_refused;            /* ... of what went ahead in a transaction of its own */
	bool copy_is_put;              /* CopyData: its data is with libpq */
	bool copy_is_over;             /* CopyIn: PostgreSQL was told that nothing more comes */
	bool rerun;                    /* it was run once and cancelled in place of a neighbour */
	bool plan_retried;             /* "cached plan must not change result type" */
	bool completed; /* a statement was done: whether that lasts, its Sync tells */
	usec received;
	usec granted;
	usec deadline;               /* of its own; USEC_NEVER: none */
	usec running_deadline;       /* while it runs: the earlier of that and statement_timeout */
	uint32_t chunk_bytes;        /* as asked for */
	size_t charged_bytes;        /* to its client's uid, until one of them goes */
	struct stream *waits_for;    /* borrowed: a Fetch or CopyData that waits for its turn */
	struct submitted *submitted; /* borrowed: a Submit that waits for the journal */
	struct listen *listens;      /* borrowed: a Listen that waits for PostgreSQL to listen */
	struct idempotency *repeats; /* borrowed: it waits for the first with its key */
	TAILQ_ENTRY(request) link;   /* client::requests */
	TAILQ_ENTRY(request) on_lease;       /* rpc_lease::queue */
	TAILQ_ENTRY(request) on_stream;      /* stream::waiting, listened::waiting */
	TAILQ_ENTRY(request) on_idempotency; /* idempotency::waiting */
	bool in_lease_queue;
	struct idempotency *idempotency; /* borrowed: the entry that waits for our answer */
};

/* A decoded message. NULL: it was answered with an error, or its connection is gone. */
struct request *request_new(struct rpc *rpc, struct client *client, const struct sp_request *id,
			    const uint8_t *body, size_t len);

/* Puts a request in line for a connection of its pool. `kind` says what to do then. */
void request_submit(struct request *r, const struct request_kind *kind);

/* The second half of it, for one that had to wait for another with its idempotency_key. */
void request_submit_admitted(struct request *r);

/* What kinds give to pg_call_begin(): the call of the request goes on with these. */
extern const struct pg_call_ops request_call_ops;

/* The connection on which the request runs. */
struct pg_task *request_task(struct request *r);

/* The first error counts; what comes behind it is its consequence. */
void request_set_failure(struct request *r, const struct failure *f);

/* Sends the answer from r->output and r->failure, and lets the request go. */
void request_answer(struct request *r);

/* Answers with one message, or with nothing but success (NULL), and lets the request go. */
void request_reply(struct request *r, Sidepool__V1__Response *response);
/* The same with the one field of the Response, which is packed already and copied. */
void request_reply_packed(struct request *r, uint32_t field, const void *packed, size_t n);
/* The same with an error. */
void request_fail(struct request *r, enum sidepool_error_code code, const char *format, ...)
	printf_like(3, 4);
void request_fail_draining(struct request *r);
void request_fail_with(struct request *r, const struct failure *f);

/* The first answer of one that has more to come: it stays. */
void request_reply_first(struct request *r, Sidepool__V1__Response *response);

/* Sends the chunk that is ready as the answer to a message of this id, and begins the next. */
void request_send_chunk(struct request *r, const struct sp_request *id);

/* The same for a Fetch that waited for it; the Fetch is done. */
void request_answer_with_chunk(struct request *fetch, struct request *producer);

/* What has come is not wanted any more, nor what comes. */
void request_drop_chunk(struct request *r);

size_t request_chunk_bytes(const struct request *r);

/* It has its connection, and its turn. */
void request_run(struct request *r);

/* Its call has ended, or it needed none. */
void request_end(struct request *r);

/* While it runs: when to end it. */
void request_watch_deadline(struct request *r, usec deadline);

/* Its deadline has passed while it runs. */
void request_expire(struct request *r);

/* The core refused it, or the lease that it waits for. */
void request_set_refusal(struct request *r, enum refusal why, usec retry_after_us,
			 const char *reason);

/* Ends it without harm: withdrawn where it waits, cancelled where it runs. */
void request_cancel(struct request *r);

/* It has a failure while it runs: cancelled, and what comes of it is dropped. */
void request_break_off(struct request *r);

/* Its client is gone. */
void request_abandon(struct request *r);

/* Frees it if it was answered and nothing holds it. */
void request_unhold(struct request *r);
