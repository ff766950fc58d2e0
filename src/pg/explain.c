/* SPDX-License-Identifier: MIT */
/*
 * Two calls on one connection:
 *
 *	BEGIN READ ONLY; SET LOCAL ...; Parse of the statement            it is analysed, not run
 *	EXPLAIN EXECUTE it(NULL, ...); ROLLBACK; DEALLOCATE               it is planned, not run
 *
 * The second is sent only where the first has worked, so that nothing is explained or deallocated
 * that is not there. With force_generic_plan the plan has $1 where a parameter stands: NULL is never
 * looked at, and nothing of anybody's data is told (EXPLAIN (GENERIC_PLAN) came with PostgreSQL 16).
 * A function that is called IMMUTABLE may be run by the planner; it can write nothing, and not for
 * longer than statement_timeout.
 * https://www.postgresql.org/docs/15/sql-prepare.html
 */
#include "pg/explain.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/core.h"
#include "core/pool.h"
#include "pg/classify.h"
#include "pg/conn-internal.h"
#include "pg/engine-internal.h"
#include "pg/result.h"
#include "pg/text.h"

#define NAME "sidepool_explain"

enum {
	WAIT_MS = 20,       /* for a connection that idled a moment ago */
	PLAN_MOST = 8000,   /* bytes that are kept */
	PARAMS_MOST = 1000, /* it is an odd statement that has more */
	TAG_OTHER = 0,
	TAG_EXPLAIN = 1,
};

/* ---- which ---- */

static const char *skip_comment(const char *s)
{
	const char *end;

	if (s[0] == '-' && s[1] == '-')
		return s + strcspn(s, "\n");
	if (s[0] != '/' || s[1] != '*')
		return s;
	end = strstr(s + 2, "*/");
	return end ? end + 2 : s + strlen(s);
}

/* Where its first word begins. */
static const char *first_word(const char *s)
{
	const char *before;

	do {
		before = s;
		s = skip_comment(s + strspn(s, " \t\r\n\f("));
	} while (s != before);
	return s;
}

bool pg_explain_fits(const struct pg_text *text)
{
	static const char *const words[] = { "SELECT", "INSERT", "UPDATE", "DELETE",
					     "MERGE",  "WITH",   "VALUES", "TABLE" };
	const char *word;
	size_t n;

	if (text->class.empty || text->class.several || text->class.copy)
		return false;
	word = first_word(text->sql);
	n = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (n == strlen(words[i]) && !strncasecmp(word, words[i], n))
			return true;
	return false;
}

/* ---- the calls ---- */

static void send_prepare(struct pg_explain *e);
static void send_explain(struct pg_explain *e);

static struct pg_explain *of_call(struct pg_call *call)
{
	return container_of(call, struct pg_explain, call);
}

static void on_rows(struct pg_call *call, uint32_t tag, uint32_t set, const struct pg_result *rows)
{
	struct pg_explain *e = of_call(call);

	(void)set;
	for (int i = 0; tag == TAG_EXPLAIN && i < pg_result_n_rows(rows); i++) {
		const char *line = pg_result_value(rows, i, 0);

		if (buf_len(&e->plan) + strlen(line) + 1 > PLAN_MOST)
			return;
		if (buf_len(&e->plan) > 0)
			(void)buf_append(&e->plan, "\n", 1);
		(void)buf_append(&e->plan, line, strlen(line));
	}
}

static void on_complete(struct pg_call *call, uint32_t tag, uint32_t set,
			const struct pg_result *result)
{
	(void)call;
	(void)tag;
	(void)set;
	(void)result;
}

/* What cannot be explained is left out: its error is nobody's. */
static void on_error(struct pg_call *call, uint32_t tag, uint32_t set,
		     const struct pg_result *error)
{
	(void)tag;
	(void)set;
	(void)error;
	of_call(call)->failed = true;
}

static void leave(struct pg_explain *e)
{
	e->state = PG_EXPLAIN_LEAVING;
	pg_task_finish(e->engine, &e->task);
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct pg_explain *e = of_call(call);

	if (end != PG_END_SYNCED) {
		e->failed = true;
		return; /* `lost` follows */
	}
	if (e->state == PG_EXPLAIN_PREPARING && !e->failed)
		send_explain(e);
	else
		leave(e); /* rolled back on the way */
}

static const struct pg_call_ops call_ops = {
	.on_rows = on_rows,
	.on_complete = on_complete,
	.on_error = on_error,
	.on_end = on_end,
};

