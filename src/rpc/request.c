/* SPDX-License-Identifier: MIT */
/*
 * The life of a request, the same for all kinds:
 *
 *	NEW --submit--> WAITING --granted, or its turn on the lease--> RUNNING --call ended--> ENDED
 *
 * It is answered once. It is freed when it was answered (or its client is gone) and neither the
 * core nor a connection nor a stream holds it; request_unhold() looks.
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
#include "rpc/listen.h"
#include "rpc/pb.h"
#include "rpc/rpc-internal.h"
#include "rpc/statement-log.h"
#include "rpc/status.h"
#include "rpc/stream.h"
#include "rpc/submit.h"
#include "util/error.h"

enum {
	SPARE_REQUESTS_MAX = 256,
	KEEP_BYTES = 4096, /* of each buffer of a spare request */
	DRAIN_RETRY_SEC = 1,
};

/* ---- memory ---- */

/*
 * protobuf-c writes nothing behind a value, but libpq wants a zero byte there: one byte more for
 * each.
 */
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
	buf_deinit(&r->envelope);
	arena_deinit(&r->arena);
	free(r);
}

/* Everything but the memory that the next request can use. */
static void recycle(struct request *r)
{
	struct rpc *rpc = r->rpc;
	struct request fresh = { .arena = r->arena,
				 .output = r->output,
				 .failure = { .sql = r->failure.sql, .pool = r->failure.pool } };

	buf_deinit(&r->envelope);
	if (rpc->n_spare >= SPARE_REQUESTS_MAX) {
		free_request(r);
		return;
	}
	*r = fresh;
	arena_reset(&r->arena);
	output_reset(&r->output, KEEP_BYTES);
	r->output.copy = false;
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
	r->client->user->bytes -= r->charged_bytes;
	r->client = NULL;
}

