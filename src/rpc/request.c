/* SPDX-License-Identifier: MIT */
/*
 * The life of a request, the same for all kinds:
 *
 *	NEW --submit--> WAITING --granted, or its turn on the lease--> RUNNING --call ended--> ENDED
 *
 * It is answered once. It is freed when it was answered (or its client is gone) and neither the core nor a connection nor a
 * stream holds it; request_unhold() looks.
 */
#include "rpc/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/result.h"
#include "pg/text.h"
#include "rpc/copy.h"
#include "rpc/idempotency.h"
#include "rpc/lease.h"
#include "rpc/pb.h"
#include "rpc/rpc-internal.h"
#include "rpc/status.h"
#include "rpc/stream.h"
#include "util/error.h"

enum {
	SPARE_REQUESTS_MAX = 256,
	KEEP_BYTES = 4096,     /* of each buffer of a spare request */

	RESPONSE_ERROR = 2,
	RESPONSE_STREAM_ID = 3,
	RESPONSE_WAIT_US = 8,
	RESPONSE_RUN_US = 9,
	RESPONSE_FIXED_BYTES = 96, /* more than all numbers and heads of the envelope take */
};

/* ---- memory ---- */

/* protobuf-c writes nothing behind a value, but libpq wants a zero byte there: one byte more for each. */
static void *arena_protobuf_alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n + 1);
}

static void arena_protobuf_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

static struct request *take_spare(struct rpc *rpc)
{
	struct request *r = TAILQ_FIRST(&rpc->spare);

	if (r) {
		TAILQ_REMOVE(&rpc->spare, r, link);
		rpc->n_spare--;
		return r;
	}
	r = calloc(1, sizeof(*r));
	if (r)
		arena_init(&r->arena, 0);
	return r;
}

static void free_request(struct request *r)
{
	output_deinit(&r->output);
	failure_deinit(&r->failure);
	arena_deinit(&r->arena);
	free(r);
}

/* Everything but the memory that the next request can use. */
static void recycle(struct request *r)
{
	struct rpc *rpc = r->rpc;
	struct request fresh = { .arena = r->arena, .output = r->output, .failure = { .sql = r->failure.sql,
										    .pool = r->failure.pool } };

	if (rpc->n_spare >= SPARE_REQUESTS_MAX) {
		free_request(r);
		return;
	}
	*r = fresh;
	arena_reset(&r->arena);
	output_reset(&r->output, KEEP_BYTES);
	buf_reset(&r->failure.sql, KEEP_BYTES);
	buf_reset(&r->failure.pool, KEEP_BYTES);
	TAILQ_INSERT_HEAD(&rpc->spare, r, link);
	rpc->n_spare++;
}

static void detach_client(struct request *r)
{
	if (!r->client)
		return;
	TAILQ_REMOVE(&r->client->requests, r, link);
	r->client->in_flight--;
	r->client = NULL;
}

void request_unhold(struct request *r)
{
	if (!r->answered || r->stream || r->call.conn || r->in_lease_queue || r->state == REQUEST_RUNNING)
		return;
	if (r->ticket.state == TICKET_WAITING || r->ticket.state == TICKET_GRANTED || r->ticket.state == TICKET_REFUSED)
		return;
	for (size_t i = 0; i < r->n_texts; i++)
		pg_text_unref(r->texts[i]);
	detach_client(r);
	sp_conn_unref(r->conn);
	r->rpc->n_requests--;
	recycle(r);
}

void requests_free_spare(struct rpc *rpc)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&rpc->spare))) {
		TAILQ_REMOVE(&rpc->spare, r, link);
		free_request(r);
	}
}

