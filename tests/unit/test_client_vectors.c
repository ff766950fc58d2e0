/* SPDX-License-Identifier: MIT */
/* tests/conformance/vectors.json, as libsidepool reads and writes it. Cut inputs end where a
 * sanitizer would notice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_fixture.h"
#include "inbox.h"
#include "reply.h"
#include "rows.h"

struct bytes_vector {
	const char *name;
	const char *bytes;
	size_t len;
};

struct frame_vector {
	const char *name;
	uint32_t id;
	const char *message;
	size_t message_len;
	const char *bytes;
	size_t len;
};

struct rows_vector {
	const char *name;
	size_t columns;
	size_t n_rows;
	const char *bytes;
	size_t len;
	const char *cells; /* for each value its length and ';', or N */
};

struct response_vector {
	const char *name;
	const char *bytes;
	size_t len;
	const char *dump;
};

#include "client-vectors.h"

#define EACH(v, table)                                                                             \
	for (const __typeof__((table)[0]) *v = (table);                                            \
	     v < (table) + sizeof(table) / sizeof((table)[0]); v++)

static void test_frames_are_written(void **state)
{
	(void)state;
	EACH(v, frames)
	{
		struct requests all;
		struct request *q;

		requests_init(&all, 4, 0);
		q = request_new(&all);
		bytes_put(&q->frame, v->message, v->message_len);
		q->id = v->id;
		assert_int_equal(request_seal(q, 0), v->len);
		assert_memory_equal(q->frame.data + q->start, v->bytes, v->len);
		request_free(&all, q);
		requests_deinit(&all);
	}
}

/* Feeds all bytes, in pieces of `step`. Returns what the last inbox_next() said. */
static int feed(struct inbox *in, struct replies *replies, const char *bytes, size_t len,
		size_t step, uint32_t *ret_id, struct sidepool_reply **ret_reply, size_t *ret_len)
{
	int pair[2], r = INBOX_E_MORE;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (size_t at = 0; at < len && r == INBOX_E_MORE; at += step) {
		size_t n = len - at < step ? len - at : step;

		assert_int_equal(write(pair[0], bytes + at, n), n);
		assert_int_equal(inbox_read(in, pair[1], false), n);
		r = inbox_next(in, replies, ret_id, ret_reply, ret_len);
	}
	close(pair[0]);
	close(pair[1]);
	return r;
}

static void test_frames_are_read_however_they_are_cut(void **state)
{
	(void)state;
	EACH(v, frames)
	{
		for (size_t step = 1; step <= v->len; step++) {
			struct inbox in = { .data = NULL };
			struct sidepool_reply *reply;
			struct replies replies;
			uint32_t id;
			size_t len;

			replies_init(&replies, 0);
			assert_int_equal(
				feed(&in, &replies, v->bytes, v->len, step, &id, &reply, &len), 0);
			assert_int_equal(id, v->id);
			assert_int_equal(len, v->message_len);
			assert_memory_equal(reply->body.data, v->message, len);
			sidepool_reply_free(reply);
			replies_deinit(&replies);
			inbox_deinit(&in);
		}
	}
}

static void test_broken_frames_are_refused(void **state)
{
	(void)state;
	EACH(v, broken_frames)
	{
		struct inbox in = { .data = NULL };
		struct sidepool_reply *reply;
		struct replies replies;
		uint32_t id;
		size_t len;

		replies_init(&replies, 0);
		assert_int_equal(feed(&in, &replies, v->bytes, v->len, v->len, &id, &reply, &len),
				 INBOX_E_BROKEN);
		replies_deinit(&replies);
		inbox_deinit(&in);
	}
}

/* A copy with one byte to spare, as rows_index() wants it. */
static uint8_t *copy(const char *bytes, size_t len)
{
	uint8_t *data = malloc(len + 1);

	assert_non_null(data);
	memcpy(data, bytes, len);
	return data;
}

