/* SPDX-License-Identifier: MIT */
/*
 * What a hostile or broken peer can do, and what it costs: every limit, every timeout, every
 * allocation that fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sp/frame.h"
#include "sp/state.h"
#include "sp_fixture.h"
#include "util/macro.h"

static void test_an_idle_connection_is_small(void **state)
{
	(void)state;
	/* Nothing else is allocated for it: see test_idle_connections_hold_no_buffers. */
	assert_true(sizeof(struct sp_conn) <= 1024);
}

static void test_idle_connections_hold_no_buffers(void **state)
{
	struct fixture *f = *state;
	struct sp_conn *c;
	int fd;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 1, "abc", 3);
	fixture_run(f);
	c = f->seen[0].conn;
	assert_non_null(c->flight.slots);
	fixture_answer(f, 0);
	assert_int_equal(peer_answer(f, fd, NULL, 0, NULL), 1);
	fixture_run(f);
	assert_null(c->flight.slots);
	assert_null(c->output.first);
	assert_int_equal(sp_frame_memory(&c->frame), 0);
	peer_close(f, fd);
}

static void test_a_busy_connection_allocates_nothing(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 1, "abc", 3);
	assert_int_equal(peer_answer(f, fd, NULL, 0, NULL), 1);
	fixture_run(f);
	for (uint32_t i = 0; i < 100; i++) {
		peer_request(f, fd, i, "abc", 3);
		(void)fixture_fail_malloc(0);
		fixture_run(f);
		assert_int_equal(fixture_fail_malloc(0), 0);
		assert_int_equal(peer_answer(f, fd, NULL, 0, NULL), i);
	}
	peer_close(f, fd);
}

static void test_too_many_requests_wait_in_the_socket(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->mode = FIXTURE_KEEP;
	f->settings.max_requests = 4;
	fixture_start(f);
	fd = peer_open(f);
	for (uint32_t i = 0; i < 10; i++)
		peer_request(f, fd, i, "abc", 3);
	fixture_run(f);
	assert_int_equal(f->n_seen, 4);
	assert_int_equal(sp_server_counts(f->server)->paused, 1);
	for (uint32_t i = 0; i < 10; i++) {
		fixture_answer(f, i);
		fixture_run(f);
		assert_int_equal(f->n_seen, MIN(i + 5, 10U));
		assert_int_equal(peer_answer(f, fd, NULL, 0, NULL), i);
	}
	assert_int_equal(sp_server_counts(f->server)->paused, 0);
	peer_request(f, fd, 10, "abc", 3);
	fixture_run(f);
	assert_int_equal(f->n_seen, 11);
	peer_close(f, fd);
}

static void test_one_that_leaves_while_not_read_from_is_noticed(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->mode = FIXTURE_KEEP;
	f->settings.max_requests = 2;
	fixture_start(f);
	fd = peer_open(f);
	for (uint32_t i = 0; i < 5; i++)
		peer_request(f, fd, i, "abc", 3);
	fixture_run(f);
	assert_int_equal(sp_server_counts(f->server)->paused, 1);
	assert_int_equal(f->n_close, 0);
	peer_close(f, fd);
	assert_int_equal(f->n_close, 1);
	assert_int_equal(sp_server_counts(f->server)->paused, 0);
	assert_int_equal(f->n_seen, 2);
}

/* Half a hangup is one too: whoever writes no more is gone, as when it is read from. */
static void test_one_that_shuts_down_while_not_read_from_is_noticed(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->mode = FIXTURE_KEEP;
	f->settings.max_requests = 1;
	fixture_start(f);
	fd = peer_open(f);
	peer_request(f, fd, 1, "abc", 3);
	fixture_run(f);
	assert_int_equal(sp_server_counts(f->server)->paused, 1);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(peer_is_closed(f, fd));
	assert_int_equal(f->n_close, 1);
	peer_close(f, fd);
}

