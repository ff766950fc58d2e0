/* SPDX-License-Identifier: MIT */
/*
 * The common case, one Result that is complete when the answer is sent, is packed from its parts
 * straight into the connection's output. Only where a second Result follows is the first one packed
 * aside.
 *
 * Field numbers are those of proto/sidepool/v1/statement.proto; tests/unit/test_output.c reads
 * everything back with protobuf-c.
 */
#include "rpc/output.h"

#include <string.h>

#include "pg/packed.h"
#include "pg/result.h"
#include "rpc/failure.h"
#include "rpc/pb.h"
#include "util/macro.h"

enum {
	RESPONSE_RESULTS = 1,
	RESPONSE_COPY_CHUNK = 19,
	COPY_CHUNK_DATA = 1,

	RESULT_COLUMNS = 1,
	RESULT_ROWS = 2,
	RESULT_ROW_COUNT = 3,
	RESULT_COMMAND_TAG = 4,
	RESULT_AFFECTED_ROWS = 5,
	RESULT_STATEMENT_ID = 6,
	RESULT_COLUMNS_ID = 7,
	RESULT_NOTICES = 8,
	RESULT_STATEMENT_INDEX = 9,
	RESULT_PARAMETER_SET_INDEX = 10,
	RESULT_ERROR = 11,
	RESULT_MORE = 12,
	RESULT_FORMAT = 13,

	COLUMN_NAME = 1,
	COLUMN_TYPE_OID = 2,
	COLUMN_TYPE_MODIFIER = 3,
	COLUMN_TABLE_OID = 4,
	COLUMN_COLUMN_NUMBER = 5,
	COLUMN_TYPE_BYTES = 6,

	NOTICE_FIELDS = 1,
};

void output_deinit(struct output *o)
{
	buf_deinit(&o->results);
	buf_deinit(&o->columns);
	buf_deinit(&o->rows);
	buf_deinit(&o->notices);
}

static void clear_result(struct output *o, size_t keep_bytes)
{
	buf_reset(&o->columns, keep_bytes);
	buf_reset(&o->rows, keep_bytes);
	buf_reset(&o->notices, keep_bytes);
	o->open = false;
	o->row_count = 0;
	o->affected_rows = 0;
	o->tag[0] = '\0';
	o->columns_told = false;
	o->columns_id = 0;
	o->format = 0;
}

void output_reset(struct output *o, size_t keep_bytes)
{
	buf_reset(&o->results, keep_bytes);
	clear_result(o, keep_bytes);
	o->bytes_total = 0;
	o->out_of_memory = false;
}

static size_t column_bytes(const struct pg_column *c)
{
	return pb_bytes_bytes(COLUMN_NAME, strlen(c->name)) +
	       pb_uint_bytes(COLUMN_TYPE_OID, c->type_oid) +
	       pb_uint_bytes(COLUMN_TYPE_MODIFIER, pb_zigzag(c->type_modifier)) +
	       pb_uint_bytes(COLUMN_TABLE_OID, c->table_oid) +
	       pb_uint_bytes(COLUMN_COLUMN_NUMBER, c->column_number) +
	       pb_uint_bytes(COLUMN_TYPE_BYTES, pb_zigzag(c->type_bytes));
}

static void add_column(struct output *o, const struct pg_column *c)
{
	size_t n = column_bytes(c);
	uint8_t *at = buf_reserve(&o->columns, n + pb_head_bytes(RESULT_COLUMNS, n)), *from = at;

	if (!at) {
		o->out_of_memory = true;
		return;
	}
	at = pb_head(at, RESULT_COLUMNS, n);
	at = pb_bytes(at, COLUMN_NAME, c->name, strlen(c->name));
	at = pb_uint(at, COLUMN_TYPE_OID, c->type_oid);
	at = pb_uint(at, COLUMN_TYPE_MODIFIER, pb_zigzag(c->type_modifier));
	at = pb_uint(at, COLUMN_TABLE_OID, c->table_oid);
	at = pb_uint(at, COLUMN_COLUMN_NUMBER, c->column_number);
	at = pb_uint(at, COLUMN_TYPE_BYTES, pb_zigzag(c->type_bytes));
	buf_added(&o->columns, (size_t)(at - from));
}

