/* SPDX-License-Identifier: MIT */
/*
 * The promise of at most once is kept here. A request whose frame has left completely ends with its
 * answer or with an unknown outcome; one that has not (a daemon does not act on a part of a
 * message) may go out on another connection. What is sent twice is what a daemon refused before it
 * did anything, by its own word: with UNKNOWN_STATEMENT, or with SHUTTING_DOWN.
 */
#include "answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "columns.h"
#include "encode.h"
#include "error.h"
#include "handle.h"
#include "proto-fields.h"
#include "util/macro.h"

static void end_with(struct sidepool *sp, struct request *q, struct sidepool_reply *reply,
		     struct sidepool_error *error)
{
	if (!reply)
		reply = reply_new(&sp->replies);
	if (reply)
		reply_fail(reply, error);
	else
		error_free(error);
	request_complete(&sp->requests, q, reply ? reply : reply_out_of_memory());
}

void answer_error(struct sidepool *sp, struct request *q, int code, enum sidepool_outcome outcome,
		  const char *format, ...)
{
	struct sidepool_error *error;
	va_list args;

	va_start(args, format);
	error = error_new(code, outcome, format, args);
	va_end(args);
	end_with(sp, q, NULL, error);
}

static struct sidepool_error *violation(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static struct sidepool_error *violation(const char *format, ...)
{
	struct sidepool_error *error;
	va_list args;

	va_start(args, format);
	error = error_new(SIDEPOOL_E_PROTOCOL_VIOLATION, SIDEPOOL_OUTCOME_UNKNOWN, format, args);
	va_end(args);
	return error;
}

/* What the answer to a query teaches for the next time. */
static void learn(const struct request *q, const struct sidepool_reply *reply)
{
	const struct sidepool_result *r = sidepool_result(reply, 0);

	if (r && q->statement)
		statement_learn(q->statement, r->statement_id, r->columns);
}

/* A stream's next chunk leaves out the columns that its last result has. */
static void follow_stream(struct sidepool *sp, struct connection *c, const struct request *q,
			  struct sidepool_reply *reply)
{
	uint64_t id = reply->stream.private_[0];
	size_t n = reply->n_results;

	if (id == 0) {
		if (q->stream != 0 && q->kind == REQUEST_FETCH)
			streams_remove(&c->streams, q->stream);
		return;
	}
	if (n > 0 && streams_set(&c->streams, id, reply->results[n - 1].columns) < 0)
		reply_fail(reply, error_out_of_memory());
	reply->stream.private_[1] = c->number;
	reply->stream.private_[2] = (uintptr_t)sp;
}

static void stamp_lease(struct sidepool *sp, const struct connection *c,
			struct sidepool_reply *reply)
{
	if (reply->lease.private_[0] == 0)
		return;
	reply->lease.private_[4] = c->number;
	reply->lease.private_[5] = (uintptr_t)sp;
}

static void queue_again(struct sidepool *sp, struct request *q)
{
	list_remove(&q->link);
	q->on = 0;
	request_queue(&sp->requests, q, &sp->requests.queued);
}

/* The daemon refused the id before it did anything: the text follows. */
static bool send_text(struct sidepool *sp, struct request *q, struct sidepool_reply *reply)
{
	if (sidepool_code(reply) != SIDEPOOL_E_UNKNOWN_STATEMENT || !q->by_id)
		return false;
	statement_forget(q->statement);
	encode_query_again(q);
	if (q->frame.failed)
		return false;
	sidepool_reply_free(reply);
	queue_again(sp, q);
	return true;
}

static bool says_shutting_down(const struct sidepool_reply *reply)
{
	return sidepool_code(reply) == SIDEPOOL_E_SHUTTING_DOWN &&
	       sidepool_error_outcome(sidepool_error(reply)) == SIDEPOOL_OUTCOME_NOT_SENT;
}

/* Whether there is time for another daemon, counted from the first that refused it. */
static bool has_time(const struct sidepool *sp, struct request *q)
{
	uint64_t now = sp->now_us();

	if (q->refused_us == 0)
		q->refused_us = now;
	return now - q->refused_us < sp->settings.reconnect_wait_ms * USEC_PER_MS;
}

/* The daemon leaves and did nothing: the next one gets it, unless it is about something of this. */
static bool send_to_next(struct sidepool *sp, struct connection *c, struct request *q,
			 struct sidepool_reply *reply)
{
	uint32_t retry_after_ms = sidepool_error_retry_after_ms(sidepool_error(reply));
	bool again;

	if (!sp->settings.reconnect || !says_shutting_down(reply) || !leaving_begin(sp, c))
		return false;
	again = q->connection == 0 && has_time(sp, q);
	if (again) {
		sidepool_reply_free(reply);
		queue_again(sp, q);
		answer_rewrite(sp, q);
	}
	if (!list_empty(&sp->requests.queued))
		connection_start_later(sp, retry_after_ms * USEC_PER_MS);
	return again;
}

static struct columns *known_columns(const struct connection *c, const struct request *q)
{
	return q->kind == REQUEST_FETCH ? streams_columns(&c->streams, q->stream) : q->known;
}

bool answer_message(struct sidepool *sp, struct connection *c, struct request *q,
		    struct sidepool_reply *reply, size_t len)
{
	int r = reply_parse(reply, len, known_columns(c, q));

	if (r < 0) {
		end_with(sp, q, reply, error_out_of_memory());
		return true;
	}
	if (r > 0) {
		end_with(sp, q, reply,
			 violation("the daemon's answer is not a sidepool.v1.Response"));
		return false;
	}
	if (send_text(sp, q, reply) || send_to_next(sp, c, q, reply))
		return true;
	if (c == sp->connection)
		learn(q, reply);
	follow_stream(sp, c, q, reply);
	stamp_lease(sp, c, reply);
	request_complete(&sp->requests, q, reply);
	return true;
}

static void lose_sent(struct sidepool *sp, uint64_t number, int code, const char *why)
{
	struct list *l, *next;

	requests_forgive(&sp->requests, number);
	for (l = sp->requests.sent.next; l != &sp->requests.sent; l = next) {
		struct request *q = container_of(l, struct request, link);

		next = l->next;
		if (q->on == number)
			answer_error(sp, q, code, SIDEPOOL_OUTCOME_UNKNOWN,
				     "the connection to %s was lost before the answer: %s",
				     sp->settings.address.sun_path, why);
	}
}

void answer_rewrite(struct sidepool *sp, struct request *q)
{
	q->sent = 0;
	q->on = 0;
	if (q->by_id || (q->known && q->statement))
		encode_query_again(q);
	if (q->frame.failed)
		answer_error(sp, q, SIDEPOOL_E_OUT_OF_MEMORY, SIDEPOOL_OUTCOME_NOT_SENT,
			     "no memory to write the request again");
}

/* It was about something that is gone. */
static void lose_bound(struct sidepool *sp, struct request *q)
{
	bool about_lease = q->kind != REQUEST_FETCH && q->kind != REQUEST_COPY_DATA;

	answer_error(sp, q, about_lease ? SIDEPOOL_E_LEASE_LOST : SIDEPOOL_E_UNKNOWN_STREAM,
		     SIDEPOOL_OUTCOME_NOT_SENT, "the %s went with the connection to %s",
		     about_lease ? "lease" : "stream", sp->settings.address.sun_path);
}

/* Not sent: it goes out on the next connection, unless it is about something of the old one. */
static void requeue(struct sidepool *sp, struct request *q)
{
	if (q->kind == REQUEST_CANCEL)
		q->connection = 0; /* and the next daemon finds nothing to cancel */
	if (q->connection != 0) {
		lose_bound(sp, q);
		return;
	}
	list_remove(&q->link);
	list_append(&sp->requests.queued, &q->link);
	answer_rewrite(sp, q);
}

static void requeue_all(struct sidepool *sp, struct list *queue)
{
	struct list waiting;

	list_init(&waiting);
	list_splice(&waiting, queue);
	while (!list_empty(&waiting))
		requeue(sp, container_of(waiting.next, struct request, link));
}

void answer_lost(struct sidepool *sp, struct connection *c, int code, const char *why)
{
	lose_sent(sp, c->number, code, why);
	requeue_all(sp, connection_queue(sp, c));
	if (c == sp->connection)
		statements_forget_ids(&sp->statements);
}

void answer_queued(struct sidepool *sp, int code, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	while (!list_empty(&sp->requests.queued))
		answer_error(sp, container_of(sp->requests.queued.next, struct request, link), code,
			     SIDEPOOL_OUTCOME_NOT_SENT, "%s",
			     text ? text : sidepool_code_sentence(code));
	free(text);
}
