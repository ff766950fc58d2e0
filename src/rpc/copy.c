/* SPDX-License-Identifier: MIT */
/*
 * COPY both ways. libpq cannot copy in pipeline mode, so it goes by the simple query protocol,
 * which also lets BEGIN and COMMIT stand in the same text. Flow in: a CopyData is answered when
 * PostgreSQL's socket has taken what came before; until then its data waits in its own request.
 * Flow out: chunks as of any stream.
 */
#include "rpc/copy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pg/classify.h"
#include "pg/result.h"
#include "rpc/kinds.h"
#include "rpc/lease.h"
#include "rpc/rpc-internal.h"
#include "rpc/statement.h"
#include "rpc/stream.h"

static void run(struct request *r)
{
	request_run_simple(r, r->simple_sql, 0);
}

static void sent(struct request *r);

static const struct request_kind copy_in_kind = {
	.name = "copy in",
	.run = run,
	.sent = sent,
};

static const struct request_kind copy_out_kind = {
	.name = "copy out",
	.run = run,
};

static void handle(struct request *r, const ProtobufCBinaryData *sql,
		   const struct request_kind *kind)
{
	struct pg_class class;
	const char *text;

	if (!lease_resolve(r))
		return;
	text = statement_sql(r, sql, "sql");
	if (!text)
		return;
	class = pg_classify(text, sql->len);
	if (!class.copy || class.several) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "sql must be one COPY ... FROM STDIN or COPY ... TO STDOUT");
		return;
	}
	r->simple_sql = text;
	r->exclusive = true;
	request_submit(r, kind);
}

void copy_in_handle(struct request *r)
{
	handle(r, &r->message->copy_in->sql, &copy_in_kind);
}

void copy_out_handle(struct request *r)
{
	r->chunk_bytes = r->message->copy_out->chunk_bytes;
	r->output.copy = true;
	handle(r, &r->message->copy_out->sql, &copy_out_kind);
}

bool copy_is_in(const struct request *r)
{
	return r->kind == &copy_in_kind;
}

/* The wrong direction would wait for data for ever. */
static bool fits(const struct request *r, const struct pg_result *ready)
{
	bool in = copy_is_in(r);

	return pg_result_is_copy_in(ready) == in && (in || r->kind == &copy_out_kind);
}

static void tell_ready(struct request *r, const struct pg_result *ready)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__CopyReady m = SIDEPOOL__V1__COPY_READY__INIT;
	int n = pg_result_n_columns(ready);
	uint32_t *formats = arena_alloc(&r->arena, (size_t)n * sizeof(*formats));

	if (!formats)
		n = 0;
	for (int i = 0; i < n; i++)
		formats[i] = (uint32_t)pg_result_column_format(ready, i);
	m.stream_id = stream_id_to_tell(r->stream);
	m.format = (uint32_t)pg_result_format(ready);
	m.n_column_formats = (size_t)n;
	m.column_formats = formats;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_COPY_READY;
	response.copy_ready = &m;
	request_reply_first(r, &response);
}

/*
 * Statements ahead of it in the same text may have written, and PostgreSQL may be done before the
 * cancel comes.
 */
static void refuse_direction(struct request *r, const struct pg_result *ready)
{
	failure_set(&r->failure, SIDEPOOL_E_INVALID_ARGUMENT,
		    "FROM STDIN goes by CopyIn, TO STDOUT by CopyOut, and neither by Query");
	r->failure.outcome = FAILURE_FAILED;
	if (pg_result_is_copy_in(ready))
		(void)pg_call_copy_end(&r->call, "the daemon cannot take the data");
	else
		request_break_off(r);
}

static void begin(struct request *r, const struct pg_result *ready)
{
	if (!fits(r, ready)) {
		refuse_direction(r, ready);
		return;
	}
	if (!r->abandoned && !r->cancelled && !r->timed_out && stream_new(r)) {
		tell_ready(r, ready);
		if (copy_is_in(r))
			stream_await(r->stream);
		return;
	}
	r->dropping = true;
	if (pg_result_is_copy_in(ready))
		(void)pg_call_copy_end(&r->call, "the daemon cannot take the data");
	else
		request_cancel(r);
}

void copy_on_data(struct request *r, const struct pg_result *ready, const char *data, size_t n)
{
	if (ready) {
		begin(r, ready);
		return;
	}
	if (r->dropping)
		return;
	output_copy_data(&r->output, data, n);
	if (output_bytes(&r->output) >= request_chunk_bytes(r))
		stream_chunk_full(r);
}

void copy_stop(struct request *r)
{
	/* Before it has begun, begin() sees to it. */
	if (!copy_is_in(r) || !r->stream || !r->call.conn || r->copy_is_over)
		return;
	(void)pg_call_copy_end(&r->call, "the daemon ended it");
	r->copy_is_over = true;
}

static void take_another(struct request *copy, struct request *r)
{
	request_reply(r, NULL);
	stream_await(copy->stream);
}

/* Puts what a CopyData brings; it stays waiting when it is the end, for the tag or the error. */
static void put(struct request *copy, struct request *r)
{
	const Sidepool__V1__CopyData *m = r->message->copy_data;
	bool last = m->end || *m->fail;
	int err = copy->copy_is_over ? -EPIPE : 0;

	stream_heard(copy->stream);
	if (err == 0 && m->data.len > 0)
		err = pg_call_copy_put(&copy->call, (const char *)m->data.data, m->data.len);
	if (err == 0 && last) {
		err = pg_call_copy_end(&copy->call, *m->fail ? m->fail : NULL);
		copy->copy_is_over = true;
	}
	/* A broken connection ends the call, and with it whoever waits. */
	if (err == 0 && !last && pg_conn_is_flushed(request_task(copy)->conn))
		take_another(copy, r);
	else
		stream_wait(copy->stream, r);
}

/* PostgreSQL has taken everything: there is room for more. */
static void sent(struct request *r)
{
	struct request *waiting;

	if (!r->stream)
		return;
	while ((waiting = stream_next_waiting(r->stream))) {
		const Sidepool__V1__CopyData *m = waiting->message->copy_data;

		if (waiting->copy_is_put && (m->end || *m->fail)) {
			stream_wait(r->stream, waiting);
			return;
		}
		if (waiting->copy_is_put) {
			take_another(r, waiting);
			continue;
		}
		waiting->copy_is_put = true;
		put(r, waiting);
		if (!pg_conn_is_flushed(request_task(r)->conn))
			return;
	}
}

void copy_data_handle(struct request *r)
{
	struct stream *s = stream_find(r->client, r->message->copy_data->stream_id);
	struct request *copy = s ? stream_request(s) : NULL;

	if (!copy || !copy_is_in(copy)) {
		request_fail(r, SIDEPOOL_E_UNKNOWN_STREAM, NULL);
		return;
	}
	if (stream_is_ended(s) || !pg_conn_is_flushed(request_task(copy)->conn)) {
		stream_wait(s, r);
		return;
	}
	r->copy_is_put = true;
	put(copy, r);
}
