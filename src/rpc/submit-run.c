/* SPDX-License-Identifier: MIT */
/*
 * One try of what was submitted: it waits for a connection with its application's share, as any
 * request does, and runs in one transaction. Its message is unpacked anew for each try, and takes no
 * memory between two.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/packed.h"
#include "pg/result.h"
#include "rpc/lease.h"
#include "rpc/submit-internal.h"
#include "rpc/submit-journal.h"
#include "util/log.h"

enum {
	TAG_ROW = TAG_OWN + 0x40,
	TAG_TABLE,
	SQL_BYTES = 256,
};

struct submit_run {
	struct submitted *w; /* borrowed; NULL: nobody wants to hear of it */
	struct rpc *rpc;     /* borrowed */
	struct rpc_pool *pool;
	struct arena arena;
	Sidepool__V1__Submit *message;
	struct pg_text **texts; /* a reference each */
	struct pg_statement *statements;
	size_t n;
	size_t next; /* which of them goes out */
	struct ticket ticket;
	struct pg_task task;
	struct pg_call call;
	struct failure failure;
	uint32_t failed_tag;
	bool begins;
	bool incomplete; /* some of it could not be sent */
	bool completed;
	bool timed_out;
	bool cancelled;
};

static void free_run(struct submit_run *run)
{
	for (size_t i = 0; run->texts && i < run->n; i++)
		pg_text_unref(run->texts[i]);
	failure_deinit(&run->failure);
	arena_deinit(&run->arena);
	free(run);
}

static void tell(struct submit_run *run)
{
	struct submitted *w = steal(&run->w);

	if (!w)
		return;
	w->run = NULL;
	submits_ended(w, &run->failure);
}

static void fail(struct submit_run *run, enum sidepool_error_code code,
		 enum failure_outcome outcome)
{
	if (run->failure.code)
		return;
	failure_set(&run->failure, code, NULL);
	run->failure.outcome = outcome;
}

/* ---- what PostgreSQL says ---- */

static bool keeps_row(const struct submit_run *run)
{
	return run->w && run->w->submits->journal;
}

static void forget_failure(struct submit_run *run)
{
	failure_deinit(&run->failure);
	run->failure = (struct failure){ .code = 0 };
	run->failed_tag = 0;
}

/* The first error counts, but for one of making the table: what comes behind it runs. */
static bool counts(const struct submit_run *run, uint32_t tag, const struct failure *f)
{
	if (tag == PG_TAG_LABEL)
		return f->fatal && !run->failure.code;
	if (!run->failure.code)
		return true;
	return run->failed_tag == TAG_TABLE && strcmp(f->sqlstate, "42P01") != 0;
}

static void on_complete(struct pg_call *call, uint32_t tag, uint32_t set,
			const struct pg_result *result)
{
	struct submit_run *run = container_of(call, struct submit_run, call);

	(void)set;
	(void)result;
	run->completed |= tag < TAG_OWN || tag == TAG_FINISH;
	if (tag == TAG_FINISH && run->failed_tag == TAG_TABLE && !run->incomplete)
		forget_failure(run); /* it was there, and may not be made */
}

static void on_error(struct pg_call *call, uint32_t tag, uint32_t set,
		     const struct pg_result *error)
{
	struct submit_run *run = container_of(call, struct submit_run, call);
	struct failure f = { .code = 0 };

	failure_set_sql(&f, error);
	if (!counts(run, tag, &f)) {
		failure_deinit(&f);
		return;
	}
	forget_failure(run);
	f.statement_index = tag < TAG_OWN ? tag : 0;
	f.parameter_set_index = tag < TAG_OWN ? set : 0;
	run->failure = f;
	run->failed_tag = tag;
}

/* A statement that could commit before it ended, so that nothing tells how far it came. */
static bool may_commit_itself(const struct submit_run *run)
{
	for (size_t i = 0; i < run->n; i++)
		if (run->texts[i]->class.self_commits)
			return true;
	return false;
}

