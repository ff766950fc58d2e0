/* SPDX-License-Identifier: MIT */
/* What libsidepool tells of a request, as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static json_t *ok(json_t *what)
{
	return json_pack("{s:o}", "ok", what);
}

static const char *outcome(const struct sidepool_error *e)
{
	static const char *const names[] = { "", "not sent", "failed", "outcome unknown" };

	return names[sidepool_error_outcome(e)];
}

static void put_code(json_t *out, const struct sidepool_error *e)
{
	const char *name = sidepool_code_name(sidepool_error_code(e));

	if (strcmp(name, "UNKNOWN") != 0)
		json_object_set_new(out, "code", json_string(name));
	else
		json_object_set_new(out, "code", json_sprintf("CODE_%d", sidepool_error_code(e)));
}

json_t *answer_error(const struct sidepool_error *e)
{
	static const struct {
		const char *name;
		enum sidepool_field field;
	} fields[] = {
		{ "sqlstate", SIDEPOOL_FIELD_SQLSTATE },
		{ "detail", SIDEPOOL_FIELD_DETAIL },
		{ "hint", SIDEPOOL_FIELD_HINT },
		{ "constraint", SIDEPOOL_FIELD_CONSTRAINT },
		{ "table", SIDEPOOL_FIELD_TABLE },
	};
	json_t *out = json_pack("{s:s, s:b, s:I, s:I, s:I}", "outcome", outcome(e), "retryable",
				sidepool_error_retryable(e), "retry_after_ms",
				(json_int_t)sidepool_error_retry_after_ms(e), "position",
				(json_int_t)sidepool_error_position(e), "statement_index",
				(json_int_t)sidepool_error_statement_index(e));

	put_code(out, e);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_object_set_new(out, fields[i].name,
				    json_string(sidepool_error_field(e, fields[i].field)));
	return json_pack("{s:o}", "error", out);
}

json_t *answer_empty(struct sidepool_reply *reply)
{
	json_t *out =
		sidepool_code(reply) ? answer_error(sidepool_error(reply)) : ok(json_object());

	sidepool_reply_free(reply);
	return out;
}

json_t *answer_affected(struct sidepool_reply *reply)
{
	json_t *out;

	if (sidepool_code(reply))
		return answer_empty(reply);
	out = ok(json_pack("{s:I}", "affected",
			   (json_int_t)sidepool_affected_rows(sidepool_result(reply, 0))));
	sidepool_reply_free(reply);
	return out;
}

json_t *answer_submit(struct sidepool_reply *reply)
{
	const struct sidepool_result *r = sidepool_result(reply, 0);
	json_t *out;

	if (sidepool_code(reply))
		return answer_empty(reply);
	out = ok(json_pack("{s:I, s:b}", "submission_id",
			   (json_int_t)atoll(sidepool_value(r, 0, 0)), "journaled",
			   strcmp(sidepool_value(r, 0, 1), "t") == 0));
	sidepool_reply_free(reply);
	return out;
}

static json_t *row_of(const struct sidepool_result *r, size_t row)
{
	json_t *out = json_array();

	for (size_t i = 0; i < sidepool_nfields(r); i++)
		json_array_append_new(out, sidepool_isnull(r, row, i)
						   ? json_null()
						   : json_stringn(sidepool_value(r, row, i),
								  sidepool_length(r, row, i)));
	return out;
}

static void add_rows(json_t *rows, const struct sidepool_result *r)
{
	for (size_t i = 0; i < sidepool_nrows(r); i++)
		json_array_append_new(rows, row_of(r, i));
}

static json_t *columns_of(const struct sidepool_result *r)
{
	json_t *out = json_array();

	for (size_t i = 0; i < sidepool_nfields(r); i++)
		json_array_append_new(out, json_string(sidepool_fname(r, i)));
	return out;
}

/* All of a result but its rows; those of the last answer count. */
static void put_result(json_t *out, const struct sidepool_result *r)
{
	if (!json_object_get(out, "columns"))
		json_object_set_new(out, "columns", columns_of(r));
	json_object_set_new(out, "tag", json_string(sidepool_command_tag(r)));
	json_object_set_new(out, "affected", json_integer((json_int_t)sidepool_affected_rows(r)));
}

