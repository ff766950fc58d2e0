/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What somebody wants a connection for. A task waits, is granted a connection, puts calls on it, and
 * is finished.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/ticket.h"
#include "pg/conn.h"
#include "util/macro.h"

struct pg_backend;
struct pg_engine;
struct pg_task;

enum {
	/*
	 * A statement of the engine's own in a task's call: see pg_task_prepare(). What becomes of
	 * it says nothing of the call's own statements.
	 */
	PG_TAG_LABEL = 0x7ffffff0,
};

struct pg_task_ops {
	/* task->conn is there to be used: begin a call now. With `pipelined`, exactly one. */
	void (*granted)(struct pg_task *task);
	/*
	 * It waited in vain and is the owner's again. `reason` is the last connection failure where
	 * that is why, else NULL.
	 */
	void (*refused)(struct pg_task *task, enum refusal why, usec retry_after_us,
			const char *reason);
	/* Its deadline has passed while it runs: pg_task_cancel() it, or finish. */
	void (*expired)(struct pg_task *task);
	/*
	 * Its connection was lost while it had no call on it, maybe before it was granted, when a
	 * cancel that was under way held it up: finish it, or then have it wait again.
	 */
	void (*lost)(struct pg_task *task);
	/* The finished task is the owner's again. */
	void (*done)(struct pg_task *task);
	/* NULL: pg_engine_ops::notify hears it. */
	void (*notify)(struct pg_task *task, const char *channel, const char *payload,
		       int backend_pid);
};

struct pg_task {
	/* borrowed: the owner's, its own or its lease's; ticket->owner is the task */
	struct ticket *ticket;
	const struct pg_task_ops *ops;
	const char *application;    /* borrowed: for application_name */
	struct pg_conn *conn;       /* borrowed; NULL unless granted and alive */
	struct pg_backend *backend; /* borrowed; the same */
	/* a cancel request for it is under way, or waited for to take */
	bool cancelling;
	/* a lease: its statements may ask for what earlier ones left in the session */
	bool session;
	/*
	 * a lease, or anything else that runs what it likes: its session is looked at when it is
	 * finished
	 */
	bool exclusive;
	bool cancel_wanted; /* as soon as it is its turn */
	bool finished;      /* pg_task_finish() was called */
	/* pg_backend::held: granted while a cancel request was under way */
	TAILQ_ENTRY(pg_task) held;
	bool is_held;
};

/*
 * The owner has filled in task->ops, task->application and the ticket. It hears back by the ops,
 * not from within this call.
 */
void pg_task_submit(struct pg_engine *engine, struct pg_task *task);

/* Takes a waiting task back. Returns false if it does not wait (any more). */
bool pg_task_withdraw(struct pg_engine *engine, struct pg_task *task);

/*
 * pg_call_execute() that notes what the statement may leave behind. Statements of a task go this
 * way.
 */
int pg_task_execute(struct pg_task *task, struct pg_call *call,
		    const struct pg_statement *statement, uint32_t tag);

/*
 * To be called first of all in a task's call: application_name, and sequences of an earlier client
 * forgotten where the call may use some (`writes`). In a transaction of its own, which a ROLLBACK
 * of what follows does not undo.
 */
void pg_task_prepare(struct pg_task *task, struct pg_call *call, bool writes);

/* What of its session is known to be touched by now: enum pg_touch. All where it has none. */
unsigned pg_task_touched(const struct pg_task *task);

/* What a text that was sent otherwise (pg_call_simple()) may leave behind: enum pg_touch. */
void pg_task_touches(struct pg_task *task, unsigned touch);

/*
 * Ends what the task runs, as soon as that hits nobody else: its call ends with an error of
 * SQLSTATE 57014, or, past cancel_timeout, with PG_END_LOST.
 */
void pg_task_cancel(struct pg_engine *engine, struct pg_task *task);

/*
 * How long the task has had its connection for itself: behind others it counts from when the last
 * of them ended.
 */
usec pg_task_run_us(const struct pg_task *task);

/*
 * The task has no call any more: its connection goes back. ops->done follows, perhaps from within
 * this call.
 */
void pg_task_finish(struct pg_engine *engine, struct pg_task *task);

/* From ops->lost, of a task that was not granted yet: it waits for another connection. */
void pg_task_again(struct pg_engine *engine, struct pg_task *task);
