/* SPDX-License-Identifier: MIT */
/* The framing, byte by byte: every message however the stream is cut, all ways to break it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sp/frame.h"
#include "util/buf.h"
#include "util/macro.h"

enum {
	MAX_BODY_BYTES = 100000,
	N_MESSAGES = 6,
};

/* What is expected of the stream that make_stream() makes: body lengths and numbers of hops. */
static const struct {
	size_t body_len;
	uint32_t n_hops;
} expected[N_MESSAGES] = {
	{ 0, 0 }, { 1, 0 }, { 300, 2 }, { 7, SP_HOPS_MAX }, { 700, 1 }, { 3, 0 }
};

static uint8_t body_byte(size_t message, size_t i)
{
	return (uint8_t)(message * 37 + i * 11 + 5);
}

static struct sp_request make_request(size_t message, uint32_t n_hops)
{
	struct sp_request r = { .n_words = n_hops + 1 };

	for (uint32_t i = 0; i < n_hops; i++)
		r.words[i] = htonl((uint32_t)message * 100 + i);
	r.words[n_hops] = htonl(SP_REQUEST_ID_BIT | (uint32_t)message);
	return r;
}

static void put_message(struct buf *b, size_t message, uint32_t n_hops, size_t body_len)
{
	struct sp_request r = make_request(message, n_hops);
	uint8_t *at = buf_reserve(b, sp_frame_header_bytes(&r) + body_len);
	size_t n;

	assert_non_null(at);
	n = sp_frame_write_header(at, &r, body_len);
	for (size_t i = 0; i < body_len; i++)
		at[n + i] = body_byte(message, i);
	buf_added(b, n + body_len);
}

static struct buf make_stream(void)
{
	struct buf b = BUF_NULL;

	assert_int_equal(buf_append(&b, sp_greeting_req, SP_GREETING_BYTES), 0);
	for (size_t i = 0; i < N_MESSAGES; i++)
		put_message(&b, i, expected[i].n_hops, expected[i].body_len);
	return b;
}

struct reader {
	struct sp_frame frame;
	bool greeted;
	size_t n_messages;
	enum sp_frame_result last;
};

static void check_message(size_t message, const struct sp_frame_message *m)
{
	struct sp_request r;

	assert_true(message < N_MESSAGES);
	r = make_request(message, expected[message].n_hops);
	assert_true(sp_request_equal(&m->request, &r));
	assert_int_equal(sp_request_id(&m->request), SP_REQUEST_ID_BIT | message);
	assert_int_equal(m->len, expected[message].body_len);
	for (size_t i = 0; i < m->len; i++)
		assert_int_equal(m->body[i], body_byte(message, i));
}

/*
 * Takes out what is complete, `most` things at the most, and checks each message against what is
 * expected.
 */
static void take(struct reader *r, size_t most)
{
	struct sp_frame_message m;

	while (most-- > 0) {
		r->last = sp_frame_next(&r->frame, MAX_BODY_BYTES, &m);
		if (r->last == SP_FRAME_GREETED)
			r->greeted = true;
		else if (r->last == SP_FRAME_MESSAGE)
			check_message(r->n_messages++, &m);
		else
			return;
	}
}

/* Feeds a copy that is overwritten afterwards, as a reader's own buffer is. */
static void feed(struct reader *r, const uint8_t *data, size_t len, size_t at_once)
{
	while (len > 0) {
		size_t n = MIN(len, at_once);
		size_t space_len;
		uint8_t *space = sp_frame_space(&r->frame, &space_len);
		uint8_t *copy = space ? NULL : malloc(n);

		if (space)
			n = MIN(n, space_len);
		memcpy(space ? space : copy, data, n);
		sp_frame_feed(&r->frame, space ? space : copy, n);
		take(r, SIZE_MAX);
		if (copy)
			memset(copy, 0xee, n);
		free(copy);
		data += n;
		len -= n;
	}
}

static void assert_all_came(struct reader *r)
{
	assert_true(r->greeted);
	assert_int_equal(r->n_messages, N_MESSAGES);
	assert_int_equal(r->last, SP_FRAME_MORE);
	assert_false(sp_frame_is_partial(&r->frame));
	assert_int_equal(sp_frame_memory(&r->frame), 0);
}

static void test_every_split_in_two_gives_the_same_messages(void **state)
{
	struct buf b = make_stream();

	(void)state;
	for (size_t cut = 1; cut < buf_len(&b); cut++) {
		struct reader r = { .greeted = false };

		sp_frame_init(&r.frame);
		feed(&r, buf_at(&b), cut, SIZE_MAX);
		feed(&r, buf_at(&b) + cut, buf_len(&b) - cut, SIZE_MAX);
		assert_all_came(&r);
		sp_frame_deinit(&r.frame);
	}
	buf_deinit(&b);
}