static void test_one_that_does_not_read_is_not_read_from(void **state)
{
	enum { LEN = 1 << 20, N = 6 };
	struct fixture *f = *state;
	uint8_t *body = calloc(1, LEN);
	size_t len;
	int fd;

	f->mode = FIXTURE_KEEP;
	f->settings.max_output_bytes = 2 << 20;
	fixture_start(f);
	fd = peer_open(f);
	for (uint32_t i = 0; i < N; i++)
		peer_request(f, fd, i, "abc", 3);
	fixture_run(f);
	for (size_t i = 0; i < N - 1; i++)
		sp_reply(f->seen[i].conn, &f->seen[i].request, body, LEN);
	fixture_run(f);
	assert_true(sp_conn_is_congested(f->seen[0].conn));
	assert_true(sp_conn_output_bytes(f->seen[0].conn) > f->settings.max_output_bytes);
	peer_request(f, fd, 100, "abc", 3);
	fixture_run(f);
	assert_int_equal(f->n_seen, N);
	assert_int_equal(f->n_drained, 0);
	for (uint32_t i = 0; i < N - 1; i++) {
		assert_int_equal(peer_answer(f, fd, NULL, 0, &len), i);
		assert_int_equal(len, LEN);
	}
	fixture_run(f);
	assert_int_equal(f->n_drained, 1);
	assert_false(sp_conn_is_congested(f->seen[0].conn));
	assert_int_equal(f->n_seen, N + 1);
	assert_int_equal(sp_server_counts(f->server)->output_bytes, 0);
	peer_close(f, fd);
	free(body);
}

/* Answers 1 MiB each until the connection is closed, or `n` of them. Returns how many went. */
static size_t flood(struct fixture *f, size_t n)
{
	enum { LEN = 1 << 20 };
	uint8_t *body = calloc(1, LEN);
	size_t i = 0;

	while (i < n && sp_conn_is_open(f->seen[i].conn)) {
		unsigned n_close = f->n_close;

		sp_reply(f->seen[i].conn, &f->seen[i].request, body, LEN);
		/* Who answers is not called back from within. */
		assert_int_equal(f->n_close, n_close);
		i++;
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	free(body);
	return i;
}

static void test_one_that_never_reads_is_closed(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->mode = FIXTURE_KEEP;
	f->settings.max_output_bytes = 1 << 20;
	f->settings.hard_output_bytes = 8 << 20;
	fixture_start(f);
	fd = peer_open(f);
	for (uint32_t i = 0; i < 100; i++)
		peer_request(f, fd, i, "abc", 3);
	fixture_run(f);
	assert_in_range(flood(f, 100), 7, 12);
	assert_int_equal(f->n_close, 1);
	assert_int_equal(sp_server_counts(f->server)->overflows_total, 1);
	assert_true(peer_is_closed(f, fd));
	assert_int_equal(sp_server_counts(f->server)->output_bytes, 0);
	peer_close(f, fd);
}

static void test_all_that_do_not_read_are_bounded_together(void **state)
{
	struct fixture *f = *state;
	int a, b;

	f->mode = FIXTURE_KEEP;
	f->settings.max_output_bytes = 1 << 20;
	f->settings.max_unread_bytes = 6 << 20;
	fixture_start(f);
	a = peer_open(f);
	b = peer_open(f);
	for (uint32_t i = 0; i < 20; i++)
		peer_request(f, i % 2 ? a : b, i, "abc", 3);
	fixture_run(f);
	assert_in_range(flood(f, 20), 6, 10);
	assert_int_equal(f->n_close, 1);
	assert_true(sp_server_counts(f->server)->output_bytes <= 6 << 20);
	peer_close(f, a);
	peer_close(f, b);
}

static void test_an_oversized_message_closes_when_its_length_is_read(void **state)
{
	struct fixture *f = *state;
	uint8_t header[SP_HEADER_BYTES] = { SP_MESSAGE_TYPE, 0, 0, 0, 0, 1, 0, 0, 1 };
	int fd;

	f->settings.max_message_bytes = 16 << 20;
	fixture_start(f);
	fd = peer_open(f);
	peer_send(f, fd, header, sizeof(header));
	assert_true(peer_is_closed(f, fd));
	assert_int_equal(f->n_close, 1);
	assert_int_equal(sp_server_counts(f->server)->protocol_errors_total, 1);
	peer_close(f, fd);
}

static void test_broken_framing_closes_only_that_connection(void **state)
{
	static const uint8_t broken[][SP_HEADER_BYTES + 4] = {
		{ 2, 0, 0, 0, 0, 0, 0, 0, 4, 0x80, 0, 0, 0 },
		{ 1, 0, 0, 0, 0, 0, 0, 0, 3, 0x80, 0, 0, 0 },
		{ 1, 0, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0, 0, 0 },
	};
	struct fixture *f = *state;
	int fd, good;

	fixture_start(f);
	good = peer_open(f);
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		fd = peer_open(f);
		peer_send(f, fd, broken[i], sizeof(broken[i]));
		assert_true(peer_is_closed(f, fd));
		peer_close(f, fd);
		assert_int_equal(f->n_close, i + 1);
	}
	peer_request(f, good, 1, "abc", 3);
	assert_int_equal(peer_answer(f, good, NULL, 0, NULL), 1);
	peer_close(f, good);
}

