/* SPDX-License-Identifier: MIT */
#include "rpc/stream.h"

#include <stdlib.h>

#include "rpc/rpc-internal.h"
#include "util/error.h"

struct stream {
	uint64_t id;
	struct request *request;     /* borrowed: owns us */
	struct client *client;       /* borrowed; we are in client::streams */
	struct request_list waiting; /* fetches, by request::on_stream */
	uint64_t cost_bytes;         /* charged to the client's uid */
	bool full;                   /* a chunk is ready and nobody asked: PostgreSQL is paused */
	bool awaits;                 /* it is the client's turn */
	bool ended;
	bool dropping; /* rows are read and dropped */
	bool timed_out;
	UT_hash_handle hh;
};

bool stream_new(struct request *r)
{
	struct client *c = r->client;
	/* one that is made, and one that goes out */
	uint64_t cost = 2 * (uint64_t)request_chunk_bytes(r);
	struct stream *s;

	if (c->user->bytes + cost > r->rpc->config->max_memory_per_uid_bytes) {
		failure_set(
			&r->failure, SIDEPOOL_E_TOO_MANY_REQUESTS,
			"streams and requests of uid %u hold %llu bytes, which is about max_memory_per_uid",
			c->user->uid, (unsigned long long)c->user->bytes);
		return false;
	}
	if (c->user->streams >= r->rpc->config->max_streams_per_uid) {
		failure_set(&r->failure, SIDEPOOL_E_TOO_MANY_REQUESTS,
			    "uid %u has %u streams open, which is max_streams_per_uid",
			    c->user->uid, c->user->streams);
		return false;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		failure_set(&r->failure, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		return false;
	}
	s->id = rpc_random(r->rpc);
	s->request = r;
	s->client = c;
	TAILQ_INIT(&s->waiting);
	HASH_ADD(hh, c->streams, id, sizeof(s->id), s);
	if (!hash_took(s, hh)) {
		free(s);
		failure_set(&r->failure, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		return false;
	}
	c->user->streams++;
	s->cost_bytes = cost;
	c->user->bytes += cost;
	r->stream = s;
	return true;
}

uint64_t stream_id_to_tell(const struct stream *s)
{
	return s->ended ? 0 : s->id;
}

bool stream_is_ended(const struct stream *s)
{
	return s->ended;
}

bool stream_timed_out(const struct stream *s)
{
	return s->timed_out;
}

struct request *stream_request(struct stream *s)
{
	return s->request;
}

struct stream *stream_find(struct client *c, uint64_t id)
{
	struct stream *s;

	HASH_FIND(hh, c->streams, &id, sizeof(id), s);
	return s;
}

struct request *stream_next_waiting(struct stream *s)
{
	struct request *r = TAILQ_FIRST(&s->waiting);

	if (r)
		stream_forget(r);
	return r;
}

void stream_forget(struct request *r)
{
	if (!r->waits_for)
		return;
	TAILQ_REMOVE(&r->waits_for->waiting, r, on_stream);
	r->waits_for = NULL;
}

void stream_await(struct stream *s)
{
	struct request *r = s->request;

	s->awaits = true;
	request_watch_deadline(r, MIN(r->running_deadline,
				      usec_add(rpc_now(), s->client->config->timeouts.fetch_us)));
	pg_engine_kick(r->rpc->engine);
}

void stream_heard(struct stream *s)
{
	struct request *r = s->request;

	if (!s->awaits)
		return;
	s->awaits = false;
	request_watch_deadline(r, r->running_deadline);
}

static void pause_reading(struct stream *s)
{
	s->full = true;
	pg_conn_pause(request_task(s->request)->conn);
	stream_await(s);
}

static void go_on_reading(struct stream *s)
{
	struct request *r = s->request;

	if (!s->full)
		return;
	s->full = false;
	stream_heard(s);
	pg_conn_resume(request_task(r)->conn);
}

static bool may_stream(struct request *r)
{
	if (!r->idempotency)
		return stream_new(r);
	failure_set(
		&r->failure, SIDEPOOL_E_INVALID_ARGUMENT,
		"the answer is longer than max_chunk_bytes, and with an idempotency_key it must be one");
	return false;
}

void stream_chunk_full(struct request *r)
{
	struct stream *s = r->stream;
	struct request *fetch;

	if (r->dropping) {
		request_drop_chunk(r);
		return;
	}
	if (!s && !may_stream(r)) {
		request_break_off(r);
		return;
	}
	s = r->stream;
	if (!r->answered) {
		r->answered = true;
		request_send_chunk(r, &r->id);
		return;
	}
	/*
	 * A client that asks far ahead and does not read would have us hold all that it asked for.
	 */
	fetch = sp_conn_is_congested(r->conn) ? NULL : stream_next_waiting(s);
	if (fetch)
		request_answer_with_chunk(fetch, r);
	else
		pause_reading(s);
}

void streams_drained(struct client *c)
{
	struct stream *s, *next;
	struct request *fetch;

	HASH_ITER (hh, c->streams, s, next) {
		if (!s->full || !(fetch = stream_next_waiting(s)))
			continue;
		request_answer_with_chunk(fetch, s->request);
		go_on_reading(s);
	}
}

void stream_wait(struct stream *s, struct request *r)
{
	bool full = s->full;

	r->waits_for = s;
	r->state = REQUEST_WAITING;
	TAILQ_INSERT_TAIL(&s->waiting, r, on_stream);
	if (s->ended) {
		stream_ended(s);
	} else if (full && !sp_conn_is_congested(r->conn)) {
		request_answer_with_chunk(stream_next_waiting(s), s->request);
		go_on_reading(s);
	}
}

void stream_ended(struct stream *s)
{
	struct request *fetch;

	s->ended = true;
	s->full = false;
	fetch = stream_next_waiting(s);
	if (!fetch)
		return;
	request_answer_with_chunk(fetch, s->request);
	stream_free(s);
}

void stream_expire(struct stream *s)
{
	if (s->ended || s->dropping)
		return;
	s->timed_out =
		s->awaits && !s->request->cancelled && rpc_now() < s->request->running_deadline;
	s->dropping = true;
	request_drop_chunk(s->request);
	if (s->full) {
		s->full = false;
		pg_conn_resume(request_task(s->request)->conn);
	}
}

void stream_free(struct stream *s)
{
	struct request *r = s->request, *fetch;

	HASH_DELETE(hh, s->client->streams, s);
	s->client->user->streams--;
	s->client->user->bytes -= s->cost_bytes;
	r->stream = NULL;
	while ((fetch = stream_next_waiting(s)))
		request_fail(fetch, SIDEPOOL_E_UNKNOWN_STREAM, NULL);
	free(s);
	request_unhold(r);
}
