/* SPDX-License-Identifier: MIT */
/*
 * Work on a connection. Everything that is sent leaves an entry in a ring of answers that are owed;
 * libpq hands the results out in the same order, and the head of the ring says whose they are. In
 * pipeline mode (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html) libpq ends the
 * results of each statement with a NULL, and a Sync with PGRES_PIPELINE_SYNC; after an error
 * everything up to the next Sync comes back as PGRES_PIPELINE_ABORTED.
 *
 * A call has ended when its last Sync is answered, and not before: a statement outside a
 * transaction commits at the Sync, so that a CommandComplete alone proves nothing, and a deferred
 * constraint may fail there.
 *
 * Rows are asked for a few at a time (PQsetChunkedRowsMode, since libpq 17) or one by one
 * (PQsetSingleRowMode), so that libpq never holds more than that.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pg/conn-internal.h"
#include "pg/cork.h"
#include "pg/text.h"
#include "util/error.h"
#include "util/macro.h"

enum {
	ANSWERS_FIRST = 32,
};

#ifdef LIBPQ_HAS_CHUNK_MODE
enum {
	ROWS_AT_A_TIME = 8, /* more gain little, and cost memory where rows are wide */
};
#endif

static struct pg_answer *head_of(struct pg_conn *conn)
{
	return conn->answers_count > 0 ? &conn->answers[conn->answers_head] : NULL;
}

static struct pg_answer pop(struct pg_conn *conn)
{
	struct pg_answer a = conn->answers[conn->answers_head];

	conn->answers_head = (conn->answers_head + 1) & (conn->answers_size - 1);
	conn->answers_count--;
	return a;
}

static int grow(struct pg_conn *conn)
{
	uint32_t size = conn->answers_size ? conn->answers_size * 2 : ANSWERS_FIRST;
	struct pg_answer *ring = malloc(size * sizeof(*ring));

	if (!ring)
		return err_raise(-ENOMEM);
	for (uint32_t i = 0; i < conn->answers_count; i++)
		ring[i] = conn->answers[(conn->answers_head + i) & (conn->answers_size - 1)];
	free(conn->answers);
	conn->answers = ring;
	conn->answers_size = size;
	conn->answers_head = 0;
	return 0;
}

/*
 * Where libpq has no memory for some of an answer it may go on without it, and nobody could tell the
 * rest from a success: what is owed on this connection is lost.
 */
static void garbled(struct pg_conn *conn)
{
	conn->garbled = true;
	pg_conn_break(conn);
}

/* What was sent counts as owed even where there is no memory to wait for it. */
int pg_answers_push(struct pg_conn *conn, struct pg_answer answer)
{
	int r;

	if (answer.call) {
		answer.call->pending++;
		answer.call->syncs += answer.kind == PG_ANSWER_SYNC;
		answer.call->sent = true;
	}
	if (conn->answers_count == conn->answers_size) {
		r = grow(conn);
		if (r < 0) {
			garbled(conn);
			return err_forward(r);
		}
	}
	conn->answers[(conn->answers_head + conn->answers_count++) & (conn->answers_size - 1)] =
		answer;
	return 0;
}

void pg_call_begin(struct pg_conn *conn, struct pg_call *call, const struct pg_call_ops *ops)
{
	assert(conn->state == PG_CONN_UP);

	*call = (struct pg_call){ .ops = ops, .conn = conn };
	if (conn->depth == 0)
		conn->reading_may_change = false;
	TAILQ_INSERT_TAIL(&conn->calls, call, link);
	conn->depth++;
}

/*
 * What libpq could not even queue breaks the connection: libpq and we would no longer count alike.
 */
static int broken(struct pg_conn *conn)
{
	pg_conn_break(conn);
	return err_raise(-EPIPE);
}

int pg_call_execute_text(struct pg_call *call, const char *sql, uint32_t tag)
{
	struct pg_conn *conn = call->conn;

	/* It may be what ends the transaction that had them set. */
	conn->reading_may_change |= conn->reading_may_differ;
	if (!PQsendQueryParams(conn->pq, sql, 0, NULL, NULL, NULL, NULL, 0))
		return err_forward(broken(conn));
	return err_forward(pg_answers_push(
		conn, (struct pg_answer){ .kind = PG_ANSWER_EXECUTE, .call = call, .tag = tag }));
}