struct request *request_new(struct rpc *rpc, struct client *client, const struct sp_request *id,
			    const uint8_t *body, size_t len)
{
	struct request *r = take_spare(rpc);
	ProtobufCAllocator allocator = { .alloc = arena_protobuf_alloc, .free = arena_protobuf_free };

	if (!r) {
		sp_conn_close(client->conn);
		return NULL;
	}
	r->rpc = rpc;
	r->client = client;
	r->conn = sp_conn_ref(client->conn);
	r->id = *id;
	r->received = rpc_now();
	r->deadline = USEC_NEVER;
	TAILQ_INSERT_TAIL(&client->requests, r, link);
	client->in_flight++;
	rpc->n_requests++;
	allocator.allocator_data = &r->arena;
	r->message = sidepool__v1__request__unpack(&allocator, len, body);
	if (!r->message) {
		request_fail(r, SIDEPOOL_E_INVALID_MESSAGE, NULL);
		return NULL;
	}
	return r;
}

/* ---- answers ---- */

static void sent(struct request *r)
{
	r->answered = true;
	request_unhold(r);
}

static bool goes_on(const struct request *r)
{
	return r->stream && !stream_is_ended(r->stream);
}

/* The whole Response from output, failure and whatever the lease has to tell. */
static uint8_t *pack_answer(struct request *r, const struct buf *error, const struct buf *lease, uint8_t *at)
{
	usec now = rpc_now(), granted = r->granted ? r->granted : now;

	at = output_pack(&r->output, at, goes_on(r));
	at = pb_bytes(at, RESPONSE_ERROR, buf_len(error) ? buf_at(error) : NULL, buf_len(error));
	at = pb_uint(at, RESPONSE_STREAM_ID, r->stream ? stream_id_to_tell(r->stream) : 0);
	if (buf_len(lease) > 0) {
		memcpy(at, buf_at(lease), buf_len(lease));
		at += buf_len(lease);
	}
	at = pb_uint(at, RESPONSE_WAIT_US, usec_sub(granted, r->received));
	return pb_uint(at, RESPONSE_RUN_US, r->granted ? usec_sub(now, r->granted) : 0);
}

