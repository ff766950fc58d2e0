/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg/cork.h"

struct pair {
	int ours, theirs;
};

static struct pair pair_new(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	return (struct pair){ .ours = fds[0], .theirs = fds[1] };
}

static void pair_free(struct pair *p)
{
	(void)close(p->ours);
	(void)close(p->theirs);
}

static void assert_takes(struct pair *p)
{
	char c = 0;

	assert_int_equal(send(p->ours, "a", 1, 0), 1);
	assert_int_equal(recv(p->theirs, &c, 1, 0), 1);
	assert_int_equal(c, 'a');
}

static void assert_would_block(int fd)
{
	char c;

	errno = 0;
	assert_int_equal(send(fd, "a", 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	errno = 0;
	assert_int_equal(recv(fd, &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_a_corked_socket_neither_takes_nor_gives(void **state)
{
	struct pair p = pair_new();
	char c;

	(void)state;
	assert_int_equal(send(p.theirs, "b", 1, 0), 1);
	pg_cork(p.ours);
	assert_would_block(p.ours);
	pg_uncork();
	assert_int_equal(recv(p.theirs, &c, 1, 0), -1);
	assert_int_equal(recv(p.ours, &c, 1, 0), 1);
	assert_int_equal(c, 'b');
	assert_takes(&p);
	pair_free(&p);
}

static void test_other_sockets_are_left_alone(void **state)
{
	struct pair p = pair_new(), other = pair_new();

	(void)state;
	pg_cork(p.ours);
	assert_takes(&other);
	pg_uncork();
	pair_free(&p);
	pair_free(&other);
}

static void *in_another_thread(void *pair)
{
	assert_takes(pair);
	return NULL;
}

static void test_other_threads_are_left_alone(void **state)
{
	struct pair p = pair_new();
	pthread_t thread;

	(void)state;
	pg_cork(p.ours);
	assert_int_equal(pthread_create(&thread, NULL, in_another_thread, &p), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_would_block(p.ours);
	pg_uncork();
	pair_free(&p);
}

enum {
	LARGE = 4 << 20,
	MORE = 100,
};

static uint8_t sent[LARGE + MORE], got[LARGE + MORE];

static ssize_t send_whole(struct pair *p, const void *data, size_t n)
{
	ssize_t r;

	pg_send_whole(p->ours);
	r = send(p->ours, data, n, 0);
	pg_send_whole(-1);
	return r;
}

/* A pair whose socket has taken a part of `sent`, and said that it took nothing. */
static struct pair pair_with_a_part(void)
{
	struct pair p = pair_new();

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 31 + i / 251);
	errno = 0;
	assert_int_equal(send_whole(&p, sent, LARGE), -1);
	assert_int_equal(errno, EAGAIN);
	return p;
}

static size_t drain(struct pair *p, size_t n)
{
	ssize_t r;

	while ((r = recv(p->theirs, got + n, sizeof(got) - n, 0)) > 0)
		n += (size_t)r;
	return n;
}

/* As libpq does it: what is added stands behind, and it may ask for less than the time before. */
static void test_much_is_told_when_all_is_taken(void **state)
{
	struct pair p = pair_with_a_part();
	size_t n = drain(&p, 0), size = LARGE + MORE;
	ssize_t r;

	(void)state;
	assert_in_range(n, 1, LARGE - 1);
	while ((r = send_whole(&p, sent, size)) < 0) {
		assert_int_equal(errno, EAGAIN);
		n = drain(&p, n);
	}
	assert_int_equal(r, size);
	assert_int_equal(drain(&p, n), size);
	assert_memory_equal(got, sent, size);
	assert_takes(&p);
	pair_free(&p);
}

static void test_less_than_was_taken_counts(void **state)
{
	struct pair p = pair_with_a_part();
	size_t n = drain(&p, 0), taken = n;

	(void)state;
	assert_int_equal(send(p.ours, sent, taken - MORE, 0), taken - MORE);
	assert_int_equal(send(p.ours, sent + taken - MORE, MORE + 1, 0), MORE + 1);
	assert_int_equal(drain(&p, n), taken + 1);
	assert_memory_equal(got, sent, taken + 1);
	assert_takes(&p);
	pair_free(&p);
}

static void test_the_next_socket_of_that_number_begins_anew(void **state)
{
	struct pair p = pair_with_a_part(), next;
	int number = p.ours;

	(void)state;
	pair_free(&p);
	next = pair_new();
	assert_int_equal(next.ours, number);
	assert_takes(&next);
	pair_free(&next);
}

static void test_a_broken_socket_says_so(void **state)
{
	struct pair p = pair_with_a_part();

	(void)state;
	(void)close(p.theirs);
	assert_int_equal(send(p.ours, sent, LARGE, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	(void)close(p.ours);
}

static void test_too_many_are_told_the_truth(void **state)
{
	enum { N = 20 };
	struct pair pairs[N];
	int truths = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		pairs[i] = pair_new();
		truths += send_whole(&pairs[i], sent, LARGE) > 0;
	}
	assert_int_equal(truths, N - 16);
	for (int i = 0; i < N; i++)
		pair_free(&pairs[i]);
	for (int i = 0; i < N; i++) { /* those are gone */
		pairs[0] = pair_new();
		assert_int_equal(send_whole(&pairs[0], sent, LARGE), -1);
		pair_free(&pairs[0]);
	}
}

static void test_what_fills_the_room_may_be_followed_by_more(void **state)
{
	struct pair p = pair_new();
	char c[4];

	(void)state;
	assert_int_equal(send(p.theirs, "abcdef", 6, 0), 6);
	assert_int_equal(recv(p.ours, c, 4, 0), 4);
	assert_true(pg_recv_filled());
	assert_int_equal(recv(p.ours, c, 4, 0), 2);
	assert_false(pg_recv_filled());
	assert_int_equal(send(p.theirs, "abcd", 4, 0), 4);
	assert_int_equal(recv(p.ours, c, 4, 0), 4);
	assert_true(pg_recv_filled());
	assert_int_equal(recv(p.ours, c, 4, 0), -1);
	assert_false(pg_recv_filled());
	pair_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_corked_socket_neither_takes_nor_gives),
		cmocka_unit_test(test_other_sockets_are_left_alone),
		cmocka_unit_test(test_other_threads_are_left_alone),
		cmocka_unit_test(test_much_is_told_when_all_is_taken),
		cmocka_unit_test(test_less_than_was_taken_counts),
		cmocka_unit_test(test_the_next_socket_of_that_number_begins_anew),
		cmocka_unit_test(test_a_broken_socket_says_so),
		cmocka_unit_test(test_too_many_are_told_the_truth),
		cmocka_unit_test(test_what_fills_the_room_may_be_followed_by_more),
	};

	return cmocka_run_group_tests_name("pg_cork", tests, NULL, NULL);
}