static void test_pieces_of_every_size_give_the_same_messages(void **state)
{
	struct buf b = make_stream();

	(void)state;
	for (size_t piece = 1; piece <= buf_len(&b); piece++) {
		struct reader r = { .greeted = false };

		sp_frame_init(&r.frame);
		feed(&r, buf_at(&b), buf_len(&b), piece);
		assert_all_came(&r);
		sp_frame_deinit(&r.frame);
	}
	buf_deinit(&b);
}

static void test_two_cuts_close_together_give_the_same_messages(void **state)
{
	struct buf b = make_stream();

	(void)state;
	for (size_t cut = 1; cut + 12 < buf_len(&b); cut++) {
		for (size_t gap = 1; gap <= 12; gap++) {
			struct reader r = { .greeted = false };

			sp_frame_init(&r.frame);
			feed(&r, buf_at(&b), cut, SIZE_MAX);
			feed(&r, buf_at(&b) + cut, gap, SIZE_MAX);
			feed(&r, buf_at(&b) + cut + gap, buf_len(&b) - cut - gap, SIZE_MAX);
			assert_all_came(&r);
			sp_frame_deinit(&r.frame);
		}
	}
	buf_deinit(&b);
}

static void test_a_parked_stream_goes_on_where_it_stopped(void **state)
{
	struct buf b = make_stream();

	(void)state;
	for (size_t stop = 1; stop <= N_MESSAGES; stop++) {
		for (size_t cut = 1; cut < buf_len(&b); cut++) {
			struct reader r = { .greeted = false };
			uint8_t *copy = malloc(cut);

			memcpy(copy, buf_at(&b), cut);
			sp_frame_init(&r.frame);
			sp_frame_feed(&r.frame, copy, cut);
			take(&r, stop);
			assert_int_equal(sp_frame_park(&r.frame), 0);
			memset(copy, 0xee, cut);
			free(copy);
			/* Parked twice is parked. */
			take(&r, 1);
			assert_int_equal(sp_frame_park(&r.frame), 0);
			take(&r, SIZE_MAX);
			assert_int_equal(r.last, SP_FRAME_MORE);
			feed(&r, buf_at(&b) + cut, buf_len(&b) - cut, SIZE_MAX);
			assert_all_came(&r);
			sp_frame_deinit(&r.frame);
		}
	}
	buf_deinit(&b);
}

static struct reader greeted_reader(void)
{
	struct reader r = { .greeted = false };
	uint8_t greeting[SP_GREETING_BYTES];

	memcpy(greeting, sp_greeting_req, sizeof(greeting));
	sp_frame_init(&r.frame);
	sp_frame_feed(&r.frame, greeting, sizeof(greeting));
	take(&r, SIZE_MAX);
	assert_true(r.greeted);
	return r;
}

static void test_a_long_message_is_read_into_its_own_memory(void **state)
{
	struct reader r = greeted_reader();
	uint8_t header[SP_HEADER_BYTES] = { SP_MESSAGE_TYPE, 0, 0, 0, 0, 0, 1, 0x86, 0xa0 };
	struct sp_frame_message m;
	size_t got = 0, len, reads = 0;
	uint8_t *space;

	(void)state;
	feed(&r, header, sizeof(header), SIZE_MAX);
	while (got < MAX_BODY_BYTES) {
		space = sp_frame_space(&r.frame, &len);
		if (!space) {
			uint8_t rest[65536];

			len = MIN(sizeof(rest), MAX_BODY_BYTES - got);
			for (size_t i = 0; i < len; i++)
				rest[i] = (uint8_t)((got + i) | 0x80);
			sp_frame_feed(&r.frame, rest, len);
			got += len;
			reads++;
			r.last = sp_frame_next(&r.frame, MAX_BODY_BYTES, &m);
			continue;
		}
		/* Memory follows what has come. */
		assert_true(sp_frame_memory(&r.frame) <= 2 * got + 512);
		for (size_t i = 0; i < len; i++)
			space[i] = (uint8_t)((got + i) | 0x80);
		sp_frame_feed(&r.frame, space, len);
		got += len;
		reads++;
		r.last = sp_frame_next(&r.frame, MAX_BODY_BYTES, &m);
	}
	assert_int_equal(got, MAX_BODY_BYTES);
	assert_true(reads < 16);
	assert_int_equal(r.last, SP_FRAME_MESSAGE);
	assert_int_equal(m.len, MAX_BODY_BYTES - 4);
	for (size_t i = 0; i < m.len; i++)
		assert_int_equal(m.body[i], (uint8_t)((i + 4) | 0x80));
	sp_frame_deinit(&r.frame);
}

static void test_an_announcement_takes_no_memory(void **state)
{
	struct reader r = greeted_reader();
	uint8_t header[SP_HEADER_BYTES + 1] = {
		SP_MESSAGE_TYPE, 0, 0, 0, 0, 0, 1, 0x86, 0xa0, 0x80
	};

	(void)state;
	feed(&r, header, sizeof(header), SIZE_MAX);
	assert_int_equal(r.last, SP_FRAME_MORE);
	assert_true(sp_frame_is_partial(&r.frame));
	assert_true(sp_frame_memory(&r.frame) <= 512);
	sp_frame_deinit(&r.frame);
}

