/* SPDX-License-Identifier: MIT */
/*
 * One DELETE at a time, for one pool, of what has gathered in a second. What a crash, or a stop,
 * left between a note and its DELETE goes with the first DELETE for the pool: all rows of the
 * journal's earlier lives but those of entries that are to be run.
 */
#include "rpc/submit-tidy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/result.h"
#include "rpc/submit-internal.h"

enum {
	EVERY_MS = 1000,
	AGAIN_MS = 5000,
	ROWS_MOST = 500,
	ID_CHARS = 21,
	HEAD_BYTES = 320,
};

struct submit_tidy {
	struct submits *submits; /* borrowed */
	const char *id;          /* borrowed: the journal's */
	uint64_t last;
	bool *swept; /* owned: for each pool */
	struct submit_noted_list rows;
	struct submit_noted_list going; /* in the DELETE that runs */
	struct rpc_pool *pool;          /* ... and where */
	uv_timer_t timer;
	bool timing;
	bool running;
	bool stopped;
	bool failed;
	struct ticket ticket;
	struct pg_task task;
	struct pg_call call;
	char *sql; /* owned */
};

void submit_tidy_note(struct submit_noted_list *list, const struct submitted *w)
{
	struct rpc *rpc = w->submits->rpc;
	struct submit_noted *n;

	for (size_t i = 0; i < rpc->n_pools; i++) {
		if (strcmp(rpc->pools[i].config->name, w->record.pool) != 0)
			continue;
		n = malloc(sizeof(*n));
		if (!n)
			return;
		*n = (struct submit_noted){ .id = w->record.id, .pool = &rpc->pools[i] };
		TAILQ_INSERT_TAIL(list, n, link);
	}
}

void submit_noted_free(struct submit_noted_list *list)
{
	struct submit_noted *n;

	while ((n = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, n, link);
		free(n);
	}
}

/* ---- the statement ---- */

static size_t pool_index(const struct submit_tidy *t)
{
	return (size_t)(t->pool - t->submits->rpc->pools);
}

static char *write_head(const struct submit_tidy *t, char *at, bool sweep)
{
	if (!sweep)
		return at + sprintf(at,
				    "DELETE FROM sidepool_submitted WHERE journal = '%s'"
				    " AND entry = ANY('{",
				    t->id);
	return at + sprintf(at,
			    "DELETE FROM sidepool_submitted WHERE journal = '%s' AND entry <= %llu"
			    " AND entry <> ALL('{",
			    t->id, (unsigned long long)t->last);
}

/* Entries that are still to be run keep their rows. */
static char *write_kept(const struct submit_tidy *t, char *at)
{
	const struct submission *q;
	const char *comma = "";

	TAILQ_FOREACH (q, &t->submits->queue.all, order) {
		if (q->id > t->last)
			break;
		at += sprintf(at, "%s%llu", comma, (unsigned long long)q->id);
		comma = ",";
	}
	return at;
}

static char *write_gone(const struct submit_tidy *t, char *at)
{
	const struct submit_noted *n;
	const char *comma = "";

	TAILQ_FOREACH (n, &t->going, link) {
		at += sprintf(at, "%s%llu", comma, (unsigned long long)n->id);
		comma = ",";
	}
	return at;
}

static bool write_sql(struct submit_tidy *t)
{
	bool sweep = !t->swept[pool_index(t)] && t->last > 0;
	size_t most = MAX((size_t)t->submits->queue.n, (size_t)ROWS_MOST);
	char *at;

	free(t->sql);
	t->sql = malloc(2 * HEAD_BYTES + (most + ROWS_MOST) * ID_CHARS);
	if (!t->sql)
		return false;
	at = t->sql;
	if (sweep) {
		at = write_kept(t, write_head(t, at, true));
		at = stpcpy(at, "}'::bigint[])");
		*at++ = '\0';
	}
	at = write_gone(t, write_head(t, at, false));
	(void)stpcpy(at, "}'::bigint[])");
	return true;
}

/* ---- running it ---- */

static void arm(struct submit_tidy *t, uint64_t ms);

static void finish(struct submit_tidy *t)
{
	t->running = false;
	if (t->failed)
		TAILQ_CONCAT(&t->rows, &t->going, link);
	else
		t->swept[pool_index(t)] = true;
	submit_noted_free(&t->going);
	if (!TAILQ_EMPTY(&t->rows))
		arm(t, t->failed ? AGAIN_MS : EVERY_MS);
}

/* Who took the table away, or the right to it, has its rows to answer for. */
static void on_error(struct pg_call *call, uint32_t tag, uint32_t set,
		     const struct pg_result *error)
{
	struct submit_tidy *t = container_of(call, struct submit_tidy, call);
	struct pg_sql_error e = pg_result_error(error);

	(void)set;
	if (tag == PG_TAG_LABEL)
		return;
	t->failed = !e.sqlstate || strncmp(e.sqlstate, "42", 2) != 0;
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct submit_tidy *t = container_of(call, struct submit_tidy, call);

	t->failed |= end != PG_END_SYNCED;
	pg_task_finish(t->submits->rpc->engine, &t->task);
}

