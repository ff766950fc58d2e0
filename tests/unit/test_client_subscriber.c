/* SPDX-License-Identifier: MIT */
/*
 * The C library's subscriber, and in the same thread a publisher that the test plays byte by byte
 * (proto/WIRE.md, section 6).
 */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sidepool-events.h"
#include "sidepool.h"
#include "sidepool/v1/events.pb-c.h"
#include "subscriber.h"

struct fixture {
	char dir[64];
	char url[128];
	int listener;
	int peer;
	struct sidepool_subscriber *s;
};

static void play(struct fixture *f, const void *data, size_t n)
{
	assert_int_equal(send(f->peer, data, n, MSG_NOSIGNAL), n);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sp-sub-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.60s/events.sock", f->dir);
	(void)snprintf(f->url, sizeof(f->url), "ipc://%s", sa.sun_path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(f->listener, 4) < 0)
		return -1;
	f->peer = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->s = sidepool_subscriber_close(f->s);
	if (f->peer >= 0)
		(void)close(f->peer);
	(void)close(f->listener);
	(void)unlink(f->url + strlen("ipc://"));
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

/* Connected, greeted from its side, and wanting everything of "notify/main/". */
static void open_subscriber(struct fixture *f)
{
	uint8_t greeting[8];

	assert_int_equal(sidepool_subscriber_open(f->url, &f->s), 0);
	f->peer = accept(f->listener, NULL, NULL);
	assert_int_equal(recv(f->peer, greeting, sizeof(greeting), MSG_WAITALL), 8);
	assert_memory_equal(greeting, "\0SP\0\0\x21\0\0", 8);
	assert_int_equal(sidepool_subscriber_add(f->s, "notify/main/", 12), 0);
}

static void ready(struct fixture *f)
{
	open_subscriber(f);
	play(f, "\0SP\0\0\x20\0\0", 8);
}

static size_t frame(uint8_t *out, const char *topic, const Sidepool__V1__Event *e)
{
	size_t name = strlen(topic) + 1;
	size_t n = name + sidepool__v1__event__get_packed_size(e);
	uint64_t length = htobe64(n);

	out[0] = 1;
	memcpy(out + 1, &length, sizeof(length));
	memcpy(out + 9, topic, name);
	(void)sidepool__v1__event__pack(e, out + 9 + name);
	return 9 + n;
}

static size_t frame_notification(uint8_t *out, const char *topic, uint64_t sequence,
				 const char *payload)
{
	Sidepool__V1__Event e = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__Notification n = SIDEPOOL__V1__NOTIFICATION__INIT;

	n.channel = (char *)"jobs";
	n.payload = (char *)payload;
	e.instance_id = 7;
	e.sequence = sequence;
	e.pool = (char *)"main";
	e.kind_case = SIDEPOOL__V1__EVENT__KIND_NOTIFICATION;
	e.notification = &n;
	return frame(out, topic, &e);
}

static void publish(struct fixture *f, const char *topic, uint64_t sequence, const char *payload)
{
	uint8_t out[512];

	play(f, out, frame_notification(out, topic, sequence, payload));
}

static void publish_mark(struct fixture *f, const char *topic, uint64_t sequence)
{
	Sidepool__V1__Event e = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__Mark m = SIDEPOOL__V1__MARK__INIT;
	uint8_t out[512];

	e.sequence = sequence;
	e.kind_case = SIDEPOOL__V1__EVENT__KIND_MARK;
	e.mark = &m;
	play(f, out, frame(out, topic, &e));
}

static const char *value(const struct sidepool_reply *event, size_t result, const char *name)
{
	const struct sidepool_result *r = sidepool_result(event, result);
	int column = sidepool_fnumber(r, name);

	assert_true(column >= 0);
	return sidepool_value(r, 0, (size_t)column);
}

static void assert_nothing(struct fixture *f)
{
	struct sidepool_reply *event;

	assert_int_equal(sidepool_subscriber_next(f->s, 0, &event), 0);
	assert_null(event);
}

static void assert_next(struct fixture *f, const char *payload, uint64_t lost)
{
	struct sidepool_reply *event;

	assert_int_equal(sidepool_subscriber_next(f->s, 1000, &event), 0);
	assert_non_null(event);
	assert_string_equal(sidepool_event_kind(event), "notification");
	assert_string_equal(value(event, 1, "payload"), payload);
	assert_int_equal(sidepool_event_lost(event), lost);
	sidepool_reply_free(event);
}

static void test_an_event_is_tables(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *event;

	ready(f);
	publish(f, "notify/main/jobs", 1, "hello");
	assert_int_equal(sidepool_subscriber_next(f->s, 1000, &event), 0);
	assert_string_equal(sidepool_event_topic(event), "notify/main/jobs");
	assert_string_equal(sidepool_event_kind(event), "notification");
	assert_string_equal(value(event, 0, "instance_id"), "7");
	assert_string_equal(value(event, 0, "sequence"), "1");
	assert_string_equal(value(event, 0, "pool"), "main");
	assert_string_equal(value(event, 1, "channel"), "jobs");
	assert_string_equal(value(event, 1, "payload"), "hello");
	assert_int_equal(sidepool_results(event), 2);
	/* It outlives its subscriber. */
	f->s = sidepool_subscriber_close(f->s);
	assert_string_equal(value(event, 1, "payload"), "hello");
	assert_null(sidepool_reply_free(event));
}

static void test_bytes_come_one_by_one(void **state)
{
	struct fixture *f = *state;
	uint8_t out[512];
	size_t n = frame_notification(out, "notify/main/jobs", 1, "slow");

	open_subscriber(f);
	for (size_t i = 0; i < 8; i++) {
		assert_nothing(f);
		play(f, &"\0SP\0\0\x20\0\0"[i], 1);
	}
	for (size_t i = 0; i < n; i++) {
		assert_nothing(f);
		play(f, out + i, 1);
	}
	assert_next(f, "slow", 0);
	assert_nothing(f);
}

static void test_what_is_not_wanted_is_passed_over(void **state)
{
	struct fixture *f = *state;

	ready(f);
	publish(f, "notify/second/jobs", 1, "no");
	publish(f, "notify/mai", 1, "no");
	publish(f, "notify/main/jobs", 1, "yes");
	publish(f, "event/main/pause", 1, "no");
	assert_next(f, "yes", 0);
	assert_nothing(f);
	assert_int_equal(sidepool_subscriber_add(f->s, "event/", 6), 0);
	assert_int_equal(sidepool_subscriber_add(f->s, "event/", 6), 0);
	publish(f, "event/main/pause", 2, "now");
	assert_next(f, "now", 0);
}

static void test_losses_are_counted_by_topic(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *event;

	ready(f);
	publish(f, "notify/main/jobs", 10, "a"); /* the first counts from itself */
	publish(f, "notify/main/mail", 3, "b");
	publish(f, "notify/main/jobs", 11, "c");
	publish(f, "notify/main/mail", 7, "d");
	publish(f, "notify/main/jobs", 15, "e");
	assert_next(f, "a", 0);
	assert_next(f, "b", 0);
	assert_next(f, "c", 0);
	assert_next(f, "d", 3);
	assert_next(f, "e", 3);
	/* A mark is seen only where it tells of a loss, and once. */
	publish_mark(f, "notify/main/jobs", 15);
	publish_mark(f, "notify/main/jobs", 17);
	publish_mark(f, "notify/main/jobs", 17);
	assert_int_equal(sidepool_subscriber_next(f->s, 1000, &event), 0);
	assert_string_equal(sidepool_event_kind(event), "mark");
	assert_int_equal(sidepool_event_lost(event), 2);
	sidepool_reply_free(event);
	assert_nothing(f);
	publish(f, "notify/main/jobs", 18, "f");
	assert_next(f, "f", 0);
}

static void test_many_topics_are_counted_within_bounds(void **state)
{
	struct fixture *f = *state;
	char topic[64];

	ready(f);
	for (int i = 0; i < COUNTED_TOPICS_MOST + 10; i++) {
		(void)snprintf(topic, sizeof(topic), "notify/main/%d", i);
		publish(f, topic, 1, "x");
		assert_next(f, "x", 0);
	}
	publish(f, topic, 5, "y");
	assert_next(f, "y", 3);
	publish(f, "notify/main/0", 5, "forgotten");
	assert_next(f, "forgotten", 0);
}

static void test_messages_within_are_results_of_their_own(void **state)
{
	struct fixture *f = *state;
	Sidepool__V1__Event e = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__LeaseEvent m = SIDEPOOL__V1__LEASE_EVENT__INIT;
	Sidepool__V1__LeaseStatus status = SIDEPOOL__V1__LEASE_STATUS__INIT;
	struct sidepool_reply *event;
	uint8_t out[512];

	ready(f);
	status.lease_id = 42;
	m.change = SIDEPOOL__V1__LEASE_CHANGE__LEASE_CHANGE_REVOKED;
	m.lease = &status;
	e.sequence = 1;
	e.kind_case = SIDEPOOL__V1__EVENT__KIND_LEASE;
	e.lease = &m;
	play(f, out, frame(out, "notify/main/x", &e));
	assert_int_equal(sidepool_subscriber_next(f->s, 1000, &event), 0);
	assert_string_equal(sidepool_event_kind(event), "lease");
	assert_string_equal(value(event, 1, "change"), "revoked");
	assert_string_equal(value(event, 2, "lease_id"), "42");
	sidepool_reply_free(event);
	/* Of a kind that this library does not know yet. */
	play(f, "\1\0\0\0\0\0\0\0\x14notify/main/x\0\x10\2\xfa\7\1\1", 9 + 20);
	assert_int_equal(sidepool_subscriber_next(f->s, 1000, &event), 0);
	assert_string_equal(sidepool_event_kind(event), "");
	assert_string_equal(sidepool_event_topic(event), "notify/main/x");
	assert_int_equal(sidepool_results(event), 1);
	sidepool_reply_free(event);
}

static void assert_violation(struct fixture *f)
{
	struct sidepool_reply *event;

	assert_int_equal(sidepool_subscriber_next(f->s, 1000, &event),
			 SIDEPOOL_E_PROTOCOL_VIOLATION);
	assert_null(event);
}

static void test_another_protocol_is_a_violation(void **state)
{
	struct fixture *f = *state;

	open_subscriber(f);
	play(f, "\0SP\0\0\x31\0\0", 8); /* REP */
	assert_violation(f);
}

static void test_what_is_no_message_is_a_violation(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = {
		{ "\2\0\0\0\0\0\0\0\1x", 10 },                        /* the type */
		{ "\1\0\0\0\0\x10\0\0\1x", 10 },                      /* the length */
		{ "\1\0\0\0\0\0\0\0\x0cnotify/main/", 21 },           /* no end of the topic */
		{ "\1\0\0\0\0\0\0\0\x0fnotify/main/\0\xff\xff", 24 }, /* no protobuf */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ready(f);
		play(f, cases[i].bytes, cases[i].n);
		assert_violation(f);
		f->s = sidepool_subscriber_close(f->s);
		(void)close(f->peer);
	}
	f->peer = -1;
}

static void test_what_came_before_the_end_is_heard(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *event;

	ready(f);
	publish(f, "notify/main/jobs", 1, "last");
	(void)close(f->peer);
	f->peer = -1;
	assert_next(f, "last", 0);
	assert_int_equal(sidepool_subscriber_next(f->s, -1, &event), SIDEPOOL_E_DAEMON_LOST);
	assert_null(event);
}

static void test_urls(void **state)
{
	struct fixture *f = *state;
	char longer[256] = "ipc://";

	memset(longer + 6, 'x', 200);
	assert_int_equal(sidepool_subscriber_open("tcp://1.2.3.4:5", &f->s),
			 SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_subscriber_open("ipc://", &f->s), SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_subscriber_open(longer, &f->s), SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_subscriber_open(NULL, &f->s), SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_subscriber_open("ipc:///nowhere/events.sock", &f->s),
			 SIDEPOOL_E_DAEMON_UNREACHABLE);
	assert_null(f->s);
	assert_null(sidepool_subscriber_close(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_an_event_is_tables),
		TEST(test_bytes_come_one_by_one),
		TEST(test_what_is_not_wanted_is_passed_over),
		TEST(test_losses_are_counted_by_topic),
		TEST(test_many_topics_are_counted_within_bounds),
		TEST(test_messages_within_are_results_of_their_own),
		TEST(test_another_protocol_is_a_violation),
		TEST(test_what_is_no_message_is_a_violation),
		TEST(test_what_came_before_the_end_is_heard),
		TEST(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
