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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_corked_socket_neither_takes_nor_gives),
		cmocka_unit_test(test_other_sockets_are_left_alone),
		cmocka_unit_test(test_other_threads_are_left_alone),
	};

	return cmocka_run_group_tests_name("pg_cork", tests, NULL, NULL);
}