static void judge_lost(struct submit_run *run, enum pg_end end)
{
	struct failure *f = &run->failure;

	if (end == PG_END_NOT_SENT) {
		f->code = 0;
		failure_set(f, SIDEPOOL_E_CONNECTION_LOST,
			    "the connection to PostgreSQL was lost before the statement was sent");
		f->outcome = FAILURE_NOT_SENT;
	} else if (!f->code || !f->fatal || run->completed || may_commit_itself(run)) {
		failure_set(f, SIDEPOOL_E_CONNECTION_LOST, NULL);
		f->outcome = FAILURE_UNKNOWN;
	}
}

/* Whoever is called needs more than "permission denied for schema public". */
static void explain(struct submit_run *run)
{
	struct failure *f = &run->failure;
	char message[sizeof(f->message)];

	(void)snprintf(message, sizeof(message),
		       "the journal's table sidepool_submitted cannot be %s: %.200s",
		       run->failed_tag == TAG_TABLE ? "created" : "written", f->message);
	memcpy(f->message, message, sizeof(message));
	if (submit_journal_table(run->pool) == SUBMIT_TABLE_DENIED)
		return;
	log_error(LOG_FIELDS(log_str("POOL", run->pool->config->name),
			     log_str("SQLSTATE", f->sqlstate)),
		  "pool %s: %s; submitted writes wait until it can; by hand: %s, and GRANT SELECT, "
		  "INSERT, DELETE ON it to the pool's role",
		  run->pool->config->name, message, submit_journal_table_sql());
}

/* A row that is there already was written with the statements: this try did nothing, and they are done. */
static void judge_row(struct submit_run *run)
{
	struct failure *f = &run->failure;

	if (run->failed_tag == TAG_ROW && !strcmp(f->sqlstate, "23505")) {
		forget_failure(run);
		submit_journal_set_table(run->pool, SUBMIT_TABLE_THERE);
	} else if (run->failed_tag == TAG_ROW && !strcmp(f->sqlstate, "42P01")) {
		submit_journal_set_table(run->pool, SUBMIT_TABLE_MISSING);
	} else if (run->failed_tag == TAG_TABLE || run->failed_tag == TAG_ROW) {
		if (!strncmp(f->sqlstate, "42501", 5) || !strncmp(f->sqlstate, "3F", 2)) {
			explain(run);
			submit_journal_set_table(run->pool, SUBMIT_TABLE_DENIED);
		}
	}
	/* The trouble is ours, not the statements'. */
	if (f->code && f->outcome == FAILURE_OUTCOME_USUAL)
		f->outcome = FAILURE_NOT_SENT;
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct submit_run *run = container_of(call, struct submit_run, call);
	struct failure *f = &run->failure;

	if (end != PG_END_SYNCED)
		judge_lost(run, end);
	if (end == PG_END_SYNCED && f->code &&
	    (run->failed_tag == TAG_ROW || run->failed_tag == TAG_TABLE))
		judge_row(run);
	if (end == PG_END_SYNCED && !strcmp(f->sqlstate, "57014") &&
	    (run->timed_out || run->cancelled)) {
		failure_set(f, run->timed_out ? SIDEPOOL_E_STATEMENT_TIMEOUT : SIDEPOOL_E_CANCELLED,
			    NULL);
		f->outcome = FAILURE_FAILED;
	}
	if (end == PG_END_SYNCED && !f->code && keeps_row(run))
		submit_journal_set_table(run->pool, SUBMIT_TABLE_THERE);
	run->pool->queries_total++;
	tell(run);
	pg_task_finish(run->rpc->engine, &run->task);
}

static void on_flushed(struct pg_call *call);

static const struct pg_call_ops call_ops = {
	.on_complete = on_complete,
	.on_error = on_error,
	.on_flushed = on_flushed,
	.on_end = on_end,
};

/* ---- running ---- */

static void execute_own(struct submit_run *run, const char *sql, uint32_t tag)
{
	if (pg_call_execute_text(&run->call, sql, tag) < 0)
		fail(run, SIDEPOOL_E_OUT_OF_MEMORY, FAILURE_FAILED);
}

