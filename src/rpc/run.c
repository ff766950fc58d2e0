/* SPDX-License-Identifier: MIT */
#include "rpc/run.h"

#include <string.h>

#include "pg/classify.h"
#include "pg/text.h"
#include "rpc/lease.h"
#include "rpc/rpc-internal.h"

static void fail_to_send(struct request *r)
{
	struct failure f = { .code = 0 };

	failure_set(&f, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
	f.outcome = FAILURE_FAILED;
	request_set_failure(r, &f);
}

static bool is_read_only(const struct request *r)
{
	return r->client && r->client->config->read_only && !r->lease;
}

/* What comes before the request's own statements; NULL: nothing. */
static const char *take_begin(struct request *r)
{
	const char *sql = NULL;

	r->read_only = is_read_only(r);
	if (r->lease)
		sql = lease_take_begin(r->lease);
	else if (r->read_only)
		sql = "BEGIN READ ONLY";

	r->begins = sql && !(r->lease && lease_begin_is_setup(r->lease));
	r->in_explicit |= r->begins;
	return sql;
}

static const char *finish_sql(const struct request *r)
{
	bool in_transaction =
		r->in_explicit || (r->n_texts > 0 && r->texts[0]->class.verb == PG_VERB_BEGIN);

	if (r->read_only)
		return "COMMIT";
	if (!r->finishes_lease || !in_transaction)
		return NULL;
	return r->message->finish == SIDEPOOL__V1__FINISH__FINISH_COMMIT ? "COMMIT" : "ROLLBACK";
}

static bool writes(const struct request *r)
{
	for (size_t i = 0; i < r->n_texts; i++)
		if (!r->texts[i]->class.reads_only)
			return true;
	return false;
}

bool request_commits(const struct request *r)
{
	if (!r->in_explicit)
		return r->in_transaction;
	for (size_t i = 0; i < r->n_texts; i++)
		if (r->texts[i]->class.verb == PG_VERB_COMMIT)
			return true;
	return r->finishes_lease && r->message->finish == SIDEPOOL__V1__FINISH__FINISH_COMMIT;
}

static bool is_atomic_batch(const struct request *r)
{
	return r->message->kind_case == SIDEPOOL__V1__REQUEST__KIND_BATCH && !r->each_for_itself;
}

/* To be asked before anything is sent; a connection that is shared is in none. */
static bool is_in_transaction(struct request *r)
{
	return r->lease && pg_conn_transaction(request_task(r)->conn) != 'I';
}

void request_begin_call(struct request *r)
{
	struct pg_task *task = request_task(r);
	const char *begin;

	r->completed = false;
	r->in_explicit = is_in_transaction(r);
	pg_call_begin(task->conn, &r->call, &request_call_ops);
	if (!r->in_explicit)
		pg_task_prepare(task, &r->call, writes(r));
	begin = take_begin(r);
	r->in_transaction = r->in_explicit || is_atomic_batch(r);
	if (begin && pg_call_execute_text(&r->call, begin, TAG_BEGIN) < 0)
		fail_to_send(r);
	if (begin && !r->begins)
		pg_call_sync(&r->call);
}

bool request_execute(struct request *r, uint32_t index)
{
	int e = pg_task_execute(request_task(r), &r->call, &r->statements[index], index);

	if (e != 0 && e != PG_CALL_MORE)
		fail_to_send(r);
	return e != PG_CALL_MORE;
}

void request_end_call(struct request *r)
{
	const char *finish = finish_sql(r);

	settle_ask(r);
	if (finish && pg_call_execute_text(&r->call, finish, TAG_FINISH) < 0)
		fail_to_send(r);
	pg_call_end(&r->call);
}

static char *join(struct request *r, const char *begin, const char *sql, const char *finish)
{
	size_t n = strlen(sql) + 2 + (begin ? strlen(begin) + 1 : 0) +
		   (finish ? strlen(finish) + 2 : 0);
	char *text = arena_alloc(&r->arena, n), *at = text;

	if (!text)
		return NULL;
	if (begin)
		at = stpcpy(stpcpy(at, begin), ";");
	at = stpcpy(at, sql);
	if (finish)
		(void)stpcpy(stpcpy(at, "\n;"), finish); /* the newline ends a comment */
	return text;
}

void request_run_simple(struct request *r, const char *sql, unsigned touch)
{
	struct pg_task *task = request_task(r);
	const char *begin;
	char *text;

	r->in_explicit = is_in_transaction(r);
	begin = take_begin(r);
	r->is_simple = true;
	r->completed = false;
	/* One text is one transaction: a setting for the next one would come too late. */
	if (begin && !r->begins) {
		begin = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;SET transaction_read_only = on";
		r->n_ahead = 2;
	} else {
		r->n_ahead = begin ? 1 : 0;
	}
	text = join(r, begin, sql, finish_sql(r));
	if (!text) {
		fail_to_send(r);
		request_end(r);
		return;
	}
	pg_task_touches(task, touch);
	if (touch & PG_TOUCH_PREPARED)
		pg_conn_forget_prepared(task->conn);
	if (pg_call_simple(task->conn, &r->call, &request_call_ops, text) < 0)
		fail_to_send(r);
}