void request_unhold(struct request *r)
{
	if (!r->answered || r->stream || r->settlement || r->call.conn || r->in_lease_queue ||
	    r->state == REQUEST_RUNNING)
		return;
	if (r->ticket.state == TICKET_WAITING || r->ticket.state == TICKET_GRANTED ||
	    r->ticket.state == TICKET_REFUSED)
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

/*
 * Decoded, a message takes about its own length; what is not read yet is bounded by the socket's
 * own limits.
 */
static bool charge(struct request *r, size_t len)
{
	struct rpc_user *u = r->client->user;
	uint64_t most = r->rpc->config->max_memory_per_uid_bytes;

	if (u->bytes + len > most) {
		request_fail(r, SIDEPOOL_E_TOO_MANY_REQUESTS,
			     "requests of uid %u hold %llu bytes, and max_memory_per_uid is %llu",
			     u->uid, (unsigned long long)u->bytes, (unsigned long long)most);
		return false;
	}
	r->charged_bytes = len;
	u->bytes += len;
	return true;
}

struct request *request_new(struct rpc *rpc, struct client *client, const struct sp_request *id,
			    const uint8_t *body, size_t len)
{
	struct request *r = take_spare(rpc);
	ProtobufCAllocator allocator = { .alloc = arena_protobuf_alloc,
					 .free = arena_protobuf_free };

	if (!r) {
		sp_conn_close(client->conn);
		return NULL;
	}
	r->rpc = rpc;
	r->client = client;
	r->conn = sp_conn_ref(client->conn);
	r->id = *id;
	r->serial = rpc->requests_total;
	r->received = rpc_now();
	r->deadline = USEC_NEVER;
	TAILQ_INSERT_TAIL(&client->requests, r, link);
	client->in_flight++;
	rpc->n_requests++;
	if (!charge(r, len))
		return NULL;
	allocator.allocator_data = &r->arena;
	r->message = sidepool__v1__request__unpack(&allocator, len, body);
	if (!r->message) {
		request_fail(r, SIDEPOOL_E_INVALID_MESSAGE, NULL);
		return NULL;
	}
	return r;
}

/* ---- waiting ---- */

struct pg_task *request_task(struct request *r)
{
	return r->lease ? lease_task(r->lease) : &r->task;
}

void request_watch_deadline(struct request *r, usec deadline)
{
	if (r->lease)
		lease_watch_deadline(r->lease, deadline);
	else
		core_set_deadline(r->rpc->core, &r->ticket, deadline, rpc_now());
}

/* The earlier of what the request has left and what its application may take for a statement. */
static void arm_deadline(struct request *r)
{
	usec statement = usec_add(r->granted, r->client ? r->client->config->timeouts.statement_us
							: USEC_NEVER);

	r->statement_timeout = statement < r->deadline;
	r->running_deadline = MIN(statement, r->deadline);
	request_watch_deadline(r, r->running_deadline);
}

void request_run(struct request *r)
{
	r->state = REQUEST_RUNNING;
	if (!r->granted || r->lease)
		r->granted = rpc_now();
	arm_deadline(r);
	statement_log_keep(r);
	r->kind->run(r);
}

static void on_granted(struct pg_task *task)
{
	struct request *r = container_of(task, struct request, task);

	/* Cancelled since the core decided, or while a cancel held it up: it was told so, not sent. */
	if (r->state == REQUEST_ENDED)
		pg_task_finish(r->rpc->engine, task);
	else
		request_run(r);
}

void request_set_refusal(struct request *r, enum refusal why, usec retry_after_us,
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
	struct failure f = { .retry_after_us = retry_after_us };
	enum sidepool_error_code code = codes[why];

	if (code == SIDEPOOL_E_ACQUIRE_TIMEOUT)
		r->pool->timeouts_total++;
	if (code == SIDEPOOL_E_ACQUIRE_TIMEOUT && reason &&
	    pg_pool_core(r->pool->pg)->n[SLOT_IDLE] + pg_pool_core(r->pool->pg)->n[SLOT_BUSY] == 0)
		code = SIDEPOOL_E_CONNECT_FAILED;
	failure_set(&f, code, NULL);
	if (why == REFUSE_DRAINING)
		f.retry_after_us = DRAIN_RETRY_SEC * USEC_PER_SEC;
	status_describe_refusal(r, &f, why, reason);
	f.outcome = FAILURE_NOT_SENT;
	request_set_failure(r, &f);
	failure_deinit(&f);
}

static void on_refused(struct pg_task *task, enum refusal why, usec retry_after_us,
		       const char *reason)
{
	struct request *r = container_of(task, struct request, task);

	r->state = REQUEST_ENDED;
	request_set_refusal(r, why, retry_after_us, reason);
	request_answer(r);
}

static void stop(struct request *r)
{
	if (r->stream)
		stream_expire(r->stream);
	copy_stop(r);
	pg_task_cancel(r->rpc->engine, request_task(r));
}

void request_expire(struct request *r)
{
	r->timed_out = true;
	stop(r);
}

static void on_expired(struct pg_task *task)
{
	request_expire(container_of(task, struct request, task));
}

/*
 * A granted request begins its call at once, so it is never without one. This was held up until a
 * cancel for another had been delivered, and waits for another connection.
 */
static void on_lost(struct pg_task *task)
{
	struct request *r = container_of(task, struct request, task);

	if (r->state == REQUEST_WAITING)
		pg_task_again(r->rpc->engine, task);
	else
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
	return !r->exclusive && r->n_texts == 1 && r->texts[0]->class.simple_read &&
	       pg_text_is_short(r->texts[0], r->pool->config->pipeline_budget_us) &&
	       !pg_pool_hides(r->pool->pg);
}

static void submit_alone(struct request *r)
{
	struct ticket *t = &r->ticket;

	*t = (struct ticket){
		.pool = pg_pool_core(r->pool->pg),
		.app = r->client->application,
		.deadline = r->deadline,
		.acquire_deadline = usec_add(
			r->received, config_acquire_timeout(r->pool->config, r->client->config)),
		.expected_us = r->n_texts == 1 ? pg_text_expected_us(r->texts[0]) : 0,
		.pipelined = may_share(r),
	};
	r->task.ticket = t;
	r->task.ops = &task_ops;
	r->task.exclusive = !t->pipelined;
	r->task.application = r->client->name;
	pg_task_submit(r->rpc->engine, &r->task);
}

/* By then systemd, or whoever keeps the daemon, has the next one running. */
void request_fail_draining(struct request *r)
{
	r->failure.retry_after_us = DRAIN_RETRY_SEC * USEC_PER_SEC;
	request_fail(r, SIDEPOOL_E_SHUTTING_DOWN, NULL);
}

void request_submit(struct request *r, const struct request_kind *kind)
{
	r->kind = kind;
	if (r->rpc->draining && !(r->lease && lease_is_held(r->lease))) {
		request_fail_draining(r);
		return;
	}
	if (idempotency_admit(r))
		request_submit_admitted(r);
}

void request_submit_admitted(struct request *r)
{
	if (r->kind->admitted) {
		r->kind->admitted(r);
		return;
	}
	if (r->taking_lease && !lease_attach_new(r))
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
	listen_forget(r);
	idempotency_forget(r);
	(void)submit_forget(r);
	if (r->rpc->reload == r)
		r->rpc->reload = NULL;
	if (r->lease)
		lease_dequeue(r->lease, r);
	else if (r->task.ticket)
		(void)pg_task_withdraw(r->rpc->engine, &r->task);
}

void request_cancel(struct request *r)
{
	/*
	 * The first request with its idempotency key may have done by now what it asks for; a reload
	 * goes on.
	 */
	bool goes_on = r->repeats || r->rpc->reload == r || r->submitted;

	r->cancelled = true;
	if (r->state == REQUEST_RUNNING) {
		stop(r);
		return;
	}
	if (r->state != REQUEST_WAITING)
		return;
	leave_queue(r);
	r->state = REQUEST_ENDED;
	failure_set(&r->failure, SIDEPOOL_E_CANCELLED, NULL);
	r->failure.outcome = goes_on ? FAILURE_UNKNOWN : FAILURE_NOT_SENT;
	request_answer(r);
}

void request_break_off(struct request *r)
{
	r->broken_off = true;
	request_drop_chunk(r);
	stop(r);
}

void request_abandon(struct request *r)
{
	r->abandoned = true;
	if (r->state == REQUEST_WAITING || r->state == REQUEST_NEW) {
		request_cancel(r);
		return;
	}
	detach_client(r);
	/*
	 * Its answer has nowhere to go, but who holds its idempotency key may ask again: it runs to
	 * its end.
	 */
	if (r->idempotency && (r->state == REQUEST_RUNNING || r->settlement))
		return;
	r->answered = true;
	/* The cancel takes its time, and until then rows may come that there is no client for. */
	request_drop_chunk(r);
	if (r->state == REQUEST_RUNNING)
		request_cancel(r);
	if (r->stream)
		stream_free(r->stream);
	else
		request_unhold(r);
}

/* The answer may come later than the lease lives. */
static void leave_lease(struct request *r)
{
	if (r->lease)
		(void)lease_pack_envelope(r->lease, r, &r->envelope);
	r->lease = NULL;
}

void request_end(struct request *r)
{
	struct rpc *rpc = r->rpc;
	struct rpc_lease *lease = r->lease;
	bool alone = !lease && r->task.backend, settles = settle_can(r);

	r->state = REQUEST_ENDED;
	if (lease)
		lease_request_ended(lease, r);
	/*
	 * The answer first: its client has waited for longer than the connection has. A granted
	 * ticket keeps the request.
	 */
	if (r->stream || settles)
		leave_lease(r);
	if (r->stream)
		stream_ended(r->stream);
	else if (!settles)
		request_answer(r);
	if (alone)
		pg_task_finish(rpc->engine, &r->task);
	if (lease)
		lease_go_on(lease);
	if (settles)
		settle_begin(r);
}