int pg_call_prepare(struct pg_call *call, const char *name, const struct pg_text *text,
		    uint32_t tag)
{
	if (!PQsendPrepare(call->conn->pq, name, text->sql, (int)text->n_types, text->types))
		return err_forward(broken(call->conn));
	return err_forward(pg_answers_push(
		call->conn,
		(struct pg_answer){ .kind = PG_ANSWER_EXECUTE, .call = call, .tag = tag }));
}

/* Without writing it: see pg_conn_flush(). */
static int send_sync(PGconn *pq)
{
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
	return PQsendPipelineSync(pq);
#else
	int sent;

	pg_cork(PQsocket(pq));
	sent = PQpipelineSync(pq);
	pg_uncork();
	return sent;
#endif
}

void pg_call_sync(struct pg_call *call)
{
	struct pg_conn *conn = call->conn;

	if (!send_sync(conn->pq) ||
	    pg_answers_push(conn, (struct pg_answer){ .kind = PG_ANSWER_SYNC, .call = call }) < 0)
		(void)broken(conn);
}

void pg_call_flush(struct pg_call *call)
{
	if (!PQsendFlushRequest(call->conn->pq))
		(void)broken(call->conn);
}

void pg_call_is_unsent(struct pg_call *call)
{
	struct pg_conn *conn = call->conn;

	if (conn->ops->on_unsent)
		conn->ops->on_unsent(conn);
	else
		pg_conn_flush(conn);
}

static bool last_is_sync(const struct pg_conn *conn)
{
	uint32_t last = (conn->answers_head + conn->answers_count - 1) & (conn->answers_size - 1);

	return conn->answers_count > 0 && conn->answers[last].kind == PG_ANSWER_SYNC;
}

void pg_call_end(struct pg_call *call)
{
	struct pg_conn *conn = call->conn;

	if (!last_is_sync(conn))
		pg_call_sync(call);
	call->ended = true;
	pg_call_is_unsent(call);
}

int pg_call_simple(struct pg_conn *conn, struct pg_call *call, const struct pg_call_ops *ops,
		   const char *sql)
{
	assert(conn->answers_count == 0);

	pg_call_begin(conn, call, ops);
	call->ended = true;
	if (!PQexitPipelineMode(conn->pq) || !PQsendQuery(conn->pq, sql))
		return err_forward(broken(conn));
	pg_conn_flush(conn);
	return err_forward(pg_answers_push(
		conn, (struct pg_answer){ .kind = PG_ANSWER_SIMPLE,
					  .tags_most = (uint32_t)MIN(strlen(sql) + 1, UINT32_MAX),
					  .call = call }));
}

int pg_call_copy_put(struct pg_call *call, const char *data, size_t n)
{
	int taken = PQputCopyData(call->conn->pq, data, (int)n);

	pg_conn_flush(call->conn);
	return taken == 1 ? 0 : err_raise(-EPIPE);
}

int pg_call_copy_end(struct pg_call *call, const char *failure)
{
	struct pg_answer *a = head_of(call->conn);
	int taken = PQputCopyEnd(call->conn->pq, failure);

	if (a)
		a->copy = PG_COPY_NONE;
	pg_conn_flush(call->conn);
	return taken == 1 ? 0 : err_raise(-EPIPE);
}

/* The call is its owner's again; the owner may begin another one from within on_end. */
static void end_call(struct pg_conn *conn, struct pg_call *call, enum pg_end end)
{
	TAILQ_REMOVE(&conn->calls, call, link);
	conn->depth--;
	call->conn = NULL;
	call->ops->on_end(call, end);
}

static bool is_statement(const struct pg_answer *a)
{
	return a->kind == PG_ANSWER_EXECUTE || a->kind == PG_ANSWER_SIMPLE;
}

static void take_rows(const struct pg_answer *a, PGresult *result)
{
	if (!is_statement(a) || !a->call->ops->on_rows)
		return;
	a->call->ops->on_rows(a->call, a->tag, a->set, result);
}

#ifdef LIBPQ_HAS_CHUNK_MODE
/* libpq writes the command tag into the last chunk only, not into the result that ends the rows. */
static void keep_if_last(struct pg_conn *conn, PGresult **chunk)
{
	if (!*PQcmdStatus(*chunk))
		return;
	PQclear(conn->last_chunk);
	conn->last_chunk = steal(chunk);
}
#endif

