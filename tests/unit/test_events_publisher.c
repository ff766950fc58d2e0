/* SPDX-License-Identifier: MIT */
/*
 * The publish/subscribe socket against subscribers of two kinds: libnng's own, and one that speaks
 * the protocol by hand (proto/WIRE.md, section 6), whose reading the test decides. A subscriber
 * knows that it is connected when it hears something: until then it is published again.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>

#include "events/leavers.h"
#include "events/publisher.h"
#include "util/macro.h"

enum {
	TIMEOUT_SEC = 30, /* nothing takes that long: a hang becomes a failure */
	TRY_MS = 20,
	BIG = 8000,
};

struct fixture {
	char dir[64];
	char path[96];
	struct publisher_settings settings;
	struct publisher *publisher;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sp-events-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	(void)snprintf(f->path, sizeof(f->path), "%s/events.sock", f->dir);
	f->settings = (struct publisher_settings){
		.path = f->path, .mode = 0660, .owner = (uid_t)-1, .group = (gid_t)-1, .buffer = 16
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int left;

	f->publisher = publisher_free(f->publisher);
	left = access(f->path, F_OK) == 0;
	(void)unlink(f->path);
	(void)rmdir(f->dir);
	free(f);
	return left; /* it removes its file */
}

static void start(struct fixture *f)
{
	assert_int_equal(publisher_new(&f->publisher, &f->settings), 0);
}

static void publish(struct fixture *f, const char *topic, const char *body)
{
	assert_int_equal(publisher_send(f->publisher, topic, strlen(topic), body, strlen(body)), 0);
}

/* ---- a subscriber by hand ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT_SEC };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, path, strlen(path) + 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void read_all(int fd, void *to, size_t n)
{
	assert_int_equal(recv(fd, to, n, MSG_WAITALL), n);
}

static size_t read_message(int fd, char *to, size_t size)
{
	uint8_t type;
	uint64_t n;

	read_all(fd, &type, 1);
	assert_int_equal(type, 1);
	read_all(fd, &n, sizeof(n));
	n = be64toh(n);
	assert_true(n < size);
	read_all(fd, to, n);
	to[n] = '\0';
	return n;
}

/* Connected for certain: "hello" was heard, and nothing else is under way. */
static int subscribe(struct fixture *f)
{
	static const uint8_t sub[8] = { 0, 'S', 'P', 0, 0, 0x21, 0, 0 };
	static const uint8_t pub[8] = { 0, 'S', 'P', 0, 0, 0x20, 0, 0 };
	struct pollfd p = { .events = POLLIN };
	uint8_t greeting[8];
	char message[BIG + 64];
	int n = 0, heard = 0;

	p.fd = connect_to(f->path);
	assert_int_equal(send(p.fd, sub, sizeof(sub), MSG_NOSIGNAL), sizeof(sub));
	read_all(p.fd, greeting, sizeof(greeting));
	assert_memory_equal(greeting, pub, sizeof(pub));
	do {
		(void)snprintf(message, sizeof(message), "%d", ++n);
		publish(f, "hello ", message);
	} while (poll(&p, 1, TRY_MS) == 0);
	while (heard < n) {
		(void)read_message(p.fd, message, sizeof(message));
		assert_memory_equal(message, "hello ", 6);
		heard = atoi(message + 6);
	}
	return p.fd;
}

static void test_a_message_is_topic_and_body(void **state)
{
	struct fixture *f = *state;
	char message[64];
	int fd;

	start(f);
	fd = subscribe(f);
	assert_int_equal(publisher_send(f->publisher, "a/b", 4, "\x08\x01", 2), 0);
	assert_int_equal(read_message(fd, message, sizeof(message)), 6);
	assert_memory_equal(message, "a/b\0\x08\x01", 6);
	assert_int_equal(publisher_send(f->publisher, "c", 1, NULL, 0), 0);
	assert_int_equal(read_message(fd, message, sizeof(message)), 1);
	(void)close(fd);
}

static void test_a_slow_subscriber_loses_only_its_own(void **state)
{
	struct fixture *f = *state;
	char big[BIG + 1], message[BIG + 64];
	int slow, quick, last = 0, lost = 0, n, count = 600;

	start(f);
	slow = subscribe(f);
	quick = subscribe(f);
	memset(big, 'x', BIG);
	big[BIG] = '\0';
	for (int i = 1; i <= count; i++) {
		(void)snprintf(message, sizeof(message), "%d ", i);
		publish(f, message, big);
		(void)read_message(quick, message, sizeof(message));
		assert_int_equal(atoi(message), i);
	}
	/* Of what went to `quick` while it became certain, `slow` has heard too. */
	do {
		(void)read_message(slow, message, sizeof(message));
	} while (!strncmp(message, "hello", 5));
	for (; last < count;
	     (void)(last < count ? read_message(slow, message, sizeof(message)) : 0)) {
		n = atoi(message);
		assert_true(n > last);
		lost += n - last - 1;
		last = n;
	}
	/* 600 messages are 4.8 MB; a Unix socket and 16 kept messages do not hold that. */
	assert_true(lost > 0 && lost < count - 16);
	(void)close(slow);
	(void)close(quick);
}

static void test_the_buffer_can_be_changed(void **state)
{
	struct fixture *f = *state;
	char big[BIG + 1], message[BIG + 64];
	int fd;

	start(f);
	fd = subscribe(f);
	assert_int_equal(publisher_set_buffer(f->publisher, 1024), 0);
	memset(big, 'x', BIG);
	big[BIG] = '\0';
	for (int i = 1; i <= 600; i++) {
		(void)snprintf(message, sizeof(message), "%d ", i);
		publish(f, message, big);
	}
	for (int i = 1; i <= 600; i++) {
		(void)read_message(fd, message, sizeof(message));
		assert_int_equal(atoi(message), i);
	}
	assert_true(publisher_set_buffer(f->publisher, PUBLISHER_BUFFER_MOST + 1) < 0);
	(void)close(fd);
}

static void test_one_who_leaves_disturbs_nobody(void **state)
{
	struct fixture *f = *state;
	char message[64];
	int stays, leaves, wrong;

	start(f);
	stays = subscribe(f);
	leaves = connect_to(f->path); /* and never greets */
	wrong = connect_to(f->path);
	assert_int_equal(send(wrong, "\0SP\0\0\x30\0\0", 8, MSG_NOSIGNAL), 8); /* REQ */
	(void)close(leaves);
	publish(f, "a", "b");
	do {
		(void)read_message(stays, message, sizeof(message));
	} while (!strncmp(message, "hello", 5));
	assert_string_equal(message, "ab");
	(void)close(stays);
	(void)close(wrong);
}

/* As every peer may: connects and is gone before it was greeted. libnng does not get over it. */
static void make_stuck(struct fixture *f)
{
	for (int i = 0; i < 50; i++)
		(void)close(connect_to(f->path));
}

/* The pace that libnng's own pause after a failure asks for; nothing here is expected to be quick. */
static bool tend(struct fixture *f)
{
	bool restarted;

	(void)poll(NULL, 0, PUBLISHER_TEND_MS);
	assert_int_equal(publisher_tend(f->publisher, &restarted), 0);
	return restarted;
}

static void test_a_listener_that_got_stuck_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct pollfd p = { .events = POLLIN };
	bool restarted = false;
	struct stat st;
	int tries = 0;

