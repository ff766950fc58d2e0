/* SPDX-License-Identifier: MIT */
/*
 * Requests and answers over a real socket: cut, pipelined, out of order, repeated, large, and to
 * peers that have left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sp/frame.h"
#include "sp_fixture.h"
#include "util/buf.h"
#include "util/macro.h"

static void put_request(struct buf *b, uint32_t id, const void *body, size_t len)
{
	struct sp_request r = { .n_words = 1, .words = { htonl(SP_REQUEST_ID_BIT | id) } };
	uint8_t *at = buf_reserve(b, sp_frame_header_bytes(&r) + len);
	size_t n = sp_frame_write_header(at, &r, len);

	memcpy(at + n, body, len);
	buf_added(b, n + len);
}

static void test_a_request_is_answered_with_its_id(void **state)
{
	struct fixture *f = *state;
	char body[8] = "";
	size_t len;
	int fd;

	fixture_start(f);
	fd = peer_open(f);
	assert_int_equal(f->n_open, 1);
	peer_request(f, fd, 42, "hello", 5);
	assert_int_equal(peer_answer(f, fd, body, sizeof(body), &len), 42);
	assert_int_equal(len, 5);
	assert_string_equal(body, "hello");
	peer_close(f, fd);
	assert_int_equal(f->n_close, 1);
}

static void test_the_peer_is_known_by_the_kernel(void **state)
{
	struct fixture *f = *state;
	const struct sp_peer *peer;
	int fd;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 1, "", 0);
	fixture_run(f);
	assert_int_equal(f->n_seen, 1);
	peer = sp_conn_peer(f->seen[0].conn);
	assert_int_equal(peer->uid, getuid());
	assert_int_equal(peer->gid, getgid());
	assert_int_equal(peer->pid, getpid());
	assert_int_equal(sp_conn_serial(f->seen[0].conn), 1);
	peer_close(f, fd);
}

static void test_single_bytes_make_requests(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_NULL;
	uint8_t greeting[SP_GREETING_BYTES];
	char body[8] = "";
	int fd;

	fixture_start(f);
	fd = peer_connect(f);
	assert_int_equal(buf_append(&b, sp_greeting_req, SP_GREETING_BYTES), 0);
	for (uint32_t i = 1; i <= 3; i++)
		put_request(&b, i, "abc", 3);
	for (size_t i = 0; i < buf_len(&b); i++) {
		peer_send(f, fd, buf_at(&b) + i, 1);
		fixture_run(f);
	}
	peer_read(f, fd, greeting, sizeof(greeting));
	for (uint32_t i = 1; i <= 3; i++) {
		assert_int_equal(peer_answer(f, fd, body, sizeof(body), NULL), i);
		assert_string_equal(body, "abc");
	}
	assert_int_equal(sp_server_counts(f->server)->partial_bytes, 0);
	peer_close(f, fd);
	buf_deinit(&b);
}

static void test_answers_come_in_any_order(void **state)
{
	enum { N = 1000 };
	struct fixture *f = *state;
	struct buf b = BUF_NULL;
	uint32_t body;
	int fd;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	for (uint32_t i = 0; i < N; i++)
		put_request(&b, i, &i, sizeof(i));
	peer_send(f, fd, buf_at(&b), buf_len(&b));
	fixture_run(f);
	assert_int_equal(f->n_seen, N);
	assert_int_equal(sp_conn_requests(f->seen[0].conn), N);
	for (uint32_t i = 0; i < N; i++)
		fixture_answer(f, (i * 7 + 3) % N);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(peer_answer(f, fd, &body, sizeof(body), NULL), (i * 7 + 3) % N);
		assert_int_equal(body, (i * 7 + 3) % N);
	}
	assert_int_equal(sp_conn_requests(f->seen[0].conn), 0);
	assert_int_equal(sp_server_counts(f->server)->requests, 0);
	peer_close(f, fd);
	buf_deinit(&b);
}

static void test_hops_are_sent_back(void **state)
{
	struct fixture *f = *state;
	struct sp_request r = { .n_words = SP_REQUEST_WORDS_MAX };
	uint8_t message[SP_HEADER_BYTES + sizeof(r.words) + 2], answer[sizeof(message)];
	size_t n;
	int fd;

	fixture_start(f);
	fd = peer_open(f);
	for (uint32_t i = 0; i < SP_HOPS_MAX; i++)
		r.words[i] = htonl(1000 + i);
	r.words[SP_HOPS_MAX] = htonl(SP_REQUEST_ID_BIT | 5);
	n = sp_frame_write_header(message, &r, 2);
	memcpy(message + n, "ok", 2);
	peer_send(f, fd, message, sizeof(message));
	peer_read(f, fd, answer, sizeof(answer));
	assert_memory_equal(answer, message, sizeof(message));
	peer_close(f, fd);
}

static void test_a_repeated_request_is_not_handed_up_twice(void **state)
{
	struct fixture *f = *state;
	int fd, other;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	other = peer_open(f);
	peer_request(f, fd, 1, "a", 1);
	peer_request(f, fd, 1, "a", 1);
	peer_request(f, other, 1, "b", 1);
	fixture_run(f);
	peer_request(f, fd, 1, "a", 1);
	fixture_run(f);
	assert_int_equal(f->n_seen, 2);
	assert_int_equal(sp_server_counts(f->server)->duplicates_total, 2);
	fixture_answer(f, 0);
	assert_int_equal(peer_answer(f, fd, NULL, 0, NULL), 1);
	/* Answered: the id is free, and nothing more comes for the repetitions. */
	peer_request(f, fd, 1, "c", 1);
	fixture_run(f);
	assert_int_equal(f->n_seen, 3);
	fixture_answer(f, 2);
	assert_int_equal(peer_answer(f, fd, NULL, 0, NULL), 1);
	assert_int_equal(sp_server_counts(f->server)->replies_total, 2);
	peer_close(f, fd);
	peer_close(f, other);
}

