/* SPDX-License-Identifier: MIT */
/*
 * What a caller got wrong is told where all failures are told, in the reply, so that there is one
 * place to look; only what makes even that impossible is told by an id of 0.
 */
#include "ask.h"

#include "answer.h"
#include "encode.h"
#include "proto-fields.h"
#include "util/macro.h"

enum {
	KEY_BYTES_MAX = 255,
	CALL_BYTES_MAX = 4096,
};

void ask_fail(struct ask *a, int code, const char *why)
{
	if (a->code != 0)
		return;
	a->code = code;
	a->why = why;
}

static void invalid(struct ask *a, const char *why)
{
	ask_fail(a, SIDEPOOL_E_INVALID_ARGUMENT, why);
}

static void copy_call(struct ask *a, const struct sidepool_call *call)
{
	const char *here = a->call.call_site;

	if (!call)
		return;
	if (call->size < sizeof(call->size) || call->size > CALL_BYTES_MAX)
		invalid(a, "sidepool_call::size is not set");
	else
		memcpy(&a->call, call, MIN(call->size, sizeof(a->call)));
	if (!a->call.call_site)
		a->call.call_site = here;
}

static void ask_for_trace(struct ask *a)
{
	const struct settings *s = &a->sp->settings;

	if (s->traceparent && !a->call.traceparent)
		a->call.traceparent = s->traceparent(s->traceparent_userdata);
}

/* A lease lives on the connection that brought it. */
static void check_lease(struct ask *a)
{
	const uint64_t *lease = a->call.lease->private_;

	if (lease[0] == 0)
		ask_fail(a, SIDEPOOL_E_UNKNOWN_LEASE, "the lease is empty");
	else if (lease[5] != (uintptr_t)a->sp)
		ask_fail(a, SIDEPOOL_E_UNKNOWN_LEASE, "the lease was taken with another handle");
	else if (!connection_find(a->sp, lease[4]))
		ask_fail(a, SIDEPOOL_E_LEASE_LOST,
			 "the lease went with the connection that it was taken on");
	a->q->connection = lease[4];
}

static void check_call(struct ask *a)
{
	const struct sidepool_call *call = &a->call;

	if (call->lease && call->acquire)
		invalid(a, "sidepool_call has both a lease and acquire");
	if (call->acquire && call->acquire->size < sizeof(*call->acquire))
		invalid(a, "sidepool_lease_options::size is not set");
	if (call->idempotency_key_bytes > KEY_BYTES_MAX)
		invalid(a, "sidepool_call::idempotency_key is longer than 255 bytes");
	if (call->lease)
		check_lease(a);
}

static void set_deadline(struct ask *a)
{
	const struct settings *s = &a->sp->settings;
	uint64_t ms = a->call.deadline_ms ? a->call.deadline_ms : s->deadline_ms;

	if (ms == 0)
		return;
	a->q->deadline_us = a->sp->now_us() + ms * USEC_PER_MS;
	a->q->expires_us = a->q->deadline_us + s->grace_ms * USEC_PER_MS;
}

struct sidepool *sidepool_here(struct sidepool *sp, const char *where)
{
	if (sp)
		sp->here = where;
	return sp;
}

bool ask_begin(struct ask *a, struct sidepool *sp, uint32_t kind, const struct sidepool_call *call)
{
	a->sp = sp;
	a->code = 0;
	a->why = NULL;
	a->call = (struct sidepool_call){ .size = sizeof(a->call) };
	if (!sp)
		return false;
	a->call.call_site = steal(&sp->here);
	sp->refused = handle_usable(sp);
	if (sp->refused != 0)
		return false;
	if (sidepool_in_flight(sp) >= sp->settings.max_in_flight) {
		sp->refused = SIDEPOOL_E_TOO_MANY_REQUESTS;
		return false;
	}
	a->q = request_new(&sp->requests);
	if (!a->q) {
		sp->refused = SIDEPOOL_E_OUT_OF_MEMORY;
		return false;
	}
	copy_call(a, call);
	ask_for_trace(a);
	check_call(a);
	a->q->kind = kind;
	a->q->done = a->call.done;
	a->q->userdata = a->call.userdata;
	set_deadline(a);
	if (a->code == 0)
		encode_envelope(&a->q->frame, &sp->settings, &a->call);
	return true;
}

void ask_no_lease(struct ask *a)
{
	if (a->call.lease || a->call.acquire || a->call.finish != SIDEPOOL_FINISH_NONE)
		invalid(a, "this request takes no lease, acquire or finish");
}

/* What is bound to a connection was found to have it, a moment ago. */
static void queue(struct sidepool *sp, struct request *q)
{
	struct connection *c = q->connection ? connection_find(sp, q->connection) : sp->connection;

	request_queue(&sp->requests, q, connection_queue(sp, c));
	if (c == sp->connection)
		connection_start(sp);
	watch_update(sp);
}

uint32_t ask_end(struct ask *a)
{
	if (a->q->frame.failed)
		ask_fail(a, SIDEPOOL_E_OUT_OF_MEMORY, "no memory to write the request");
	if (a->code != 0) {
		answer_error(a->sp, a->q, a->code, SIDEPOOL_OUTCOME_NOT_SENT, "%s", a->why);
		return a->q->id;
	}
	queue(a->sp, a->q);
	return a->q->id;
}

uint32_t ask_message(struct ask *a, const ProtobufCMessage *message)
{
	pb_message(&a->q->frame, a->q->kind, message);
	return ask_end(a);
}

uint64_t ask_stream(struct ask *a, const struct sidepool_stream *stream)
{
	if (!stream || stream->private_[0] == 0)
		ask_fail(a, SIDEPOOL_E_UNKNOWN_STREAM, "the stream is empty");
	else if (stream->private_[2] != (uintptr_t)a->sp)
		ask_fail(a, SIDEPOOL_E_UNKNOWN_STREAM, "the stream is of another handle");
	else if (!connection_find(a->sp, stream->private_[1]))
		ask_fail(a, SIDEPOOL_E_UNKNOWN_STREAM,
			 "the stream went with the connection that it was opened on");
	if (!stream)
		return 0;
	a->q->connection = stream->private_[1];
	a->q->stream = stream->private_[0];
	return a->q->stream;
}