	start(f);
	leavers_at("");
	/* Chance decides when it gets stuck, and a newer libnng may never: no matter, if all is well then. */
	for (; !restarted && tries < 20; tries++) {
		make_stuck(f);
		restarted = tend(f) || tend(f);
	}
	/* Hangs, which fails the test, if nobody is let in any more. */
	p.fd = subscribe(f);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	(void)close(p.fd);
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static void test_who_leaves_before_the_greeting_costs_nothing(void **state)
{
	struct fixture *f = *state;
	int fds, quiet = 0;

	start(f);
	(void)close(subscribe(f)); /* what libnng needs for its first is there */
	fds = count_fds();
	for (int i = 0; i < 4; i++) {
		make_stuck(f);
		assert_false(tend(f));
	}
	(void)close(subscribe(f));
	/* Hangs, which fails the test, if one of them is kept, or if it looks after them for ever. */
	while (quiet < 3) {
		assert_false(tend(f));
		quiet = count_fds() <= fds ? quiet + 1 : 0;
	}
}

static void test_a_listener_that_works_is_left_alone(void **state)
{
	struct fixture *f = *state;
	char message[64];
	int fd, wrong;

	start(f);
	fd = subscribe(f);
	for (int i = 0; i < 4; i++) {
		/* Greeted, and gone without a word: libnng gets over that. */
		wrong = connect_to(f->path);
		read_all(wrong, message, 8);
		(void)close(wrong);
		assert_false(tend(f));
	}
	publish(f, "still", "here");
	(void)read_message(fd, message, sizeof(message));
	assert_string_equal(message, "stillhere");
	(void)close(fd);
}

/* ---- libnng's ---- */

static void test_libnng_hears_the_topics_that_it_wants(void **state)
{
	struct fixture *f = *state;
	char message[64];
	nng_socket sub;
	size_t n;
	int r;

	start(f);
	assert_int_equal(nng_sub0_open(&sub), 0);
	assert_int_equal(nng_socket_set(sub, NNG_OPT_SUB_SUBSCRIBE, "yes\0", 4), 0);
	assert_int_equal(nng_socket_set_ms(sub, NNG_OPT_RECVTIMEO, TRY_MS), 0);
	assert_int_equal(nng_dial(sub, publisher_url(f->publisher), NULL, 0), 0);
	do {
		assert_int_equal(publisher_send(f->publisher, "yes\0hello", 9, NULL, 0), 0);
		n = sizeof(message);
		r = nng_recv(sub, message, &n, 0);
	} while (r == NNG_ETIMEDOUT);
	assert_int_equal(r, 0);
	assert_int_equal(nng_socket_set_ms(sub, NNG_OPT_RECVTIMEO, TIMEOUT_SEC * 1000), 0);
	assert_int_equal(publisher_send(f->publisher, "yesterday\0", 10, NULL, 0), 0);
	assert_int_equal(publisher_send(f->publisher, "no\0", 3, NULL, 0), 0);
	assert_int_equal(publisher_send(f->publisher, "yes\0body", 8, NULL, 0), 0);
	do {
		n = sizeof(message);
		assert_int_equal(nng_recv(sub, message, &n, 0), 0);
	} while (n == 9);
	assert_int_equal(n, 8);
	assert_memory_equal(message, "yes\0body", 8);
	assert_int_equal(nng_close(sub), 0);
}

/* ---- the file ---- */

static void test_mode_and_umask(void **state)
{
	struct fixture *f = *state;
	mode_t before = umask(022);
	struct stat st;

	f->settings.mode = 0620;
	start(f);
	assert_int_equal(umask(before), 022); /* given back */
	assert_int_equal(lstat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0620);
}

static void test_owner_and_group(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	if (geteuid() != 0)
		skip();
	f->settings.owner = 12345;
	f->settings.group = 23456;
	start(f);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 23456);
}