static void test_a_wrong_greeting_never_opens(void **state)
{
	static const uint8_t sub[SP_GREETING_BYTES] = { 0, 'S', 'P', 0, 0, 0x21, 0, 0 };
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = peer_connect(f);
	peer_send(f, fd, sub, sizeof(sub));
	assert_true(peer_is_closed(f, fd));
	assert_int_equal(f->n_open, 0);
	assert_int_equal(sp_server_counts(f->server)->protocol_errors_total, 1);
	assert_int_equal(sp_server_counts(f->server)->connections, 0);
	peer_close(f, fd);
}

static void test_a_half_greeting_times_out(void **state)
{
	struct fixture *f = *state;
	usec now;
	int silent, half, good;

	fixture_start(f);
	silent = peer_connect(f);
	half = peer_connect(f);
	peer_send(f, half, sp_greeting_req, SP_GREETING_BYTES - 1);
	good = peer_open(f);
	now = uv_now(&f->loop) * USEC_PER_MS;
	assert_int_equal(sp_server_counts(f->server)->greeting, 2);
	(void)sp_server_expire(f->server, now + f->settings.greeting_timeout_us / 2);
	assert_int_equal(sp_server_counts(f->server)->connections, 3);
	assert_int_equal(
		sp_server_expire(f->server, now + f->settings.greeting_timeout_us + USEC_PER_SEC),
		USEC_NEVER);
	assert_true(peer_is_closed(f, silent));
	assert_true(peer_is_closed(f, half));
	assert_false(peer_is_closed(f, good));
	assert_int_equal(sp_server_counts(f->server)->timeouts_total, 2);
	assert_int_equal(sp_server_counts(f->server)->connections, 1);
	peer_close(f, silent);
	peer_close(f, half);
	peer_close(f, good);
}

static void test_half_a_message_times_out(void **state)
{
	struct fixture *f = *state;
	usec now;
	int slow, busy;

	f->mode = FIXTURE_KEEP;
	fixture_start(f);
	slow = peer_open(f);
	busy = peer_open(f);
	peer_request(f, busy, 1, "abc", 3);
	peer_send(f, slow, "\1\0\0", 3);
	fixture_run(f);
	now = uv_now(&f->loop) * USEC_PER_MS;
	(void)sp_server_expire(f->server, now + f->settings.message_timeout_us + USEC_PER_SEC);
	assert_true(peer_is_closed(f, slow));
	assert_false(peer_is_closed(f, busy));
	assert_int_equal(f->n_close, 1);
	peer_close(f, slow);
	peer_close(f, busy);
}

static void test_idle_means_nothing_in_flight(void **state)
{
	struct fixture *f = *state;
	usec later;
	int idle, busy;

	f->mode = FIXTURE_KEEP;
	f->settings.idle_timeout_us = 60 * USEC_PER_SEC;
	fixture_start(f);
	idle = peer_open(f);
	busy = peer_open(f);
	peer_request(f, busy, 1, "abc", 3);
	fixture_run(f);
	later = uv_now(&f->loop) * USEC_PER_MS + 61 * USEC_PER_SEC;
	(void)sp_server_expire(f->server, later);
	assert_true(peer_is_closed(f, idle));
	assert_false(peer_is_closed(f, busy));
	fixture_answer(f, 0);
	assert_int_equal(peer_answer(f, busy, NULL, 0, NULL), 1);
	later = uv_now(&f->loop) * USEC_PER_MS + 61 * USEC_PER_SEC;
	(void)sp_server_expire(f->server, later);
	assert_true(peer_is_closed(f, busy));
	assert_int_equal(f->n_close, 2);
	peer_close(f, idle);
	peer_close(f, busy);
}