static void test_a_dropped_request_may_come_again(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 1, "a", 1);
	fixture_run(f);
	sp_request_drop(f->seen[0].conn, &f->seen[0].request);
	assert_int_equal(sp_conn_requests(f->seen[0].conn), 0);
	peer_request(f, fd, 1, "a", 1);
	fixture_run(f);
	assert_int_equal(f->n_seen, 2);
	peer_close(f, fd);
	sp_request_drop(f->seen[1].conn, &f->seen[1].request);
}

static void test_an_answer_may_be_begun_anew(void **state)
{
	struct fixture *f = *state;
	char body[8] = "";
	int fd;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 9, "a", 1);
	fixture_run(f);
	assert_non_null(sp_reply_begin(f->seen[0].conn, &f->seen[0].request, 1 << 20));
	sp_reply_cancel(f->seen[0].conn);
	assert_int_equal(sp_conn_requests(f->seen[0].conn), 1);
	sp_reply(f->seen[0].conn, &f->seen[0].request, "error", 5);
	assert_int_equal(peer_answer(f, fd, body, sizeof(body), NULL), 9);
	assert_string_equal(body, "error");
	peer_close(f, fd);
}

static void test_large_messages_pass_unharmed(void **state)
{
	static const size_t sizes[] = {
		1000, 65535, 65536, 65537, 300000, 1 << 20, (16 << 20) - 4
	};
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = peer_open(f);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t *body = malloc(sizes[i]), *back = malloc(sizes[i]);
		size_t len;

		for (size_t k = 0; k < sizes[i]; k++)
			body[k] = (uint8_t)(k * 7 + (k >> 9));
		peer_request(f, fd, (uint32_t)i, body, sizes[i]);
		assert_int_equal(peer_answer(f, fd, back, sizes[i], &len), i);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(back, body, len);
		free(body);
		free(back);
	}
	assert_int_equal(sp_server_counts(f->server)->partial_bytes, 0);
	assert_int_equal(sp_server_counts(f->server)->output_bytes, 0);
	peer_close(f, fd);
}

static void test_an_answer_to_one_that_has_left_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct sp_conn *c;
	int fd;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 1, "a", 1);
	peer_request(f, fd, 2, "b", 1);
	fixture_run(f);
	c = f->seen[0].conn;
	peer_close(f, fd);
	assert_int_equal(f->n_close, 1);
	assert_false(sp_conn_is_open(c));
	assert_null(sp_reply_begin(c, &f->seen[0].request, 10));
	fixture_answer(f, 0);
	fixture_answer(f, 1);
	sp_conn_close(c);
	sp_conn_finish(c);
	assert_int_equal(f->n_close, 1);
	assert_int_equal(sp_conn_requests(c), 0);
	assert_int_equal(sp_server_counts(f->server)->requests, 0);
	assert_int_equal(sp_server_counts(f->server)->connections, 0);
}