static void test_a_path_in_use_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, f->path, strlen(f->path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(publisher_new(&f->publisher, &f->settings), PUBLISHER_E_IN_USE);
	assert_int_equal(access(f->path, F_OK), 0);
	(void)close(fd);
	/* Left over by one that is gone: taken. */
	start(f);
}

static void test_a_file_is_not_overwritten(void **state)
{
	struct fixture *f = *state;
	char folder[96];
	int fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)close(fd);
	assert_int_equal(publisher_new(&f->publisher, &f->settings), PUBLISHER_E_NOT_SOCKET);
	assert_int_equal(unlink(f->path), 0);
	(void)snprintf(folder, sizeof(folder), "%s/missing/events.sock", f->dir);
	f->settings.path = folder;
	assert_int_equal(publisher_new(&f->publisher, &f->settings), PUBLISHER_E_DIRECTORY);
}

static void test_a_long_path_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[PUBLISHER_PATH_MOST + 2];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	f->settings.path = path;
	assert_int_equal(publisher_new(&f->publisher, &f->settings), PUBLISHER_E_PATH_LENGTH);
	f->settings.path = "";
	assert_int_equal(publisher_new(&f->publisher, &f->settings), PUBLISHER_E_PATH_LENGTH);
	assert_string_equal(publisher_error_to_string(PUBLISHER_E_PATH_LENGTH),
			    "the path is empty or longer than 107 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_a_message_is_topic_and_body),
		TEST(test_a_slow_subscriber_loses_only_its_own),
		TEST(test_the_buffer_can_be_changed),
		TEST(test_one_who_leaves_disturbs_nobody),
		TEST(test_a_listener_that_got_stuck_is_replaced),
		TEST(test_who_leaves_before_the_greeting_costs_nothing),
		TEST(test_a_listener_that_works_is_left_alone),
		TEST(test_libnng_hears_the_topics_that_it_wants),
		TEST(test_mode_and_umask),
		TEST(test_owner_and_group),
		TEST(test_a_path_in_use_is_left_alone),
		TEST(test_a_file_is_not_overwritten),
		TEST(test_a_long_path_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