static void tell_columns(struct output *o, const struct output_statement *s,
			 const struct pg_result *r)
{
	struct pg_column c;

	if (o->columns_told)
		return;
	o->columns_told = true;
	o->columns_id = pg_result_columns_id(r);
	o->format = (uint32_t)pg_result_format(r);
	if (o->columns_id == s->known_columns_id)
		return;
	for (int i = 0; i < pg_result_n_columns(r); i++) {
		pg_result_column(r, i, &c);
		add_column(o, &c);
	}
}

/* The Result in progress, without tag and length. */
static size_t result_bytes(const struct output *o, bool more)
{
	size_t rows = o->copy ? 0 : buf_len(&o->rows);

	return buf_len(&o->columns) + pb_bytes_bytes(RESULT_ROWS, rows) +
	       pb_uint_bytes(RESULT_ROW_COUNT, o->row_count) +
	       pb_bytes_bytes(RESULT_COMMAND_TAG, strlen(o->tag)) +
	       pb_uint_bytes(RESULT_AFFECTED_ROWS, o->affected_rows) +
	       pb_uint_bytes(RESULT_STATEMENT_ID, o->statement_id) +
	       pb_uint_bytes(RESULT_COLUMNS_ID, o->columns_id) + buf_len(&o->notices) +
	       pb_uint_bytes(RESULT_STATEMENT_INDEX, o->statement_index) +
	       pb_uint_bytes(RESULT_PARAMETER_SET_INDEX, o->set_index) +
	       pb_uint_bytes(RESULT_MORE, more) + pb_uint_bytes(RESULT_FORMAT, o->format);
}

static uint8_t *append(uint8_t *out, const struct buf *b)
{
	if (buf_len(b) > 0)
		memcpy(out, buf_at(b), buf_len(b));
	return out + buf_len(b);
}

static uint8_t *pack_result(const struct output *o, uint8_t *out, bool more)
{
	out = append(out, &o->columns);
	if (!o->copy)
		out = pb_bytes(out, RESULT_ROWS, buf_len(&o->rows) ? buf_at(&o->rows) : NULL,
			       buf_len(&o->rows));
	out = pb_uint(out, RESULT_ROW_COUNT, o->row_count);
	out = pb_bytes(out, RESULT_COMMAND_TAG, o->tag, strlen(o->tag));
	out = pb_uint(out, RESULT_AFFECTED_ROWS, o->affected_rows);
	out = pb_uint(out, RESULT_STATEMENT_ID, o->statement_id);
	out = pb_uint(out, RESULT_COLUMNS_ID, o->columns_id);
	out = append(out, &o->notices);
	out = pb_uint(out, RESULT_STATEMENT_INDEX, o->statement_index);
	out = pb_uint(out, RESULT_PARAMETER_SET_INDEX, o->set_index);
	out = pb_uint(out, RESULT_MORE, more);
	return pb_uint(out, RESULT_FORMAT, o->format);
}

/* Packs the Result in progress aside: another one begins. */
static void close_result(struct output *o)
{
	size_t n = result_bytes(o, false);
	uint8_t *at = buf_reserve(&o->results, n + pb_head_bytes(RESPONSE_RESULTS, n)), *end;

	if (at) {
		end = pack_result(o, pb_head(at, RESPONSE_RESULTS, n), false);
		buf_added(&o->results, (size_t)(end - at));
	} else {
		o->out_of_memory = true;
	}
	clear_result(o, SIZE_MAX);
}

static void open_result(struct output *o, const struct output_statement *s)
{
	if (o->open && o->statement_index == s->index && o->set_index == s->set)
		return;
	if (o->open)
		close_result(o);
	o->open = true;
	o->statement_index = s->index;
	o->set_index = s->set;
	o->statement_id = s->statement_id;
}

void output_rows(struct output *o, const struct output_statement *s, const struct pg_result *rows)
{
	size_t before = buf_len(&o->rows);
	int n;

	if (o->copy) /* it has no rows: who sends some ahead of its data is no PostgreSQL */
		return;
	open_result(o, s);
	tell_columns(o, s, rows);
	n = pg_pack_rows(&o->rows, rows);
	if (n < 0) {
		o->out_of_memory = true;
		return;
	}
	o->row_count += (uint32_t)n;
	o->bytes_total += buf_len(&o->rows) - before;
}

/* libpq's longest is as long. */
static void set_tag(struct output *o, const char *tag)
{
	size_t n = MIN(strlen(tag), sizeof(o->tag) - 1);

	memcpy(o->tag, tag, n);
	o->tag[n] = '\0';
}