static void send_answer(struct request *r, const struct sp_request *id)
{
	struct buf error = BUF_NULL, lease = BUF_NULL;
	size_t n;
	uint8_t *at;

	if (r->output.out_of_memory && !r->failure.code)
		failure_set(&r->failure, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
	if (r->failure.code)
		(void)failure_pack(&r->failure, &error);
	if (r->lease)
		(void)lease_pack_envelope(r->lease, r, &lease);
	n = output_packed_bytes(&r->output, goes_on(r)) + buf_len(&error) + buf_len(&lease) + RESPONSE_FIXED_BYTES;
	at = sp_reply_begin(r->conn, id, n);
	if (at) {
		uint8_t *end = pack_answer(r, &error, &lease, at);

		if (r->idempotency)
			idempotency_answered(r, at, (size_t)(end - at));
		sp_reply_end(r->conn, (size_t)(end - at));
	} else if (r->idempotency) {
		idempotency_answered(r, NULL, 0);
	}
	buf_deinit(&error);
	buf_deinit(&lease);
}

void request_send_chunk(struct request *r, const struct sp_request *id)
{
	send_answer(r, id);
	output_next_chunk(&r->output);
}

void request_answer_with_chunk(struct request *fetch, struct request *producer)
{
	fetch->state = REQUEST_ENDED;
	request_send_chunk(producer, &fetch->id);
	sent(fetch);
}

void request_drop_chunk(struct request *r)
{
	r->dropping = true;
	output_reset(&r->output, SIZE_MAX);
}

size_t request_chunk_bytes(const struct request *r)
{
	size_t most = r->rpc->config->max_chunk_bytes;

	/* An answer that is kept for repetitions is one. */
	if (r->idempotency)
		return SIZE_MAX;
	return r->chunk_bytes && r->chunk_bytes < most ? r->chunk_bytes : most;
}

void request_answer(struct request *r)
{
	if (r->failure.code && r->pool && r->failure.code != SIDEPOOL_E_CANCELLED)
		r->pool->errors_total++;
	if (!r->answered)
		send_answer(r, &r->id);
	sent(r);
}

void request_reply_first(struct request *r, Sidepool__V1__Response *response)
{
	uint8_t *at = sp_reply_begin(r->conn, &r->id, sidepool__v1__response__get_packed_size(response));

	if (at)
		sp_reply_end(r->conn, sidepool__v1__response__pack(response, at));
	r->answered = true;
}

void request_reply(struct request *r, Sidepool__V1__Response *response)
{
	Sidepool__V1__Response nothing = SIDEPOOL__V1__RESPONSE__INIT;

	r->state = REQUEST_ENDED;
	request_reply_first(r, response ? response : &nothing);
	request_unhold(r);
}

void request_fail_with(struct request *r, const struct failure *f)
{
	request_set_failure(r, f);
	request_answer(r);
}

void request_fail(struct request *r, enum sidepool_error_code code, const char *format, ...)
{
	char message[sizeof(r->failure.message)];
	va_list args;

	if (!format) {
		failure_set(&r->failure, code, NULL);
	} else {
		va_start(args, format);
		(void)vsnprintf(message, sizeof(message), format, args);
		va_end(args);
		failure_set(&r->failure, code, "%s", message);
	}
	request_answer(r);
}

void request_set_failure(struct request *r, const struct failure *f)
{
	if (r->failure.code)
		return;
	r->failure.code = f->code;
	r->failure.outcome = f->outcome;
	memcpy(r->failure.message, f->message, sizeof(f->message));
	memcpy(r->failure.sqlstate, f->sqlstate, sizeof(f->sqlstate));
	r->failure.retry_after_us = f->retry_after_us;
	r->failure.retryable = f->retryable;
	r->failure.fatal = f->fatal;
	r->failure.statement_index = f->statement_index;
	r->failure.parameter_set_index = f->parameter_set_index;
	if (buf_len(&f->sql) > 0)
		(void)buf_append(&r->failure.sql, buf_at(&f->sql), buf_len(&f->sql));
	if (buf_len(&f->pool) > 0)
		(void)buf_append(&r->failure.pool, buf_at(&f->pool), buf_len(&f->pool));
}

/* ---- waiting ---- */

struct pg_task *request_task(struct request *r)
{
	return r->lease ? lease_task(r->lease) : &r->task;
}

/* The earlier of what the request has left and what its application may take for a statement. */
static void arm_deadline(struct request *r)
{
	usec statement = usec_add(r->granted, r->client ? r->client->config->timeouts.statement_us : USEC_NEVER);
	struct pg_task *task = request_task(r);

	r->statement_timeout = statement < r->deadline;
	r->running_deadline = MIN(statement, r->deadline);
	core_set_deadline(r->rpc->core, task->ticket, r->running_deadline, r->granted);
}

void request_run(struct request *r)
{
	r->state = REQUEST_RUNNING;
	if (!r->granted || r->lease)
		r->granted = rpc_now();
	arm_deadline(r);
	r->kind->run(r);
}

static void on_granted(struct pg_task *task)
{
	struct request *r = container_of(task, struct request, task);

	request_run(r);
}

void request_set_refusal(struct request *r, enum refusal why, usec retry_after_us, const char *reason)
{
	static const enum sidepool_error_code codes[] = {
		[REFUSE_QUEUE_FULL] = SIDEPOOL_E_QUEUE_FULL,
		[REFUSE_TIMEOUT] = SIDEPOOL_E_ACQUIRE_TIMEOUT,
		[REFUSE_DEADLINE] = SIDEPOOL_E_ACQUIRE_TIMEOUT,
		[REFUSE_UNREACHABLE] = SIDEPOOL_E_DEADLINE_UNREACHABLE,
		[REFUSE_BREAKER] = SIDEPOOL_E_BREAKER_OPEN,
		[REFUSE_DRAINING] = SIDEPOOL_E_SHUTTING_DOWN,
	};
	struct failure f = { .retry_after_us = retry_after_us };
	enum sidepool_error_code code = codes[why];

	if (code == SIDEPOOL_E_ACQUIRE_TIMEOUT)
		r->pool->timeouts_total++;
	if (code == SIDEPOOL_E_ACQUIRE_TIMEOUT && reason && pg_pool_core(r->pool->pg)->n[SLOT_IDLE] + pg_pool_core(r->pool->pg)->n[SLOT_BUSY] == 0)
		code = SIDEPOOL_E_CONNECT_FAILED;
	failure_set(&f, code, NULL);
	status_describe_refusal(r, &f, why, reason);
	f.outcome = FAILURE_NOT_SENT;
	request_set_failure(r, &f);
	failure_deinit(&f);
}

static void on_refused(struct pg_task *task, enum refusal why, usec retry_after_us, const char *reason)
{
	struct request *r = container_of(task, struct request, task);

	r->state = REQUEST_ENDED;
	request_set_refusal(r, why, retry_after_us, reason);
	request_answer(r);
}

void request_expire(struct request *r)
{
	r->timed_out = true;
	if (r->stream)
		stream_expire(r->stream);
	pg_task_cancel(r->rpc->engine, request_task(r));
}

static void on_expired(struct pg_task *task)
{
	request_expire(container_of(task, struct request, task));
}

/* A granted request begins its call at once, so it is never without one. */
static void on_lost(struct pg_task *task)
{
	struct request *r = container_of(task, struct request, task);

	pg_task_finish(r->rpc->engine, task);
}

static void on_done(struct pg_task *task)
{
	request_unhold(container_of(task, struct request, task));
}

static const struct pg_task_ops task_ops = {
	.granted = on_granted,
	.refused = on_refused,
	.expired = on_expired,
	.lost = on_lost,
	.done = on_done,
};

static bool may_share(const struct request *r)
{
	return !r->exclusive && r->n_texts == 1 && r->texts[0]->class.simple_read;
}

static void submit_alone(struct request *r)
{
	struct ticket *t = &r->ticket;

	*t = (struct ticket){
		.pool = pg_pool_core(r->pool->pg),
		.app = r->client->application,
		.deadline = r->deadline,
		.acquire_deadline = usec_add(r->received,
					     config_acquire_timeout(r->pool->config, r->client->config)),
		.expected_us = r->n_texts == 1 ? pg_text_expected_us(r->texts[0]) : 0,
		.pipelined = may_share(r),
	};
	r->task.ticket = t;
	r->task.ops = &task_ops;
	r->task.exclusive = !t->pipelined;
	r->task.application = r->client->name;
	pg_task_submit(r->rpc->engine, &r->task);
}

void request_submit(struct request *r, const struct request_kind *kind)
{
	r->kind = kind;
	if (r->rpc->draining && !(r->lease && lease_is_held(r->lease))) {
		request_fail(r, SIDEPOOL_E_SHUTTING_DOWN, NULL);
		return;
	}
	if (!idempotency_admit(r) || (r->taking_lease && !lease_attach_new(r)))
		return;
	r->state = REQUEST_WAITING;
	if (r->lease)
		lease_enqueue(r->lease, r);
	else
		submit_alone(r);
}

/* ---- ending ---- */

/* Whatever it waits for, it waits no more. */
static void leave_queue(struct request *r)
{
	stream_forget(r);
	idempotency_forget(r);
	if (r->lease)
		lease_dequeue(r->lease, r);
	else if (r->task.ticket)
		(void)pg_task_withdraw(r->rpc->engine, &r->task);
}

void request_cancel(struct request *r)
{
	r->cancelled = true;
	if (r->state == REQUEST_RUNNING) {
		if (r->stream)
			stream_expire(r->stream);
		pg_task_cancel(r->rpc->engine, request_task(r));
		return;
	}
	if (r->state != REQUEST_WAITING)
		return;
	leave_queue(r);
	r->state = REQUEST_ENDED;
	failure_set(&r->failure, SIDEPOOL_E_CANCELLED, NULL);
	r->failure.outcome = FAILURE_NOT_SENT;
	request_answer(r);
}

void request_abandon(struct request *r)
{
	r->abandoned = true;
	if (r->state == REQUEST_WAITING || r->state == REQUEST_NEW) {
		request_cancel(r);
		return;
	}
	detach_client(r);
	/* Its answer has nowhere to go, but who holds its idempotency key may ask again: it runs to its end. */
	if (r->idempotency && r->state == REQUEST_RUNNING)
		return;
	r->answered = true;
	if (r->state == REQUEST_RUNNING)
		request_cancel(r);
	if (r->stream)
		stream_free(r->stream);
	else
		request_unhold(r);
}

/* What the end of the connection, or a cancel, means for the request. */
static void judge(struct request *r, enum pg_end end)
{
	struct failure *f = &r->failure;
	bool self_commits = r->n_texts != 1 || r->texts[0]->class.self_commits;

	if (end == PG_END_NOT_SENT) {
		f->code = 0;
		failure_set(f, SIDEPOOL_E_CONNECTION_LOST,
			    "the connection to PostgreSQL was lost before the request was sent");
		f->outcome = FAILURE_NOT_SENT;
		f->retryable = true;
	} else if (end == PG_END_LOST && (!f->code || !f->fatal || r->completed || self_commits)) {
		/* A FATAL error before the statement was done ended its transaction with it; anything else is open. */
		failure_set(f, SIDEPOOL_E_CONNECTION_LOST, NULL);
		f->outcome = FAILURE_UNKNOWN;
	}
	if (strcmp(f->sqlstate, "57014") != 0 && !(end == PG_END_LOST && r->timed_out))
		return;
	if (r->stream && stream_timed_out(r->stream))
		failure_set(f, SIDEPOOL_E_FETCH_TIMEOUT, NULL);
	else if (r->timed_out)
		failure_set(f, r->statement_timeout ? SIDEPOOL_E_STATEMENT_TIMEOUT : SIDEPOOL_E_DEADLINE_EXCEEDED,
			    NULL);
	else if (r->cancelled)
		failure_set(f, SIDEPOOL_E_CANCELLED, NULL);
}

/* Once, and only where PostgreSQL has said that it did nothing: see the two reasons. */
static bool run_again(struct request *r, enum pg_end end)
{
	struct failure *f = &r->failure;
	bool untouched = output_bytes(&r->output) == 0 && !r->answered && !r->stream;

	if (end != PG_END_SYNCED || r->lease || r->n_texts != 1 || r->completed || !untouched)
		return false;
	/* A cancel meant for the statement ahead of it, which ended at the same moment. */
	if (!strcmp(f->sqlstate, "57014") && !r->timed_out && !r->cancelled && r->ticket.pipelined && !r->rerun)
		r->rerun = true;
	/* "cached plan must not change result type": a table was altered; it is planned anew. */
	else if (!strcmp(f->sqlstate, "0A000") && !r->plan_retried && strstr(f->message, "cached plan")) {
		r->plan_retried = true;
		pg_conn_unprepare(r->task.conn, r->texts[0]);
	} else {
		return false;
	}
	f->code = 0;
	f->sqlstate[0] = '\0';
	buf_reset(&f->sql, KEEP_BYTES);
	r->kind->run(r);
	return true;
}

static void learn(struct request *r)
{
	struct rpc_pool *pool = r->pool;

	if (r->n_texts == 1 && !r->failure.code && !r->stream)
		pg_text_ran(r->texts[0], pg_task_run_us(&r->task), r->output.bytes_total);
	pool->queries_total++;
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct request *r = container_of(call, struct request, call);

	if (run_again(r, end))
		return;
	judge(r, end);
	if (!r->lease)
		learn(r);
	request_end(r);
}

void request_end(struct request *r)
{
	struct rpc *rpc = r->rpc;
	struct rpc_lease *lease = r->lease;
	bool alone = !lease && r->task.backend;

	r->state = REQUEST_ENDED;
	if (lease)
		lease_request_ended(lease, r);
	/* The answer first: its client has waited for longer than the connection has. A granted ticket keeps the request. */
	if (r->stream)
		stream_ended(r->stream);
	else
		request_answer(r);
	if (alone)
		pg_task_finish(rpc->engine, &r->task);
	if (lease)
		lease_go_on(lease);
}

/* ---- what comes back from PostgreSQL ---- */

/* The statements of a simple query are those that PostgreSQL finds in its text, our BEGIN first. */
static struct output_statement statement_of(const struct request *r, uint32_t tag, uint32_t set)
{
	if (r->is_simple || tag >= r->n_texts)
		return (struct output_statement){ .index = tag - (r->begins && r->is_simple) };
	return (struct output_statement){
		.index = tag,
		.set = r->messages[tag]->result_per_set ? set : 0,
		.statement_id = r->texts[tag]->id,
		.known_columns_id = r->messages[tag]->known_columns_id,
	};
}

/* BEGIN, COMMIT and ROLLBACK of ours, which nobody asked to hear of; a Release has nothing else to tell. */
static bool is_own(const struct request *r, uint32_t tag, const struct pg_result *result)
{
	const char *text = pg_result_tag(result);

	if (r->message->kind_case == SIDEPOOL__V1__REQUEST__KIND_RELEASE)
		return false;
	if (!r->is_simple)
		return tag >= TAG_OWN;
	return (r->begins && tag == 0) ||
	       (r->finishes_lease && (!strcmp(text, "COMMIT") || !strcmp(text, "ROLLBACK")));
}

static void on_rows(struct pg_call *call, uint32_t tag, uint32_t set, const struct pg_result *rows)
{
	struct request *r = container_of(call, struct request, call);
	struct output_statement s;

	if (tag >= TAG_OWN || r->dropping)
		return;
	s = statement_of(r, tag, set);
	output_rows(&r->output, &s, rows);
	if (output_bytes(&r->output) >= request_chunk_bytes(r))
		stream_chunk_full(r);
}

static void on_complete(struct pg_call *call, uint32_t tag, uint32_t set, const struct pg_result *result)
{
	struct request *r = container_of(call, struct request, call);
	struct output_statement s;

	r->completed = tag != TAG_BEGIN;
	if (is_own(r, tag, result) || r->dropping)
		return;
	s = statement_of(r, tag, set);
	output_complete(&r->output, &s, result);
}

static void on_error(struct pg_call *call, uint32_t tag, uint32_t set, const struct pg_result *error)
{
	struct request *r = container_of(call, struct request, call);
	struct failure f = { .code = 0 };
	struct output_statement s;

	failure_set_sql(&f, error);
	f.statement_index = tag < TAG_OWN ? tag : 0;
	f.parameter_set_index = tag < TAG_OWN ? set : 0;
	if (r->each_for_itself && !f.fatal && tag < TAG_OWN) {
		s = statement_of(r, tag, set);
		output_failed(&r->output, &s, &f);
	} else {
		request_set_failure(r, &f);
	}
	failure_deinit(&f);
}

static void on_notice(struct pg_call *call, const struct pg_result *notice)
{
	struct request *r = container_of(call, struct request, call);

	output_notice(&r->output, notice);
}

static void on_copy(struct pg_call *call, const struct pg_result *ready, const char *data, size_t n)
{
	copy_on_data(container_of(call, struct request, call), ready, data, n);
}

static void on_flushed(struct pg_call *call)
{
	copy_on_flushed(container_of(call, struct request, call));
}

const struct pg_call_ops request_call_ops = {
	.on_rows = on_rows,
	.on_complete = on_complete,
	.on_error = on_error,
	.on_notice = on_notice,
	.on_copy = on_copy,
	.on_flushed = on_flushed,
	.on_end = on_end,
};