static void test_rows_are_read(void **state)
{
	(void)state;
	EACH(v, rows)
	{
		struct bytes cells = { .data = NULL };
		uint8_t *data = copy(v->bytes, v->len);
		const char *expected = v->cells;
		size_t n = v->columns * v->n_rows;
		const struct cell *cell;

		assert_true(rows_index(data, v->len, n, &cells));
		cell = (const struct cell *)(const void *)cells.data;
		for (size_t i = 0; i < n; i++, cell++) {
			long length =
				*expected == 'N' ? -1 : strtol(expected, (char **)&expected, 10);

			expected++;
			assert_int_equal(cell->length, length);
			if (length < 0)
				continue;
			assert_memory_equal(data + cell->offset, v->bytes + cell->offset,
					    (size_t)length);
			assert_int_equal(data[cell->offset + (size_t)length], 0);
		}
		assert_int_equal(*expected, '\0');
		bytes_deinit(&cells);
		free(data);
	}
}

/* The rows of a vector as parameters give its bytes again. */
static void test_rows_are_written(void **state)
{
	(void)state;
	EACH(v, rows)
	{
		struct bytes cells = { .data = NULL }, out = { .data = NULL };
		uint8_t *data = copy(v->bytes, v->len);
		size_t n = v->columns * v->n_rows, lengths[16];
		const char *values[16];
		const struct cell *cell;
		struct sidepool_params params = { .count = n,
						  .values = values,
						  .lengths = lengths };

		assert_true(rows_index(data, v->len, n, &cells));
		cell = (const struct cell *)(const void *)cells.data;
		for (size_t i = 0; i < n; i++) {
			values[i] = cell[i].length < 0 ? NULL : (const char *)data + cell[i].offset;
			lengths[i] = cell[i].length < 0 ? 0 : (size_t)cell[i].length;
		}
		assert_int_equal(rows_params_bytes(&params), v->len);
		assert_true(rows_put_params(&out, &params));
		assert_int_equal(out.len, v->len);
		if (v->len > 0)
			assert_memory_equal(out.data, v->bytes, v->len);
		bytes_deinit(&cells);
		bytes_deinit(&out);
		free(data);
	}
}

static void test_broken_rows_are_refused(void **state)
{
	(void)state;
	EACH(v, broken_rows)
	{
		struct bytes cells = { .data = NULL };
		uint8_t *data = copy(v->bytes, v->len);

		assert_false(rows_index(data, v->len, v->columns * v->n_rows, &cells));
		bytes_deinit(&cells);
		free(data);
	}
}

static void test_requests_are_what_our_messages_say(void **state)
{
	(void)state;
	EACH(v, requests)
	{
		Sidepool__V1__Request *m =
			sidepool__v1__request__unpack(NULL, v->len, (const uint8_t *)v->bytes);
		uint8_t again[1024];

		assert_non_null(m);
		assert_int_not_equal(m->kind_case, SIDEPOOL__V1__REQUEST__KIND__NOT_SET);
		assert_int_equal(sidepool__v1__request__get_packed_size(m), v->len);
		sidepool__v1__request__pack(m, again);
		assert_memory_equal(again, v->bytes, v->len);
		sidepool__v1__request__free_unpacked(m, NULL);
	}
}

static void dump_result(FILE *out, const struct sidepool_result *r)
{
	const struct sidepool_error *notice;

	fprintf(out, "result %s %llu %d\n", sidepool_command_tag(r),
		(unsigned long long)sidepool_affected_rows(r), sidepool_more(r));
	for (size_t c = 0; c < sidepool_nfields(r); c++)
		fprintf(out, "column %s %u %d %d %u %u\n", sidepool_fname(r, c),
			sidepool_ftype(r, c), sidepool_fmod(r, c), sidepool_fsize(r, c),
			sidepool_ftable(r, c), sidepool_fcolumn(r, c));
	for (size_t row = 0; row < sidepool_nrows(r); row++) {
		fputs("row", out);
		for (size_t c = 0; c < sidepool_nfields(r); c++)
			fprintf(out, sidepool_isnull(r, row, c) ? " NULL" : " '%s'",
				sidepool_value(r, row, c));
		fputc('\n', out);
	}
	for (size_t i = 0; (notice = sidepool_notice(r, i)); i++)
		fprintf(out, "notice %s\n", sidepool_error_message(notice));
}

