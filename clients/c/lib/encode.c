/* SPDX-License-Identifier: MIT */
/*
 * A Query is written so that it can be written again: the daemon may not know a statement's id any
 * more, or another daemon may answer the next connection. What the Statement has beside the text or
 * id is kept in the frame itself.
 */
#include "encode.h"

#include "handle.h"
#include "pb.h"
#include "proto-fields.h"
#include "rows.h"

void encode_transaction(struct bytes *b, uint32_t field, const struct sidepool_lease_options *o)
{
	size_t open;

	if (o->isolation == SIDEPOOL_ISOLATION_DEFAULT && !o->read_only && !o->deferrable)
		return;
	open = pb_open(b, field, 0);
	pb_uint(b, TRANSACTION_OPTIONS_ISOLATION, o->isolation);
	pb_uint(b, TRANSACTION_OPTIONS_READ_ONLY, o->read_only);
	pb_uint(b, TRANSACTION_OPTIONS_DEFERRABLE, o->deferrable);
	pb_close(b, open);
}

void encode_lease_options(struct bytes *b, uint32_t field, const struct sidepool_lease_options *o)
{
	size_t open = pb_open(b, field, 0);

	pb_uint(b, LEASE_OPTIONS_BEGIN, o->begin);
	encode_transaction(b, LEASE_OPTIONS_TRANSACTION, o);
	pb_uint(b, LEASE_OPTIONS_HOLD_MS, o->hold_ms);
	pb_close(b, open);
}

void encode_envelope(struct bytes *b, const struct settings *settings,
		     const struct sidepool_call *call)
{
	size_t open;

	if (call->lease) {
		open = pb_open(b, REQUEST_LEASE, 0);
		pb_uint(b, LEASE_REF_LEASE_ID, sidepool_lease_id(call->lease));
		pb_uint(b, LEASE_REF_TOKEN, sidepool_lease_token(call->lease));
		pb_close(b, open);
	}
	if (call->acquire)
		encode_lease_options(b, REQUEST_ACQUIRE, call->acquire);
	pb_uint(b, REQUEST_FINISH, call->finish);
	if (call->pool)
		pb_text(b, REQUEST_POOL, call->pool);
	else if (!call->lease)
		pb_text(b, REQUEST_POOL, settings->pool);
	pb_blob(b, REQUEST_IDEMPOTENCY_KEY, call->idempotency_key, call->idempotency_key_bytes);
	pb_text(b, REQUEST_CALL_SITE, call->call_site);
	pb_text(b, REQUEST_TRACEPARENT, call->traceparent);
}

/* All the same: one stands for all. */
static bool uniform(const struct sidepool_params *p)
{
	for (size_t i = 1; i < p->count; i++)
		if (p->formats[i] != p->formats[0])
			return false;
	return true;
}

static void encode_formats(struct bytes *b, const struct sidepool_params *p)
{
	size_t n = uniform(p) ? 1 : p->count;
	size_t open;

	if (n == 1 && p->formats[0] == 0)
		return;
	open = pb_open(b, STATEMENT_PARAMETER_FORMATS, n);
	for (size_t i = 0; i < n; i++)
		pb_varint(b, p->formats[i]);
	pb_close(b, open);
}

void encode_parameter_types(struct bytes *b, const struct sidepool_params *p)
{
	size_t open;

	if (!p || p->count == 0)
		return;
	pb_uint(b, STATEMENT_PARAMETER_COUNT, p->count);
	if (p->types) {
		open = pb_open(b, STATEMENT_PARAMETER_TYPES, p->count);
		for (size_t i = 0; i < p->count; i++)
			pb_varint(b, p->types[i]);
		pb_close(b, open);
	}
	if (p->formats)
		encode_formats(b, p);
}

bool encode_parameters(struct bytes *b, const struct sidepool_params *p)
{
	if (!p || p->count == 0)
		return true;
	pb_tag(b, STATEMENT_PARAMETERS, PB_BLOB);
	pb_varint(b, rows_params_bytes(p));
	return rows_put_params(b, p);
}

/* Opens Request.query and its Statement, with the text or the id, for `rest` bytes that follow. */
static void begin_query(struct request *q, const char *sql, size_t sql_len, size_t rest,
			size_t open[2])
{
	struct bytes *b = &q->frame;
	size_t expected = rest + (q->by_id ? 8 : sql_len + 6);

	q->query_at = b->len;
	open[0] = pb_open(b, REQUEST_QUERY, expected + 6);
	open[1] = pb_open(b, QUERY_STATEMENT, expected);
	if (q->by_id)
		pb_uint(b, STATEMENT_STATEMENT_ID, q->statement->id);
	else
		pb_blob(b, STATEMENT_SQL, sql, sql_len);
	if (q->known)
		pb_uint(b, STATEMENT_KNOWN_COLUMNS_ID, q->known->id);
	q->rest_at = b->len;
}

/*
 * Closing moves what is inside where the expected length was wrong, so the place of the rest is counted from the end.
 */
static void end_query(struct request *q, const size_t open[2])
{
	struct bytes *b = &q->frame;
	size_t statement_end;

	q->rest_len = b->len - q->rest_at;
	pb_close(b, open[1]);
	statement_end = b->len;
	pb_uint(b, QUERY_CHUNK_BYTES, q->chunk_bytes);
	q->rest_at = b->len - statement_end + q->rest_len;
	pb_close(b, open[0]);
	q->rest_at = b->len - q->rest_at;
}

bool encode_query(struct request *q, const char *sql, const struct sidepool_params *params,
		  bool binary, bool simple)
{
	struct bytes *b = &q->frame;
	size_t rest = params ? rows_params_bytes(params) + params->count * 7 : 0;
	size_t open[2];
	bool ok;

	begin_query(q, sql, strlen(sql), rest, open);
	encode_parameter_types(b, params);
	ok = encode_parameters(b, params);
	pb_uint(b, STATEMENT_RESULT_FORMAT, binary);
	pb_uint(b, STATEMENT_SIMPLE, simple);
	end_query(q, open);
	return ok;
}

void encode_query_again(struct request *q)
{
	struct bytes rest = { .data = NULL };
	size_t open[2];

	bytes_put(&rest, q->frame.data + q->rest_at, q->rest_len);
	q->frame.len = q->query_at;
	q->by_id = false;
	q->known = columns_unref(q->known);
	begin_query(q, statement_text(q->statement), q->statement->len, rest.len, open);
	bytes_put(&q->frame, rest.data, rest.len);
	end_query(q, open);
	q->frame.failed |= rest.failed;
	bytes_deinit(&rest);
}