static void test_one_that_leaves_with_answers_unwritten_is_noticed(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 1, "a", 1);
	fixture_run(f);
	(void)close(fd);
	fixture_answer(f, 0);
	fixture_run(f);
	assert_int_equal(f->n_close, 1);
	assert_int_equal(sp_server_counts(f->server)->output_bytes, 0);
}

static void test_closing_within_a_callback_is_safe(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_NULL;
	int fd;

	fixture_start(f);
	f->close_on_message = true;
	fd = peer_open(f);
	for (uint32_t i = 0; i < 10; i++)
		put_request(&b, i, "abc", 3);
	peer_send(f, fd, buf_at(&b), buf_len(&b));
	assert_true(peer_is_closed(f, fd));
	peer_close(f, fd);
	assert_int_equal(f->n_close, 1);
	f->close_on_open = true;
	fd = peer_connect(f);
	peer_send(f, fd, sp_greeting_req, SP_GREETING_BYTES);
	assert_true(peer_is_closed(f, fd));
	peer_close(f, fd);
	assert_int_equal(f->n_close, 2);
	buf_deinit(&b);
}

static void test_freeing_the_server_within_a_callback_is_safe(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_NULL;
	int fd, other;

	fixture_start(f);
	f->free_on_message = true;
	fd = peer_open(f);
	other = peer_open(f);
	for (uint32_t i = 0; i < 10; i++)
		put_request(&b, i, "abc", 3);
	peer_send(f, fd, buf_at(&b), buf_len(&b) - 1);
	assert_true(peer_is_closed(f, fd));
	assert_true(peer_is_closed(f, other));
	assert_int_equal(f->n_close, 2);
	(void)close(fd);
	(void)close(other);
	buf_deinit(&b);
}

static void test_finishing_writes_everything_first(void **state)
{
	enum { LEN = 3 << 20 };
	struct fixture *f = *state;
	uint8_t *body = calloc(1, LEN), *back = calloc(1, LEN);
	size_t len;
	int fd;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 1, "a", 1);
	fixture_run(f);
	memset(body, 'x', LEN);
	sp_reply(f->seen[0].conn, &f->seen[0].request, body, LEN);
	sp_conn_finish(f->seen[0].conn);
	fixture_run(f);
	assert_true(sp_conn_is_open(f->seen[0].conn));
	assert_int_equal(peer_answer(f, fd, back, LEN, &len), 1);
	assert_int_equal(len, LEN);
	assert_memory_equal(back, body, LEN);
	assert_true(peer_is_closed(f, fd));
	assert_int_equal(f->n_close, 1);
	peer_close(f, fd);
	free(body);
	free(back);
}

static void close_odd(struct sp_conn *c, void *userdata)
{
	unsigned *n = userdata;

	(*n)++;
	if (sp_conn_serial(c) % 2 == 1)
		sp_conn_close(c);
}

static void test_each_connection_is_visited_also_while_they_close(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;
	int fds[6];

	fixture_start(f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = peer_open(f);
	sp_server_for_each(f->server, close_odd, &n);
	assert_int_equal(n, 6);
	assert_int_equal(f->n_close, 3);
	n = 0;
	sp_server_for_each(f->server, close_odd, &n);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		peer_close(f, fds[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_request_is_answered_with_its_id),
		TEST(test_the_peer_is_known_by_the_kernel),
		TEST(test_single_bytes_make_requests),
		TEST(test_answers_come_in_any_order),
		TEST(test_hops_are_sent_back),
		TEST(test_a_repeated_request_is_not_handed_up_twice),
		TEST(test_a_dropped_request_may_come_again),
		TEST(test_an_answer_may_be_begun_anew),
		TEST(test_large_messages_pass_unharmed),
		TEST(test_an_answer_to_one_that_has_left_is_dropped),
		TEST(test_one_that_leaves_with_answers_unwritten_is_noticed),
		TEST(test_closing_within_a_callback_is_safe),
		TEST(test_freeing_the_server_within_a_callback_is_safe),
		TEST(test_finishing_writes_everything_first),
		TEST(test_each_connection_is_visited_also_while_they_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