static const struct pg_call_ops call_ops = {
	.on_error = on_error,
	.on_end = on_end,
};

static void on_granted(struct pg_task *task)
{
	struct submit_tidy *t = container_of(task, struct submit_tidy, task);
	const char *gone = t->sql;

	pg_call_begin(task->conn, &t->call, &call_ops);
	pg_task_prepare(task, &t->call, true);
	if (!t->swept[pool_index(t)] && t->last > 0) {
		t->failed |= pg_call_execute_text(&t->call, t->sql, 0) < 0;
		gone = t->sql + strlen(t->sql) + 1;
	}
	t->failed |= pg_call_execute_text(&t->call, gone, 0) < 0;
	pg_call_end(&t->call);
}

static void on_refused(struct pg_task *task, enum refusal why, usec retry_after_us,
		       const char *reason)
{
	struct submit_tidy *t = container_of(task, struct submit_tidy, task);

	(void)why;
	(void)retry_after_us;
	(void)reason;
	t->failed = true;
	finish(t);
}

static void on_expired(struct pg_task *task)
{
	struct submit_tidy *t = container_of(task, struct submit_tidy, task);

	pg_task_cancel(t->submits->rpc->engine, task);
}

/* Held up by a cancel for another, and not granted yet. */
static void on_lost(struct pg_task *task)
{
	struct submit_tidy *t = container_of(task, struct submit_tidy, task);

	t->failed = true;
	pg_task_finish(t->submits->rpc->engine, task);
}

static void on_done(struct pg_task *task)
{
	finish(container_of(task, struct submit_tidy, task));
}

static const struct pg_task_ops task_ops = {
	.granted = on_granted,
	.refused = on_refused,
	.expired = on_expired,
	.lost = on_lost,
	.done = on_done,
};

/* ---- when ---- */

static void choose(struct submit_tidy *t)
{
	struct submit_noted *n = TAILQ_FIRST(&t->rows), *next;
	unsigned count = 0;

	t->pool = n->pool;
	for (; n && count < ROWS_MOST; n = next) {
		next = TAILQ_NEXT(n, link);
		if (n->pool != t->pool)
			continue;
		TAILQ_REMOVE(&t->rows, n, link);
		TAILQ_INSERT_TAIL(&t->going, n, link);
		count++;
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct submit_tidy *t = container_of(timer, struct submit_tidy, timer);
	struct rpc *rpc = t->submits->rpc;

	t->timing = false;
	if (t->stopped || t->running || rpc->draining || TAILQ_EMPTY(&t->rows))
		return;
	choose(t);
	t->running = true;
	t->failed = !write_sql(t);
	if (t->failed) {
		finish(t);
		return;
	}
	t->ticket = (struct ticket){
		.pool = pg_pool_core(t->pool->pg),
		.app = rpc->fallback,
		.deadline = usec_add(rpc_now(), rpc->config->timeouts.acquire_us),
		.acquire_deadline = usec_add(rpc_now(), rpc->config->timeouts.acquire_us),
	};
	t->task.ticket = &t->ticket;
	t->task.ops = &task_ops;
	t->task.exclusive = true;
	t->task.application = "sidepool";
	pg_task_submit(rpc->engine, &t->task);
}

static void arm(struct submit_tidy *t, uint64_t ms)
{
	if (t->timing || t->running || t->stopped)
		return;
	t->timing = true;
	(void)uv_timer_start(&t->timer, on_timer, ms, 0);
}

struct submit_tidy *submit_tidy_new(struct submits *s, const char *id, uint64_t last)
{
	struct submit_tidy *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->swept = calloc(s->rpc->n_pools, sizeof(*t->swept));
	if (!t->swept) {
		free(t);
		return NULL;
	}
	t->submits = s;
	t->id = id;
	t->last = last;
	TAILQ_INIT(&t->rows);
	TAILQ_INIT(&t->going);
	(void)uv_timer_init(s->rpc->loop, &t->timer);
	uv_unref((uv_handle_t *)&t->timer);
	return t;
}

void submit_tidy_rows(struct submit_tidy *t, struct submit_noted_list *list)
{
	TAILQ_CONCAT(&t->rows, list, link);
	if (!TAILQ_EMPTY(&t->rows))
		arm(t, EVERY_MS);
}

void submit_tidy_stop(struct submit_tidy *t)
{
	if (!t)
		return; /* there was no memory for it, and the daemon does not start */
	t->stopped = true;
	(void)uv_timer_stop(&t->timer);
	if (t->running && pg_task_withdraw(t->submits->rpc->engine, &t->task))
		finish(t);
}

static void on_closed(uv_handle_t *timer)
{
	struct submit_tidy *t = container_of((uv_timer_t *)timer, struct submit_tidy, timer);

	free(t->sql);
	free(t->swept);
	free(t);
}

struct submit_tidy *submit_tidy_free(struct submit_tidy *t)
{
	if (!t)
		return NULL;
	submit_noted_free(&t->rows);
	submit_noted_free(&t->going);
	uv_close((uv_handle_t *)&t->timer, on_closed);
	return NULL;
}