/* One more chunk: puts what it has into `out`. Returns its error, or NULL. */
static json_t *take_chunk(json_t *out, json_t *rows, const struct sidepool_reply *reply)
{
	if (sidepool_code(reply))
		return answer_error(sidepool_error(reply));
	if (sidepool_results(reply) > 0) {
		add_rows(rows, sidepool_result(reply, 0));
		put_result(out, sidepool_result(reply, 0));
	}
	return NULL;
}

/* Takes chunks until the stream ends or there are `take` rows (0: all). Returns the error, or NULL. */
static json_t *take_all(struct sidepool *sp, uint32_t id, json_t *out, json_t *rows,
			json_int_t take)
{
	struct sidepool_reply *reply = sidepool_wait(sp, id);
	struct sidepool_stream stream;
	json_t *error = NULL;

	while (!(error = take_chunk(out, rows, reply)) && sidepool_reply_stream(reply, &stream)) {
		sidepool_reply_free(reply);
		if (take > 0 && (json_int_t)json_array_size(rows) >= take) {
			reply = sidepool_wait(sp, sidepool_stream_close(sp, &stream, NULL));
			break;
		}
		reply = sidepool_wait(sp, sidepool_fetch(sp, &stream, NULL));
	}
	sidepool_reply_free(reply);
	return error;
}

json_t *answer_rows(struct sidepool *sp, uint32_t id)
{
	json_t *out = json_object(), *rows = json_array();
	json_t *error = take_all(sp, id, out, rows, 0);

	json_object_set_new(out, "rows", rows);
	if (!error)
		return ok(out);
	json_decref(out);
	return error;
}

json_t *answer_stream(struct sidepool *sp, uint32_t id, json_int_t take)
{
	json_t *out = json_object(), *rows = json_array();
	json_t *answer = take_all(sp, id, out, rows, take);
	size_t n = json_array_size(rows);

	if (take > 0 && (json_int_t)n > take)
		n = (size_t)take;
	if (!answer && n == 0)
		answer = ok(json_pack("{s:i}", "count", 0));
	else if (!answer)
		answer =
			ok(json_pack("{s:I, s:[O], s:[O]}", "count", (json_int_t)n, "first",
				     json_array_get(rows, 0), "last", json_array_get(rows, n - 1)));
	json_decref(rows);
	json_decref(out);
	return answer;
}

static json_t *one_of_batch(const struct sidepool_result *r)
{
	json_t *out, *rows = json_array();

	if (sidepool_result_error(r)) {
		json_decref(rows);
		return answer_error(sidepool_result_error(r));
	}
	out = json_object();
	add_rows(rows, r);
	put_result(out, r);
	json_object_set_new(out, "rows", rows);
	return out;
}

json_t *answer_batch(struct sidepool_reply *reply)
{
	json_t *results;

	if (sidepool_code(reply))
		return answer_empty(reply);
	results = json_array();
	for (size_t i = 0; i < sidepool_results(reply); i++)
		json_array_append_new(results, one_of_batch(sidepool_result(reply, i)));
	sidepool_reply_free(reply);
	return ok(json_pack("{s:o}", "results", results));
}

json_t *answer_copy(struct sidepool *sp, uint32_t id)
{
	struct sidepool_reply *reply = sidepool_wait(sp, id);
	struct sidepool_stream stream;
	char *data = NULL;
	size_t size = 0, bytes = 0;
	FILE *all = open_memstream(&data, &size);
	json_t *answer;

	while (all && !sidepool_code(reply)) {
		const void *chunk = sidepool_copy_chunk(reply, &bytes);

		if (chunk)
			fwrite(chunk, 1, bytes, all);
		if (!sidepool_reply_stream(reply, &stream))
			break;
		sidepool_reply_free(reply);
		reply = sidepool_wait(sp, sidepool_fetch(sp, &stream, NULL));
	}
	if (!all || fclose(all) != 0)
		abort();
	answer = sidepool_code(reply) ? answer_error(sidepool_error(reply))
				      : ok(json_pack("{s:s%}", "data", data, size));
	sidepool_reply_free(reply);
	free(data);
	return answer;
}