static void write_row(struct submit_run *run)
{
	char sql[SQL_BYTES];

	submit_journal_row_sql(run->w->submits->journal, run->w->record.id, sql, sizeof(sql));
	execute_own(run, sql, TAG_ROW);
}

/* Until there is enough for one turn of the loop, or the end. */
static void go_on(struct submit_run *run)
{
	int e;

	while (run->next < run->n) {
		if (pg_call_pauses(&run->call))
			return;
		e = pg_task_execute(&run->task, &run->call, &run->statements[run->next],
				    (uint32_t)run->next);
		run->next++;
		if (e == PG_CALL_MORE)
			return;
		if (e != 0) {
			fail(run, SIDEPOOL_E_OUT_OF_MEMORY, FAILURE_FAILED);
			run->incomplete = true;
		}
	}
	if (run->begins)
		execute_own(run, run->incomplete ? "ROLLBACK" : "COMMIT", TAG_FINISH);
	pg_call_end(&run->call);
}

static void on_flushed(struct pg_call *call)
{
	if (!call->ended)
		go_on(container_of(call, struct submit_run, call));
}

static void begin_call(struct submit_run *run)
{
	bool row = keeps_row(run);
	usec limit;

	run->begins = row || (run->n > 1 && may_commit_itself(run));
	run->next = 0;
	limit = submit_statement_timeout(run->w);
	core_set_deadline(run->rpc->core, &run->ticket, usec_add(rpc_now(), limit), rpc_now());
	pg_call_begin(run->task.conn, &run->call, &call_ops);
	pg_task_prepare(&run->task, &run->call, true);
	if (row && submit_journal_table(run->pool) >= SUBMIT_TABLE_MISSING) {
		execute_own(run, submit_journal_table_sql(), TAG_TABLE);
		pg_call_sync(&run->call);
	}
	if (run->begins)
		execute_own(run, "BEGIN", TAG_BEGIN);
	if (row)
		write_row(run);
	go_on(run);
}

static void on_granted(struct pg_task *task)
{
	struct submit_run *run = container_of(task, struct submit_run, task);

	if (run->w && !run->cancelled) {
		begin_call(run);
		return;
	}
	fail(run, SIDEPOOL_E_CANCELLED, FAILURE_NOT_SENT);
	tell(run);
	pg_task_finish(run->rpc->engine, task);
}

static void on_refused(struct pg_task *task, enum refusal why, usec retry_after_us,
		       const char *reason)
{
	static const enum sidepool_error_code codes[] = {
		[REFUSE_QUEUE_FULL] = SIDEPOOL_E_QUEUE_FULL,
		[REFUSE_TIMEOUT] = SIDEPOOL_E_ACQUIRE_TIMEOUT,
		[REFUSE_DEADLINE] = SIDEPOOL_E_ACQUIRE_TIMEOUT,
		[REFUSE_UNREACHABLE] = SIDEPOOL_E_DEADLINE_UNREACHABLE,
		[REFUSE_BREAKER] = SIDEPOOL_E_BREAKER_OPEN,
		[REFUSE_DRAINING] = SIDEPOOL_E_SHUTTING_DOWN,
	};
	struct submit_run *run = container_of(task, struct submit_run, task);

	(void)reason;
	fail(run, codes[why], FAILURE_NOT_SENT);
	run->failure.retry_after_us = retry_after_us;
	tell(run);
	free_run(run);
}

static void on_expired(struct pg_task *task)
{
	struct submit_run *run = container_of(task, struct submit_run, task);

	run->timed_out = true;
	pg_task_cancel(run->rpc->engine, task);
}

/* Held up by a cancel for another, and not granted yet: see the one of requests. */
static void on_lost(struct pg_task *task)
{
	struct submit_run *run = container_of(task, struct submit_run, task);

	if (run->w && !run->cancelled) {
		pg_task_again(run->rpc->engine, task);
		return;
	}
	fail(run, SIDEPOOL_E_CANCELLED, FAILURE_NOT_SENT);
	tell(run);
	pg_task_finish(run->rpc->engine, task);
}