static void dump_error(FILE *out, const struct sidepool_error *e)
{
	static const char *const outcomes[] = { "", "not sent", "failed", "unknown" };

	fprintf(out, "error %d %s: %s %s %u %d %u\n", sidepool_error_code(e),
		outcomes[sidepool_error_outcome(e)], sidepool_error_message(e),
		sidepool_error_sqlstate(e), sidepool_error_position(e), sidepool_error_retryable(e),
		sidepool_error_retry_after_ms(e));
}

static void dump(FILE *out, const struct sidepool_reply *reply)
{
	struct sidepool_stream stream;
	struct sidepool_lease lease;

	for (size_t i = 0; i < sidepool_results(reply); i++)
		dump_result(out, sidepool_result(reply, i));
	if (sidepool_reply_stream(reply, &stream))
		fputs("stream\n", out);
	if (sidepool_reply_lease(reply, &lease))
		fprintf(out, "lease %llu %llu %u %u\n",
			(unsigned long long)sidepool_lease_id(&lease),
			(unsigned long long)sidepool_lease_token(&lease),
			sidepool_lease_expires_ms(&lease), sidepool_lease_backend_pid(&lease));
	if (sidepool_transaction_status(reply) == SIDEPOOL_TRANSACTION_ACTIVE)
		fputs("transaction\n", out);
	if (sidepool_error(reply))
		dump_error(out, sidepool_error(reply));
}

/* The text of a message of `len` bytes; NULL: it was refused. */
static char *read_message(const char *bytes, size_t len)
{
	struct replies replies;
	struct sidepool_reply *reply;
	size_t size;
	char *text = NULL;
	FILE *out;

	replies_init(&replies, 0);
	reply = reply_new(&replies);
	assert_non_null(reply_reserve(reply, len));
	memcpy(reply->body.data, bytes, len);
	if (reply_parse(reply, len, NULL) == 0) {
		out = open_memstream(&text, &size);
		dump(out, reply);
		fclose(out);
	}
	sidepool_reply_free(reply);
	replies_deinit(&replies);
	return text;
}

static void test_responses_are_read(void **state)
{
	(void)state;
	EACH(v, responses)
	{
		char *text = read_message(v->bytes, v->len);

		assert_non_null(text);
		assert_string_equal(text, v->dump);
		free(text);
	}
}

/* Every beginning of every answer, and every answer with one byte changed: read or refused, within
 * its memory. */
static void test_damaged_responses_do_no_harm(void **state)
{
	unsigned refused = 0;

	(void)state;
	EACH(v, responses)
	{
		for (size_t len = 0; len < v->len; len++) {
			char *text = read_message(v->bytes, len);

			refused += !text;
			free(text);
		}
		for (size_t at = 0; at < v->len; at++) {
			char *damaged = (char *)copy(v->bytes, v->len);

			for (int bit = 0; bit < 8; bit++) {
				damaged[at] = (char)(v->bytes[at] ^ 1 << bit);
				free(read_message(damaged, v->len));
			}
			free(damaged);
		}
	}
	assert_int_not_equal(refused, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_written),
		cmocka_unit_test(test_frames_are_read_however_they_are_cut),
		cmocka_unit_test(test_broken_frames_are_refused),
		cmocka_unit_test(test_rows_are_read),
		cmocka_unit_test(test_rows_are_written),
		cmocka_unit_test(test_broken_rows_are_refused),
		cmocka_unit_test(test_requests_are_what_our_messages_say),
		cmocka_unit_test(test_responses_are_read),
		cmocka_unit_test(test_damaged_responses_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