static bool may_alter(const char *tag)
{
	static const char *const tags[] = {
		"ALTER ", "CREATE ", "DROP ", "DO", "ROLLBACK", "COMMIT"
	};

	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (tag[0] == tags[i][0] && !strncmp(tag, tags[i], strlen(tags[i])))
			return true;
	return false;
}

static void take_complete(struct pg_conn *conn, struct pg_answer *a, PGresult *result)
{
	PGresult *last = steal(&conn->last_chunk);

	a->done = true;
	if (a->kind == PG_ANSWER_PREPARE)
		pg_prepared_done(conn, steal(&a->prepared), true);
	if (is_statement(a)) {
		if (may_alter(PQcmdStatus(result)))
			conn->ops->on_altered(conn, PQcmdStatus(result));
		a->call->completed = true;
		if (a->call->ops->on_complete)
			a->call->ops->on_complete(a->call, a->tag, a->set,
						  last && !*PQcmdStatus(result) ? last : result);
		if (a->kind == PG_ANSWER_SIMPLE && ++a->tag > a->tags_most)
			garbled(conn); /* who sends results without end is no PostgreSQL */
	}
	PQclear(last);
}

static void tell_error(struct pg_answer *a, const PGresult *result)
{
	if (a->call->failed)
		return;
	a->call->failed = true;
	if (a->call->ops->on_error)
		a->call->ops->on_error(a->call, a->tag, a->set, result);
}

static void take_error(struct pg_conn *conn, struct pg_answer *a, PGresult **error)
{
	PGresult *result = *error;

	if (a->kind == PG_ANSWER_PREPARE && a->prepared)
		pg_prepared_done(conn, steal(&a->prepared), false);
	/*
	 * What libpq itself says has no SQLSTATE: that the connection is lost, of which on_end tells, or
	 * that it had no memory for what came.
	 */
	if (!PQresultErrorField(result, PG_DIAG_SQLSTATE)) {
		if (PQstatus(conn->pq) == CONNECTION_OK)
			garbled(conn);
		return;
	}
	a->done = true;
	if (a->call) {
		tell_error(a, result);
		return;
	}
	PQclear(conn->unheard);
	conn->unheard = steal(error);
}

static void take_aborted(struct pg_conn *conn, struct pg_answer *a)
{
	a->done = true;
	if (a->kind == PG_ANSWER_PREPARE && a->prepared)
		pg_prepared_done(conn, steal(&a->prepared), false);
	if (a->call && conn->unheard)
		tell_error(a, conn->unheard);
}

/* The head is answered. */
static void take_end(struct pg_conn *conn)
{
	struct pg_answer a = pop(conn);

	if (a.kind == PG_ANSWER_SYNC) {
		PQclear(conn->unheard);
		conn->unheard = NULL;
	}
	if (!a.call)
		return;
	a.call->pending--;
	a.call->syncs -= a.kind == PG_ANSWER_SYNC;
	if (a.kind == PG_ANSWER_SYNC && (a.call->pending > 0 || !a.call->ended)) {
		a.call->failed = false;
		a.call->completed = false;
	}
	if (a.call->pending == 0 && a.call->ended)
		end_call(conn, a.call, PG_END_SYNCED);
}

/* Its owner may end it from within: the head itself has to know by then, not a copy of it. */
static void take_copy(struct pg_conn *conn, enum pg_copy copy, PGresult *ready)
{
	struct pg_answer *a = &conn->answers[conn->answers_head];

	a->copy = copy;
	a->call->ops->on_copy(a->call, ready, NULL, 0);
}

/* A row of a COPY TO STDOUT; false when there is none now. */
static bool pump_copy_out(struct pg_conn *conn, struct pg_answer *a)
{
	struct pg_call *call = a->call;
	char *data;
	int n = PQgetCopyData(conn->pq, &data, 1);

	if (n == 0)
		return false;
	if (n == -1) {
		a->copy = PG_COPY_NONE; /* the tag, or the error, comes as a result */
		return true;
	}
	if (n < 0) {
		garbled(conn);
		return false;
	}
	call->ops->on_copy(call, NULL, data, (size_t)n);
	PQfreemem(data);
	return conn->state == PG_CONN_UP;
}