static void test_settings_change_for_those_who_are_there(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = peer_open(f);
	f->settings.idle_timeout_us = USEC_PER_SEC;
	sp_server_set_settings(f->server, &f->settings);
	(void)sp_server_expire(f->server, uv_now(&f->loop) * USEC_PER_MS + 2 * USEC_PER_SEC);
	assert_true(peer_is_closed(f, fd));
	peer_close(f, fd);
}

static void test_unfinished_messages_are_bounded_together(void **state)
{
	uint8_t header[SP_HEADER_BYTES] = { SP_MESSAGE_TYPE, 0, 0, 0, 0, 0, 0x10, 0, 0 };
	struct fixture *f = *state;
	uint8_t *half = calloc(1, 400000);
	int fds[3];

	f->settings.max_partial_bytes = 1500000;
	fixture_start(f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = peer_open(f);
		peer_send(f, fds[i], header, sizeof(header));
		peer_send(f, fds[i], half, 400000);
		fixture_run(f);
	}
	assert_int_equal(sp_server_counts(f->server)->overflows_total, 1);
	assert_int_equal(f->n_close, 1);
	assert_true(sp_server_counts(f->server)->partial_bytes <= f->settings.max_partial_bytes);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		peer_close(f, fds[i]);
	assert_int_equal(sp_server_counts(f->server)->partial_bytes, 0);
	free(half);
}

static void test_beyond_max_connections_they_wait(void **state)
{
	struct fixture *f = *state;
	int first, second, third;

	f->settings.max_connections = 2;
	fixture_start(f);
	first = peer_open(f);
	second = peer_open(f);
	third = peer_connect(f);
	peer_send(f, third, sp_greeting_req, SP_GREETING_BYTES);
	peer_request(f, third, 3, "abc", 3);
	fixture_run(f);
	assert_int_equal(sp_server_counts(f->server)->connections, 2);
	assert_int_equal(sp_server_counts(f->server)->accept_waits_total, 1);
	peer_close(f, first);
	assert_int_equal(sp_server_counts(f->server)->connections, 2);
	assert_int_equal(f->n_open, 3);
	peer_close(f, second);
	peer_close(f, third);
}

static void test_one_user_cannot_take_all_connections(void **state)
{
	struct fixture *f = *state;
	int first, second, third;

	f->settings.max_connections_per_uid = 2;
	fixture_start(f);
	first = peer_open(f);
	second = peer_connect(f);
	third = peer_connect(f);
	assert_true(peer_is_closed(f, third));
	assert_int_equal(sp_server_counts(f->server)->refused_total, 1);
	peer_close(f, second);
	peer_close(f, third);
	second = peer_open(f);
	assert_int_equal(f->n_open, 2);
	peer_close(f, first);
	peer_close(f, second);
}

static void limit_descriptors(rlim_t n, rlim_t *ret_before)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	*ret_before = limit.rlim_cur;
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_without_descriptors_connects_wait_and_nobody_is_dropped(void **state)
{
	struct fixture *f = *state;
	int first, waiting[3], next;
	rlim_t before;

	fixture_start(f);
	first = peer_open(f);
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		waiting[i] = peer_connect(f);
		peer_send(f, waiting[i], sp_greeting_req, SP_GREETING_BYTES);
	}
	next = dup(first);
	(void)close(next);
	limit_descriptors((rlim_t)next, &before);
	fixture_run(f);
	assert_int_equal(sp_server_counts(f->server)->accept_waits_total, 1);
	assert_int_equal(f->n_open, 1);
	peer_request(f, first, 1, "abc", 3);
	assert_int_equal(peer_answer(f, first, NULL, 0, NULL), 1);
	/* The peer's end and ours become free: two of the three come in. */
	peer_close(f, first);
	assert_int_equal(f->n_open, 3);
	assert_int_equal(f->n_close, 1);
	/* Descriptors may also become free elsewhere, untold: so it is tried again. */
	limit_descriptors(before, &before);
	(void)sp_server_expire(f->server, uv_now(&f->loop) * USEC_PER_MS + USEC_PER_SEC);
	fixture_run(f);
	assert_int_equal(f->n_open, 4);
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		assert_false(peer_is_closed(f, waiting[i]));
		peer_close(f, waiting[i]);
	}
}

