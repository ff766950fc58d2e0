/* SPDX-License-Identifier: MIT */
/*
 * Every allocation that the library makes fails once: the n-th, for each n. Whatever fails, each
 * request ends exactly once, with its answer or with an error, and the handle closes cleanly. And
 * in its stride the library makes none at all.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client_fixture.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool counting; /* only while the library runs, not while the test plays the daemon */
static long countdown;
static unsigned long allocations;

static bool fails(void)
{
	if (!counting)
		return false;
	allocations++;
	return countdown > 0 && --countdown == 0;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

enum {
	REQUESTS = 6,
};

struct tally {
	unsigned answered, failed;
};

static void count_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
			void *userdata)
{
	struct tally *tally = userdata;

	(void)sp;
	(void)id;
	if (sidepool_code(reply) == SIDEPOOL_E_OK)
		tally->answered++;
	else
		tally->failed++;
	sidepool_reply_free(reply);
}

/* Returns how many requests were taken on. */
static unsigned ask_all(struct fixture *f, struct tally *tally)
{
	struct sidepool_call call = { .size = sizeof(call),
				      .done = count_reply,
				      .userdata = tally };
	struct sidepool_batch *batch = sidepool_batch_new();
	unsigned n = 0;

	n += sidepool_query(f->sp, "select 1", NULL, &call) != 0;
	n += sidepool_query(f->sp, "select $1",
			    SIDEPOOL_TEXT("a value that is longer than nothing"), &call) != 0;
	n += sidepool_status(f->sp, 0, &call) != 0;
	n += sidepool_take_lease(f->sp, NULL, &call) != 0;
	n += sidepool_query(f->sp, "select 1", NULL, &call) != 0;
	sidepool_batch_add(batch, "insert $1", SIDEPOOL_TEXT("x"), 0);
	n += sidepool_batch_send(f->sp, batch, 1, NULL, &call) != 0;
	sidepool_batch_free(batch);
	return n;
}

static void answer_one(struct fixture *f)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__StatusReply status = SIDEPOOL__V1__STATUS_REPLY__INIT;

	switch (f->request->kind_case) {
	case SIDEPOOL__V1__REQUEST__KIND_STATUS:
		response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_STATUS;
		response.status = &status;
		peer_answer(f, f->id, &response);
		break;
	case SIDEPOOL__V1__REQUEST__KIND_BATCH:
		peer_answer_error(f, f->id, SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_QUEUE_FULL,
				  SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT);
		break;
	default:
		peer_answer_text(f, f->id, "text");
		break;
	}
}

static void turn(struct fixture *f)
{
	counting = true;
	fixture_turn(f);
	counting = false;
}

/* The handle's side fails somewhere; the daemon's side carries on with what it gets. */
static void play(struct fixture *f)
{
	static const uint8_t greeting[8] = { 0, 'S', 'P', 0, 0, 0x31, 0, 0 };
	uint8_t theirs[8];

	f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (f->peer < 0)
		return;
	peer_read(f, theirs, sizeof(theirs));
	peer_write(f, greeting, sizeof(greeting));
	turn(f);
	while (!peer_quiet(f) && recv(f->peer, theirs, 1, MSG_PEEK) == 1) {
		peer_request(f);
		if (f->request->kind_case == SIDEPOOL__V1__REQUEST__KIND_HELLO)
			peer_answer_hello(f);
		else
			answer_one(f);
		turn(f);
	}
}

static void test_whatever_fails_each_request_ends_once(void **state)
{
	struct fixture *f = *state;
	bool failed = true;
	long n;

	fixture_listen(f);
	for (n = 1; failed; n++) {
		struct tally tally = { 0 };
		unsigned asked = 0;
		int r;

		countdown = n;
		counting = true;
		r = sidepool_open(SIDEPOOL_OPTIONS(.socket = f->path), &f->sp);
		if (r == 0)
			asked = ask_all(f, &tally);
		counting = false;
		if (r == 0) {
			play(f);
			counting = true;
			f->sp = sidepool_close(f->sp);
			counting = false;
			assert_int_equal(tally.answered + tally.failed, asked);
		}
		peer_close(f);
		failed = countdown == 0;
		countdown = 0;
		assert_true(failed || (asked == REQUESTS && tally.failed == 1)); /* the batch */
	}
	assert_in_range(n, 20, 10000);
}

static void test_in_its_stride_it_allocates_nothing(void **state)
{
	struct fixture *f = *state;
	struct tally tally = { 0 };

	fixture_ready(f);
	for (int i = 0; i < 100; i++) {
		counting = i >= 10;
		allocations = i == 10 ? 0 : allocations;
		assert_int_not_equal(
			sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT("17"),
				       SIDEPOOL_CALL(.done = count_reply, .userdata = &tally,
						     .deadline_ms = 1000)),
			0);
		fixture_turn(f);
		counting = false;
		peer_request(f);
		peer_answer_text(f, f->id, "x");
		counting = i >= 10;
		fixture_turn(f);
		counting = false;
	}
	assert_int_equal(tally.answered, 100);
	assert_int_equal(allocations, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_whatever_fails_each_request_ends_once),
		T(test_in_its_stride_it_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