static void send_prepare(struct pg_explain *e)
{
	static const char *const before[] = {
		"BEGIN READ ONLY",
		"SET LOCAL statement_timeout = '1s'",
		"SET LOCAL lock_timeout = '100ms'",
		"SET LOCAL plan_cache_mode = force_generic_plan",
	};

	e->state = PG_EXPLAIN_PREPARING;
	pg_call_begin(e->task.conn, &e->call, &call_ops);
	pg_task_prepare(&e->task, &e->call, false);
	/* Of what it might do, what an IMMUTABLE function of the user's own might do is left. */
	pg_task_touches(&e->task, e->text->class.touch & PG_TOUCH_UNKNOWN);
	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		(void)pg_call_execute_text(&e->call, before[i], TAG_OTHER);
	(void)pg_call_prepare(&e->call, NAME, e->text, TAG_OTHER);
	pg_call_end(&e->call);
}

static void send_explain(struct pg_explain *e)
{
	char sql[sizeof("EXPLAIN EXECUTE " NAME "()") + 5 * PARAMS_MOST];
	int n = snprintf(sql, sizeof(sql), "EXPLAIN EXECUTE " NAME);

	e->state = PG_EXPLAIN_ASKING;
	for (uint32_t i = 0; i < e->n_params; i++)
		n += snprintf(sql + n, sizeof(sql) - (size_t)n, "%sNULL", i ? "," : "(");
	(void)snprintf(sql + n, sizeof(sql) - (size_t)n, "%s", e->n_params ? ")" : "");
	pg_call_begin(e->task.conn, &e->call, &call_ops);
	(void)pg_call_execute_text(&e->call, sql, TAG_EXPLAIN);
	pg_call_sync(&e->call);
	(void)pg_call_execute_text(&e->call, "ROLLBACK", TAG_OTHER);
	pg_call_sync(&e->call);
	(void)pg_call_execute_text(&e->call, "DEALLOCATE " NAME, TAG_OTHER);
	pg_call_end(&e->call);
}

/* ---- the connection ---- */

static void finish(struct pg_explain *e)
{
	bool has_plan = !e->failed && buf_len(&e->plan) > 0 && buf_append(&e->plan, "", 1) == 0;

	e->state = PG_EXPLAIN_REST;
	e->text = pg_text_unref(e->text);
	e->done(e->userdata, has_plan ? (const char *)buf_at(&e->plan) : NULL);
	buf_deinit(&e->plan);
}

static void on_granted(struct pg_task *task)
{
	send_prepare(container_of(task, struct pg_explain, task));
}

static void on_refused(struct pg_task *task, enum refusal why, usec retry_after_us,
		       const char *reason)
{
	struct pg_explain *e = container_of(task, struct pg_explain, task);

	(void)why;
	(void)retry_after_us;
	(void)reason;
	e->failed = true;
	finish(e);
}

/* statement_timeout ends it; its deadline is for the wait alone. */
static void on_expired(struct pg_task *task)
{
	(void)task;
}

static void on_lost(struct pg_task *task)
{
	struct pg_explain *e = container_of(task, struct pg_explain, task);

	e->failed = true;
	leave(e);
}

static void on_done(struct pg_task *task)
{
	finish(container_of(task, struct pg_explain, task));
}

static void on_notify(struct pg_task *task, const char *channel, const char *payload,
		      int backend_pid)
{
	(void)task;
	(void)channel;
	(void)payload;
	(void)backend_pid;
}

static const struct pg_task_ops task_ops = {
	.granted = on_granted,
	.refused = on_refused,
	.expired = on_expired,
	.lost = on_lost,
	.done = on_done,
	.notify = on_notify,
};

static bool is_spare(const struct pg_engine *engine, const struct pool *p)
{
	struct core_numbers n;

	core_numbers(engine->core, pg_engine_now(), &n);
	return p->n[SLOT_IDLE] > 0 && n.waiting == 0 && !p->paused && !p->removing;
}

bool pg_explain_begin(struct pg_explain *e, struct pg_engine *engine, struct pg_pool *pool,
		      struct application *application, struct pg_text *text, uint32_t n_params)
{
	if (e->state != PG_EXPLAIN_REST || n_params > PARAMS_MOST || !is_spare(engine, pool->core))
		return false;
	e->engine = engine;
	e->state = PG_EXPLAIN_WAITING;
	e->text = pg_text_ref(text);
	e->n_params = n_params;
	e->failed = false;
	e->plan = BUF_NULL;
	e->ticket = (struct ticket){
		.pool = pool->core,
		.app = application,
		.deadline = USEC_NEVER,
		.acquire_deadline = usec_add(pg_engine_now(), WAIT_MS * USEC_PER_MS),
	};
	e->task = (struct pg_task){
		.ticket = &e->ticket,
		.ops = &task_ops,
		.application = "explain",
	};
	pg_task_submit(engine, &e->task);
	return true;
}

void pg_explain_stop(struct pg_explain *e)
{
	if (e->state == PG_EXPLAIN_WAITING && pg_task_withdraw(e->engine, &e->task)) {
		e->failed = true;
		finish(e);
	}
}

void pg_explain_deinit(struct pg_explain *e)
{
	if (e->text)
		e->text = pg_text_unref(e->text);
	buf_deinit(&e->plan);
}
