/* SPDX-License-Identifier: MIT */
/* The answer to a request: packed once, straight into the output of its client's connection. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rpc/count.h"
#include "rpc/idempotency.h"
#include "rpc/lease.h"
#include "rpc/pb.h"
#include "rpc/request.h"
#include "rpc/rpc-internal.h"
#include "rpc/stream.h"
#include "util/error.h"

enum {
	RESPONSE_ERROR = 2,
	RESPONSE_STREAM_ID = 3,
	RESPONSE_WAIT_US = 8,
	RESPONSE_RUN_US = 9,
	RESPONSE_FIXED_BYTES = 96, /* more than all numbers and heads of the envelope take */
};

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
static uint8_t *pack_answer(struct request *r, const struct buf *error, const struct buf *lease,
			    uint8_t *at)
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

/* Who holds the key may ask again, also when its connection is gone: packed aside, and copied. */
static void send_kept(struct request *r, const struct sp_request *id, const struct buf *error,
		      const struct buf *lease, size_t n)
{
	uint8_t *at = arena_alloc(&r->arena, n);
	size_t len = at ? (size_t)(pack_answer(r, error, lease, at) - at) : 0;

	if (at)
		sp_reply(r->conn, id, at, len);
	else
		sp_reply_lost(r->conn);
	idempotency_answered(r, at, len);
}

/* Half of them is worse than nothing: without its error an answer is a success. */
static int pack_parts(struct request *r, struct buf *error, struct buf *lease)
{
	int err = r->failure.code ? failure_pack(&r->failure, error) : 0;

	if (err == 0 && r->lease)
		err = lease_pack_envelope(r->lease, r, lease);
	else if (err == 0 && buf_len(&r->envelope) > 0)
		err = buf_append(lease, buf_at(&r->envelope), buf_len(&r->envelope));
	return err_forward(err);
}

static void send_answer(struct request *r, const struct sp_request *id)
{
	struct buf error = BUF_NULL, lease = BUF_NULL;
	size_t n;
	uint8_t *at;

	if (r->output.out_of_memory && !r->failure.code) {
		failure_set(&r->failure, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		/* it ran; its result is what there is no memory for */
		r->failure.outcome = FAILURE_UNKNOWN;
	}
	if (pack_parts(r, &error, &lease) < 0) {
		sp_reply_lost(r->conn);
		if (r->idempotency)
			idempotency_answered(r, NULL, 0);
		buf_deinit(&error);
		buf_deinit(&lease);
		return;
	}
	n = output_packed_bytes(&r->output, goes_on(r)) + buf_len(&error) + buf_len(&lease) +
	    RESPONSE_FIXED_BYTES;
	if (r->idempotency)
		send_kept(r, id, &error, &lease, n);
	else if ((at = sp_reply_begin(r->conn, id, n)))
		sp_reply_end(r->conn, (size_t)(pack_answer(r, &error, &lease, at) - at));
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

	/* An answer that is kept for repetitions is one: what is more than a chunk is refused. */
	if (r->idempotency)
		return most;
	return r->chunk_bytes && r->chunk_bytes < most ? r->chunk_bytes : most;
}

void request_answer(struct request *r)
{
	if (!r->granted) /* else it was counted when its call ended */
		count_failure(r, &r->failure);
	if (r->failure.code && r->pool && r->failure.code != SIDEPOOL_E_CANCELLED)
		r->pool->errors_total++;
	if (!r->answered)
		send_answer(r, &r->id);
	sent(r);
}

/* Messages of protobuf that stand one behind the other are one message. */
void request_reply_first(struct request *r, Sidepool__V1__Response *response)
{
	struct buf lease = BUF_NULL;
	uint8_t *at;
	size_t n;

	if (r->lease)
		(void)lease_pack_envelope(r->lease, r, &lease);
	n = sidepool__v1__response__get_packed_size(response);
	at = sp_reply_begin(r->conn, &r->id, n + buf_len(&lease));
	if (at) {
		n = sidepool__v1__response__pack(response, at);
		if (buf_len(&lease) > 0)
			memcpy(at + n, buf_at(&lease), buf_len(&lease));
		sp_reply_end(r->conn, n + buf_len(&lease));
	}
	buf_deinit(&lease);
	r->answered = true;
}

void request_reply(struct request *r, Sidepool__V1__Response *response)
{
	Sidepool__V1__Response nothing = SIDEPOOL__V1__RESPONSE__INIT;

	r->state = REQUEST_ENDED;
	request_reply_first(r, response ? response : &nothing);
	request_unhold(r);
}

void request_reply_packed(struct request *r, uint32_t field, const void *packed, size_t n)
{
	uint8_t *at = sp_reply_begin(r->conn, &r->id, pb_head_bytes(field, n) + n);

	r->state = REQUEST_ENDED;
	if (at)
		sp_reply_end(r->conn, (size_t)(pb_bytes(at, field, packed, n) - at));
	sent(r);
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