/*
 * Everything that a few connections do, with the n-th allocation failing. Ends when no allocation
 * is left to fail.
 */
static void test_every_allocation_may_fail(void **state)
{
	struct fixture *f = *state;
	uint8_t *body = calloc(1, 200000), rest[4096];
	long counted = 1;

	for (long n = 1; counted >= n; n++) {
		int fd, other;

		fixture_start(f);
		(void)fixture_fail_malloc(n);
		fd = peer_connect(f);
		other = peer_connect(f);
		fixture_run(f);
		/* Whoever could not be accepted for lack of memory is accepted a moment later. */
		(void)sp_server_expire(f->server, uv_now(&f->loop) * USEC_PER_MS + USEC_PER_SEC);
		fixture_run(f);
		peer_send(f, fd, sp_greeting_req, SP_GREETING_BYTES);
		for (uint32_t i = 0; i < 20; i++)
			peer_request(f, fd, i, "abc", 3);
		peer_send(f, fd, "\1\0\0\0\0\0\3", 7);
		fixture_run(f);
		peer_send(f, fd, "\15\100", 2);
		peer_send(f, fd, "\200\0\0\1", 4);
		peer_send(f, fd, body, 200000 - 4);
		fixture_run(f);
		/* However it went: the server serves the next one. */
		counted = fixture_fail_malloc(0);
		(void)close(other);
		other = peer_open(f);
		peer_request(f, other, 7, "abc", 3);
		assert_int_equal(peer_answer(f, other, rest, sizeof(rest), NULL), 7);
		peer_close(f, fd);
		peer_close(f, other);
		f->server = sp_server_free(f->server);
		fixture_run(f);
	}
	assert_true(counted >= 4);
	free(body);
}

static void test_a_server_that_cannot_be_made_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	static const struct sp_ops no_ops = { .on_open = NULL };
	int r = -1;

	for (long n = 1; r != 0; n++) {
		(void)fixture_fail_malloc(n);
		r = sp_server_new(&f->server, &f->loop, &f->settings, &no_ops, f);
		assert_true(r == 0 || (r == -ENOMEM && !f->server));
		fixture_run(f);
	}
	(void)fixture_fail_malloc(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_idle_connection_is_small),
		TEST(test_idle_connections_hold_no_buffers),
		TEST(test_a_busy_connection_allocates_nothing),
		TEST(test_too_many_requests_wait_in_the_socket),
		TEST(test_one_that_leaves_while_not_read_from_is_noticed),
		TEST(test_one_that_shuts_down_while_not_read_from_is_noticed),
		TEST(test_one_that_does_not_read_is_not_read_from),
		TEST(test_one_that_never_reads_is_closed),
		TEST(test_all_that_do_not_read_are_bounded_together),
		TEST(test_an_oversized_message_closes_when_its_length_is_read),
		TEST(test_broken_framing_closes_only_that_connection),
		TEST(test_a_wrong_greeting_never_opens),
		TEST(test_a_half_greeting_times_out),
		TEST(test_half_a_message_times_out),
		TEST(test_idle_means_nothing_in_flight),
		TEST(test_settings_change_for_those_who_are_there),
		TEST(test_unfinished_messages_are_bounded_together),
		TEST(test_beyond_max_connections_they_wait),
		TEST(test_one_user_cannot_take_all_connections),
		TEST(test_without_descriptors_connects_wait_and_nobody_is_dropped),
		TEST(test_every_allocation_may_fail),
		TEST(test_a_server_that_cannot_be_made_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
