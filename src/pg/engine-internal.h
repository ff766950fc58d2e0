/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the engine share: engine.c decides and grants, backend.c opens and closes,
 * reset.c cleans.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

#include "core/core.h"
#include "pg/engine.h"
#include "pg/parameters.h"

struct pg_target;

struct pg_engine {
	uv_loop_t *loop; /* borrowed, as the next */
	struct core *core;
	struct pg_engine_settings settings;
	const struct pg_engine_ops *ops;
	void *userdata;
	uv_check_t check; /* after each turn's I/O */
	uv_timer_t timer; /* when the core wants to be asked */
	uv_idle_t idle;   /* as soon as possible */
	uv_idle_cb on_idle;
	unsigned handles; /* being closed */
	usec wakeup;      /* when `timer` is set to */
	bool deciding;
	bool kicked;
	TAILQ_HEAD(, pg_pool) pools; /* owned */
	/* borrowed: what they were given in this turn of the loop leaves at its end, together */
	TAILQ_HEAD(, pg_backend) unsent;
};

struct pg_pool {
	struct pg_engine *engine;  /* borrowed */
	struct pool *core;         /* borrowed: the core's */
	char *name;                /* owned */
	char *conninfo;            /* owned, secret */
	char *password;            /* owned, secret */
	struct pg_target *target;  /* owned */
	struct pg_target *retired; /* owned: the one before, which connects under way may use */
	struct pg_conn_settings conn;
	char failure[512]; /* the last connection failure; "" after a success */
	/* src/pg/discover.h; 0: never, or it is to be asked again */
	usec discovered;
	usec discovery_us;     /* how long that took */
	bool trust_functions;  /* the setting */
	bool has_changers;     /* some functions may change the session */
	bool in_doubt;         /* whether `hidden` is still true is not known */
	char hidden[256];      /* why any statement may change the session unseen; "": none does */
	bool runs_probe;       /* pg_engine_settings::probe_sql ran without an error */
	uint32_t schema_epoch; /* counts what prepared statements may not survive */
	struct pg_parameters parameters; /* as reported at the last connect */
	uint32_t told_to_fit; /* the last number of connections that was warned of; 0: none */
	unsigned n_backends;
	unsigned n_up;                     /* of them connected */
	TAILQ_HEAD(, pg_backend) backends; /* owned */
	TAILQ_ENTRY(pg_pool) link;         /* pg_engine::pools */
};

/* Closing a timer takes a turn of the loop. */
struct pg_backend_timer {
	uv_timer_t timer;
	struct pg_backend *backend; /* borrowed; NULL once it is gone */
};

struct pg_backend {
	struct pg_pool *pool;           /* borrowed */
	struct slot *slot;              /* borrowed: the core's */
	struct pg_conn *conn;           /* owned */
	struct pg_backend_timer *timer; /* owned */
	unsigned depth;                 /* tasks that were granted and are not finished */
	unsigned touched;               /* enum pg_touch: what may be left in the session */
	bool relabel;                   /* application_name is to be set */
	/* since it was last told to the core: a sequence may have been used */
	bool wrote;
	bool sequences_foreign; /* currval() and lastval() may tell of an earlier client */
	/* the connection is gone; waits for its tasks to be finished */
	bool failed;
	enum slot_failure failure;
	bool settled; /* the core was told */
	usec head_since;
	usec cancel_until;         /* then the connection is given up */
	usec cancel_pause;         /* before it is asked again */
	char label[64];            /* application that application_name tells */
	struct pg_call call;       /* of our own: ping, discovery, reset */
	struct pg_task *resetting; /* borrowed: the finished task that waits for the reset */
	bool reset_failed;
	/* found while resetting: PREPARE was run somewhere out of sight */
	bool has_user_prepared;
	bool is_up; /* counted in pg_pool::n_up */
	/* of `call`: discovery is a part of it */
	bool discovering;
	bool has_changers;
	char hidden[256];
	struct server_limits limits;
	bool altered_plans, altered_functions; /* in a transaction that may not be over */
	uint32_t schema_epoch;                 /* that its prepared statements were made in */
	TAILQ_HEAD(, pg_task) held; /* borrowed: granted while a cancel request was under way */
	TAILQ_ENTRY(pg_backend) unsent;
	bool is_unsent;
	TAILQ_ENTRY(pg_backend) link; /* pg_pool::backends */
};

/* engine.c */
void pg_engine_decide(struct pg_engine *e);
void pg_backend_release(struct pg_backend *b, struct pg_task *task);

/* backend.c */
void pg_backend_open(struct slot *slot);
void pg_backend_close(struct slot *slot);
void pg_backend_ping(struct slot *slot);
/* The connection is no good (any more). */
void pg_backend_fail(struct pg_backend *b, enum slot_failure failure, const char *reason);
void pg_backend_fail_uncancelled(struct pg_backend *b);
/* Frees a failed backend when its last task is finished. */
void pg_backend_settle(struct pg_backend *b);
/* Takes it off pg_engine::unsent. */
void pg_backend_sent(struct pg_backend *b);
void pg_pool_gone(struct pg_pool *pool);
void pg_pool_free(struct pg_pool *pool);
