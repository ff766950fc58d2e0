/* SPDX-License-Identifier: MIT */
/*
 * The promise of at most once is kept here. A request whose frame has left completely ends with its
 * answer or with an unknown outcome; one that has not (a daemon does not act on a part of a
 * message) may go out on another connection. The single request that is sent twice is one that the
 * daemon refused with UNKNOWN_STATEMENT, that is, before it did anything.
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
static void follow_stream(struct sidepool *sp, const struct request *q,
			  struct sidepool_reply *reply)
{
	uint64_t id = reply->stream.private_[0];
	size_t n = reply->n_results;

	if (id == 0) {
		if (q->stream != 0 && q->kind == REQUEST_FETCH)
			streams_remove(&sp->streams, q->stream);
		return;
	}
	if (n > 0 && streams_set(&sp->streams, id, reply->results[n - 1].columns) < 0)
		reply_fail(reply, error_out_of_memory());
	reply->stream.private_[1] = sp->connection.number;
	reply->stream.private_[2] = (uintptr_t)sp;
}

static void stamp_lease(struct sidepool *sp, struct sidepool_reply *reply)
{
	if (reply->lease.private_[0] == 0)
		return;
	reply->lease.private_[4] = sp->connection.number;
	reply->lease.private_[5] = (uintptr_t)sp;
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
	list_remove(&q->link);
	request_queue(&sp->requests, q);
	return true;
}

static struct columns *known_columns(const struct sidepool *sp, const struct request *q)
{
	return q->kind == REQUEST_FETCH ? streams_columns(&sp->streams, q->stream) : q->known;
}

bool answer_message(struct sidepool *sp, struct request *q, struct sidepool_reply *reply,
		    size_t len)
{
	int r = reply_parse(reply, len, known_columns(sp, q));

	if (r < 0) {
		end_with(sp, q, reply, error_out_of_memory());
		return true;
	}
	if (r > 0) {
		end_with(sp, q, reply,
			 violation("the daemon's answer is not a sidepool.v1.Response"));
		return false;
	}
	if (send_text(sp, q, reply))
		return true;
	learn(q, reply);
	follow_stream(sp, q, reply);
	stamp_lease(sp, reply);
	request_complete(&sp->requests, q, reply);
	return true;
}

static void lose_sent(struct sidepool *sp, int code, const char *why)
{
	requests_forgive(&sp->requests);
	while (!list_empty(&sp->requests.sent))
		answer_error(sp, container_of(sp->requests.sent.next, struct request, link), code,
			     SIDEPOOL_OUTCOME_UNKNOWN,
			     "the connection to %s was lost before the answer: %s",
			     sp->settings.address.sun_path, why);
}

/* Not sent: it goes out on the next connection, unless it is about something of the old one. */
static void requeue(struct sidepool *sp, struct request *q)
{
	bool about_lease = q->kind != REQUEST_FETCH && q->kind != REQUEST_COPY_DATA;

	if (q->connection != 0) {
		answer_error(sp, q, about_lease ? SIDEPOOL_E_LEASE_LOST : SIDEPOOL_E_UNKNOWN_STREAM,
			     SIDEPOOL_OUTCOME_NOT_SENT, "the %s went with the connection to %s",
			     about_lease ? "lease" : "stream", sp->settings.address.sun_path);
		return;
	}
	q->sent = 0;
	if (q->by_id || (q->known && q->statement))
		encode_query_again(q);
	if (q->frame.failed)
		answer_error(sp, q, SIDEPOOL_E_OUT_OF_MEMORY, SIDEPOOL_OUTCOME_NOT_SENT,
			     "no memory to write the request again");
}

void answer_lost(struct sidepool *sp, int code, const char *why)
{
	struct list *l, *next;

	lose_sent(sp, code, why);
	for (l = sp->requests.queued.next; l != &sp->requests.queued; l = next) {
		next = l->next;
		requeue(sp, container_of(l, struct request, link));
	}
	statements_forget_ids(&sp->statements);
	streams_clear(&sp->streams);
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