/* Consumes the result. */
static void take_result(struct pg_conn *conn, struct pg_answer *a, PGresult *result,
			ExecStatusType status)
{
	switch (status) {
#ifdef LIBPQ_HAS_CHUNK_MODE
	case PGRES_TUPLES_CHUNK:
		take_rows(a, result);
		keep_if_last(conn, &result);
		break;
#endif
	case PGRES_SINGLE_TUPLE:
		take_rows(a, result);
		break;
	case PGRES_TUPLES_OK:
		if (PQntuples(result) > 0)
			take_rows(a, result);
		take_complete(conn, a, result);
		break;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		take_complete(conn, a, result);
		break;
	case PGRES_COPY_IN:
		take_copy(conn, PG_COPY_IN, result);
		break;
	case PGRES_COPY_OUT:
		take_copy(conn, PG_COPY_OUT, result);
		break;
	case PGRES_PIPELINE_ABORTED:
		take_aborted(conn, a);
		break;
	default:
		take_error(conn, a, &result);
		break;
	}
	PQclear(result);
}

/* libpq wants to know before it reads the first row. */
static void begin_answer(struct pg_conn *conn, struct pg_answer *a)
{
	if (a->begun)
		return;
	a->begun = true;
	if (!is_statement(a))
		return;
#ifdef LIBPQ_HAS_CHUNK_MODE
	(void)PQsetChunkedRowsMode(conn->pq, ROWS_AT_A_TIME);
#else
	(void)PQsetSingleRowMode(conn->pq);
#endif
}

static void end_simple(struct pg_conn *conn)
{
	if (!PQenterPipelineMode(conn->pq))
		(void)broken(conn);
	take_end(conn);
}

/* One result; false when there is nothing more to take now. */
static bool pump_one(struct pg_conn *conn)
{
	struct pg_answer *a = head_of(conn);
	ExecStatusType status;
	PGresult *result;

	if (!a || conn->paused)
		return false;
	begin_answer(conn, a);
	if (a->copy == PG_COPY_OUT)
		return pump_copy_out(conn, a);
	if (a->copy == PG_COPY_IN || PQisBusy(conn->pq))
		return false;
	result = PQgetResult(conn->pq);
	status = PQresultStatus(result);
	if (result && status == PGRES_PIPELINE_SYNC) {
		PQclear(result);
		if (a->kind != PG_ANSWER_SYNC)
			return false; /* libpq and we count differently: PQstatus() will tell */
		take_end(conn);
		return true;
	}
	if (result) {
		/* The owner may add calls meanwhile, and the ring may move. */
		struct pg_answer copy = *a;

		take_result(conn, &copy, result, status);
		a = head_of(conn);
		if (a) {
			a->prepared = copy.prepared;
			a->tag = copy.tag;
			a->done = copy.done;
		}
		return conn->state == PG_CONN_UP;
	}
	if (PQstatus(conn->pq) == CONNECTION_BAD)
		return false;
	if (a->kind != PG_ANSWER_SYNC && !a->done)
		garbled(conn);
	else if (a->kind == PG_ANSWER_SIMPLE)
		end_simple(conn);
	else if (a->kind != PG_ANSWER_SYNC)
		take_end(conn);
	return true;
}

bool pg_calls_pump(struct pg_conn *conn)
{
	if (conn->pumping)
		return true;
	conn->pumping = true;
	while (conn->state == PG_CONN_UP && !conn->garbled && pump_one(conn))
		;
	conn->pumping = false;
	if (!conn->orphaned)
		return true;
	if (!conn->cancel_done)
		pg_conn_destroy(conn);
	return false;
}

void pg_calls_abandon(struct pg_conn *conn)
{
	struct pg_call *call;

	for (uint32_t i = 0; i < conn->answers_count; i++) {
		struct pg_answer *a =
			&conn->answers[(conn->answers_head + i) & (conn->answers_size - 1)];

		if (a->kind == PG_ANSWER_PREPARE && a->prepared)
			pg_prepared_done(conn, steal(&a->prepared), false);
	}
	conn->answers_count = 0;
	conn->sending = pg_sending_free(conn->sending);
	conn->more = NULL;
	while ((call = TAILQ_FIRST(&conn->calls)))
		end_call(conn, call, call->sent ? PG_END_LOST : PG_END_NOT_SENT);
}