static void assert_refused(const uint8_t *data, size_t len, enum sp_frame_result why)
{
	for (size_t piece = 1; piece <= len; piece++) {
		struct reader r = greeted_reader();
		size_t fed = 0;

		while (fed < len && r.last <= SP_FRAME_MESSAGE) {
			size_t n = MIN(piece, len - fed);

			feed(&r, data + fed, n, SIZE_MAX);
			fed += n;
		}
		assert_int_equal(r.last, why);
		assert_int_equal(r.n_messages, 0);
		sp_frame_deinit(&r.frame);
	}
}

static void test_a_wrong_type_is_refused(void **state)
{
	static const uint8_t data[] = { 2, 0, 0, 0, 0, 0, 0, 0, 4, 0x80, 0, 0, 0 };

	(void)state;
	assert_refused(data, sizeof(data), SP_FRAME_E_TYPE);
}

static void test_a_length_over_the_limit_is_refused_by_its_header(void **state)
{
	static const uint8_t one_more[] = { 1, 0, 0, 0, 0, 0, 1, 0x86, 0xa1 };
	static const uint8_t most[] = { 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t wraps[] = { 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf7 };

	(void)state;
	assert_refused(one_more, sizeof(one_more), SP_FRAME_E_LENGTH);
	assert_refused(most, sizeof(most), SP_FRAME_E_LENGTH);
	assert_refused(wraps, sizeof(wraps), SP_FRAME_E_LENGTH);
}

static void test_a_body_without_request_id_is_refused(void **state)
{
	static const uint8_t empty[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t three[] = { 1, 0, 0, 0, 0, 0, 0, 0, 3, 0x80, 0, 0 };
	static const uint8_t hop_only[] = { 1, 0, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0, 0, 0 };
	static const uint8_t hop_and_half[] = { 1, 0, 0, 0, 0, 0, 0, 0, 6, 0x7f, 0, 0, 0, 0x80, 0 };

	(void)state;
	assert_refused(empty, sizeof(empty), SP_FRAME_E_NO_ID);
	assert_refused(three, sizeof(three), SP_FRAME_E_NO_ID);
	assert_refused(hop_only, sizeof(hop_only), SP_FRAME_E_NO_ID);
	assert_refused(hop_and_half, sizeof(hop_and_half), SP_FRAME_E_NO_ID);
}

static void test_nine_hops_are_refused(void **state)
{
	uint8_t data[SP_HEADER_BYTES + 4 * (SP_HOPS_MAX + 2)] = { 1, 0, 0,
								  0, 0, 0,
								  0, 0, 4 * (SP_HOPS_MAX + 2) };

	(void)state;
	data[sizeof(data) - 4] = 0x80;
	assert_refused(data, sizeof(data), SP_FRAME_E_HOPS);
}

static void test_a_wrong_greeting_is_refused_at_its_first_wrong_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < SP_GREETING_BYTES; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			struct sp_frame f;
			struct sp_frame_message m;
			uint8_t greeting[SP_GREETING_BYTES];

			memcpy(greeting, sp_greeting_req, sizeof(greeting));
			greeting[i] ^= (uint8_t)flip;
			sp_frame_init(&f);
			sp_frame_feed(&f, greeting, i);
			assert_int_equal(sp_frame_next(&f, MAX_BODY_BYTES, &m), SP_FRAME_MORE);
			sp_frame_feed(&f, greeting + i, 1);
			assert_int_equal(sp_frame_next(&f, MAX_BODY_BYTES, &m),
					 SP_FRAME_E_GREETING);
			sp_frame_deinit(&f);
		}
	}
}

static void test_every_result_has_a_sentence(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SP_FRAME_N; i++)
		assert_string_not_equal(sp_frame_result_to_string((enum sp_frame_result)i),
					"unknown");
	assert_string_equal(sp_frame_result_to_string(SP_FRAME_N), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_split_in_two_gives_the_same_messages),
		cmocka_unit_test(test_pieces_of_every_size_give_the_same_messages),
		cmocka_unit_test(test_two_cuts_close_together_give_the_same_messages),
		cmocka_unit_test(test_a_parked_stream_goes_on_where_it_stopped),
		cmocka_unit_test(test_a_long_message_is_read_into_its_own_memory),
		cmocka_unit_test(test_an_announcement_takes_no_memory),
		cmocka_unit_test(test_a_wrong_type_is_refused),
		cmocka_unit_test(test_a_length_over_the_limit_is_refused_by_its_header),
		cmocka_unit_test(test_a_body_without_request_id_is_refused),
		cmocka_unit_test(test_nine_hops_are_refused),
		cmocka_unit_test(test_a_wrong_greeting_is_refused_at_its_first_wrong_byte),
		cmocka_unit_test(test_every_result_has_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