static void on_done(struct pg_task *task)
{
	free_run(container_of(task, struct submit_run, task));
}

static const struct pg_task_ops task_ops = {
	.granted = on_granted,
	.refused = on_refused,
	.expired = on_expired,
	.lost = on_lost,
	.done = on_done,
};

/* ---- getting ready ---- */

static bool take_statement(struct submit_run *run, size_t i)
{
	const Sidepool__V1__Statement *m = run->message->statements[i];

	if (pg_texts_get(run->rpc->texts, (const char *)m->sql.data, m->sql.len, m->parameter_types,
			 (uint32_t)m->n_parameter_types, &run->texts[i]) < 0)
		return false;
	run->statements[i] = (struct pg_statement){
		.text = run->texts[i],
		.n_params = m->parameter_count,
		.formats = m->parameter_formats,
		.n_formats = (uint32_t)m->n_parameter_formats,
		.params = m->parameters.data,
		.params_bytes = m->parameters.len,
		.n_sets = m->parameter_sets ? m->parameter_sets : 1,
		.result_format = (int)m->result_format,
	};
	return pg_params_check(&run->statements[i]) == 0;
}

static bool take_message(struct submit_run *run)
{
	Sidepool__V1__Request *m = submitted_unpack(run->w, &run->arena);
	size_t n;

	if (!m)
		return false;
	run->message = m->submit;
	n = m->submit->n_statements;
	run->statements = arena_alloc(&run->arena, n * sizeof(*run->statements));
	run->texts = arena_alloc(&run->arena, n * sizeof(struct pg_text *));
	if (!run->statements || !run->texts)
		return false;
	memset(run->texts, 0, n * sizeof(struct pg_text *));
	run->n = n;
	for (size_t i = 0; i < n; i++)
		if (!take_statement(run, i))
			return false;
	return true;
}

static void give_up(struct submit_run *run, enum sidepool_error_code code)
{
	fail(run, code, FAILURE_NOT_SENT);
	tell(run);
	free_run(run);
}

void submit_run_begin(struct submitted *w)
{
	struct submit_run *run = calloc(1, sizeof(*run));
	struct failure f = { .code = 0 };
	usec wait;

	if (!run) {
		failure_set(&f, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		f.outcome = FAILURE_NOT_SENT;
		submits_ended(w, &f);
		return;
	}
	arena_init(&run->arena, 0);
	run->w = w;
	run->rpc = w->submits->rpc;
	w->run = run;
	run->pool = w->pool;
	if (!run->pool || !take_message(run)) {
		give_up(run, run->pool ? SIDEPOOL_E_OUT_OF_MEMORY : SIDEPOOL_E_UNKNOWN_POOL);
		return;
	}
	wait = config_acquire_timeout(run->pool->config, submit_config(w));
	run->ticket = (struct ticket){
		.pool = pg_pool_core(run->pool->pg),
		.app = w->app,
		.deadline = w->expires,
		.acquire_deadline = usec_add(rpc_now(), wait),
	};
	run->task.ticket = &run->ticket;
	run->task.ops = &task_ops;
	run->task.exclusive = true;
	run->task.application = w->record.application;
	pg_task_submit(run->rpc->engine, &run->task);
}

void submit_run_cancel(struct submitted *w)
{
	struct submit_run *run = w->run;

	run->cancelled = true;
	if (pg_task_withdraw(run->rpc->engine, &run->task))
		give_up(run, SIDEPOOL_E_CANCELLED);
	else if (run->call.conn)
		pg_task_cancel(run->rpc->engine, &run->task);
}

void submit_run_forget(struct submitted *w)
{
	struct submit_run *run = steal(&w->run);

	run->w = NULL;
	if (pg_task_withdraw(run->rpc->engine, &run->task))
		free_run(run);
}