void output_complete(struct output *o, const struct output_statement *s,
		     const struct pg_result *result)
{
	open_result(o, s);
	if (pg_result_n_columns(result) > 0)
		tell_columns(o, s, result);
	set_tag(o, pg_result_tag(result));
	o->affected_rows += pg_result_affected(result);
}

void output_tag(struct output *o, const struct output_statement *s, const char *tag)
{
	open_result(o, s);
	set_tag(o, tag);
}

void output_notice(struct output *o, const struct pg_result *notice)
{
	struct buf fields = BUF_NULL;
	size_t n = 0, all;
	uint8_t *at = NULL, *end;

	if (failure_pack_sql(notice, &fields) == 0 && buf_len(&fields) > 0) {
		n = pb_bytes_bytes(NOTICE_FIELDS, buf_len(&fields));
		all = pb_head_bytes(RESULT_NOTICES, n) + n;
		if (buf_len(&o->notices) + all <= OUTPUT_NOTICES_MOST_BYTES)
			at = buf_reserve(&o->notices, all);
	}
	if (at) {
		end = pb_bytes(pb_head(at, RESULT_NOTICES, n), NOTICE_FIELDS, buf_at(&fields),
			       buf_len(&fields));
		buf_added(&o->notices, (size_t)(end - at));
	}
	buf_deinit(&fields);
}

void output_failed(struct output *o, const struct output_statement *s, const struct failure *f)
{
	struct buf error = BUF_NULL;
	size_t n;
	uint8_t *at, *from;

	if (o->open)
		close_result(o);
	if (failure_pack(f, &error) < 0) {
		o->out_of_memory = true;
		return;
	}
	n = pb_uint_bytes(RESULT_STATEMENT_INDEX, s->index) +
	    pb_uint_bytes(RESULT_PARAMETER_SET_INDEX, s->set) +
	    pb_bytes_bytes(RESULT_ERROR, buf_len(&error));
	from = at = buf_reserve(&o->results, n + pb_head_bytes(RESPONSE_RESULTS, n));
	if (at) {
		at = pb_head(at, RESPONSE_RESULTS, n);
		at = pb_uint(at, RESULT_STATEMENT_INDEX, s->index);
		at = pb_uint(at, RESULT_PARAMETER_SET_INDEX, s->set);
		at = pb_bytes(at, RESULT_ERROR, buf_at(&error), buf_len(&error));
		buf_added(&o->results, (size_t)(at - from));
	} else {
		o->out_of_memory = true;
	}
	buf_deinit(&error);
}

void output_copy_data(struct output *o, const char *data, size_t n)
{
	if (buf_append(&o->rows, data, n) < 0)
		o->out_of_memory = true;
	o->bytes_total += n;
}

void output_next_chunk(struct output *o)
{
	buf_reset(&o->results, SIZE_MAX);
	buf_reset(&o->columns, SIZE_MAX);
	buf_reset(&o->rows, SIZE_MAX);
	buf_reset(&o->notices, SIZE_MAX);
	o->row_count = 0;
}

static size_t copy_bytes(const struct output *o)
{
	return o->copy && buf_len(&o->rows) > 0
		       ? pb_head_bytes(COPY_CHUNK_DATA, buf_len(&o->rows)) + buf_len(&o->rows)
		       : 0;
}

size_t output_packed_bytes(const struct output *o, bool more)
{
	size_t n = buf_len(&o->results), copy = copy_bytes(o), open;

	if (copy > 0)
		n += pb_head_bytes(RESPONSE_COPY_CHUNK, copy) + copy;
	if (!o->open)
		return n;
	open = result_bytes(o, more);
	return n + pb_head_bytes(RESPONSE_RESULTS, open) + open;
}

uint8_t *output_pack(const struct output *o, uint8_t *out, bool more)
{
	size_t copy = copy_bytes(o);

	out = append(out, &o->results);
	if (o->open)
		out = pack_result(o, pb_head(out, RESPONSE_RESULTS, result_bytes(o, more)), more);
	if (copy > 0)
		out = pb_bytes(pb_head(out, RESPONSE_COPY_CHUNK, copy), COPY_CHUNK_DATA,
			       buf_at(&o->rows), buf_len(&o->rows));
	return out;
}
