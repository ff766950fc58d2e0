/* SPDX-License-Identifier: MIT */
/* Daemons that leave: what they refuse goes to the next one, what they lend lives on over the old
 * connection, and one descriptor stands for both. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_fixture.h"

enum {
	PAUSE_US = 100000, /* until the next daemon is looked for */
};

static uint32_t ask(struct fixture *f, struct got *got, const struct sidepool_lease *lease)
{
	return sidepool_query(
		f->sp, "select 1", NULL,
		SIDEPOOL_CALL(.lease = lease, .done = got ? got_reply : NULL, .userdata = got));
}

static void assert_failed(const struct got *got, int code, enum sidepool_outcome outcome)
{
	assert_int_equal(got->times, 1);
	assert_string_equal(sidepool_code_name(sidepool_code(got->reply)),
			    sidepool_code_name(code));
	assert_int_equal(sidepool_error_outcome(sidepool_error(got->reply)), outcome);
}

static void refuse(struct fixture *f, uint32_t id)
{
	peer_answer_error(f, id, SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_SHUTTING_DOWN,
			  SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT);
}

/* The daemon refuses request `id`; returns its end of the connection, which stays open. */
static int leave(struct fixture *f, uint32_t id)
{
	int old = f->peer;

	refuse(f, id);
	fixture_turn(f);
	f->peer = -1;
	return old;
}

/* The next daemon is found. */
static void next_daemon(struct fixture *f)
{
	fixture_now_us += PAUSE_US;
	fixture_turn(f);
	fixture_connect(f);
}

static void swap(struct fixture *f, int *peer)
{
	int other = f->peer;

	f->peer = *peer;
	*peer = other;
}

static struct sidepool_lease take_lease(struct fixture *f)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__LeaseGrant grant = SIDEPOOL__V1__LEASE_GRANT__INIT;
	struct sidepool_lease lease = { { 0 } };
	struct sidepool_reply *reply;
	uint32_t id = sidepool_take_lease(f->sp, NULL, NULL);

	grant.lease_id = 5;
	grant.token = 9;
	response.lease = &grant;
	peer_request(f);
	peer_answer(f, f->id, &response);
	reply = sidepool_wait(f->sp, id);
	assert_int_equal(sidepool_reply_lease(reply, &lease), 1);
	sidepool_reply_free(reply);
	return lease;
}

/* The request is there, and is answered. */
static void serve(struct fixture *f, const char *text)
{
	peer_request(f);
	peer_answer_text(f, f->id, text);
	fixture_turn(f);
}

static void assert_answered(struct got *got, const char *text)
{
	assert_int_equal(got->times, 1);
	assert_string_equal(first_value(got->reply), text);
	got_free(got);
	got->times = 0;
}

static void test_what_was_refused_goes_to_the_next_daemon(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };
	uint32_t id;
	int old;

	fixture_ready(f);
	id = ask(f, &got, NULL);
	peer_request(f);
	old = leave(f, id);
	assert_int_equal(got.times, 0);
	assert_int_equal(sidepool_connection_state(f->sp), SIDEPOOL_CONNECTION_CONNECTING);
	assert_string_equal(sidepool_daemon_version(f->sp), "9.9");
	assert_int_equal(sidepool_timeout_ms(f->sp), 0); /* no retry_after: at once */
	next_daemon(f);
	assert_int_equal(sidepool_connection_number(f->sp), 2);
	serve(f, "new");
	assert_answered(&got, "new");
	close(old);
}

/* Three in one read, one of them by an id that the next daemon would take for something else. */
static void test_they_go_in_order_and_as_text(void **state)
{
	struct fixture *f = *state;
	struct got got[3] = { { 0 } };
	uint32_t ids[3];
	int old;

	fixture_ready(f);
	ask(f, &got[0], NULL);
	serve(f, "learned");
	assert_answered(&got[0], "learned");
	for (int i = 0; i < 3; i++) {
		ids[i] = ask(f, &got[i], NULL);
		peer_request(f);
		assert_int_equal(f->request->query->statement->statement_id, 7);
		assert_int_equal(f->request->query->statement->known_columns_id, 8);
	}
	refuse(f, ids[0]);
	refuse(f, ids[1]);
	old = leave(f, ids[2]);
	next_daemon(f);
	for (int i = 0; i < 3; i++) {
		peer_request(f);
		assert_int_equal(f->id, ids[i]);
		assert_int_equal(f->request->query->statement->statement_id, 0);
		assert_int_equal(f->request->query->statement->known_columns_id, 0);
		assert_memory_equal(f->request->query->statement->sql.data, "select 1", 8);
		peer_answer_text(f, f->id, "ok");
	}
	fixture_turn(f);
	for (int i = 0; i < 3; i++)
		assert_answered(&got[i], "ok");
	close(old);
}

static void test_a_lease_lives_on_until_its_daemon_has_left(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease;
	struct got on_lease = { 0 }, other = { 0 };
	int peer, fd;

	fixture_ready(f);
	lease = take_lease(f);
	ask(f, &other, NULL);
	peer_request(f);
	peer = leave(f, f->id);

	ask(f, &on_lease, &lease); /* while no other daemon is there */
	swap(f, &peer);
	serve(f, "lent");
	assert_answered(&on_lease, "lent");
	swap(f, &peer);

	next_daemon(f);
	serve(f, "new");
	assert_answered(&other, "new");
	ask(f, &on_lease, &lease); /* and beside it: what the new one taught is not for the old */
	swap(f, &peer);
	peer_request(f);
	assert_int_equal(f->request->lease->lease_id, 5);
	assert_int_equal(f->request->query->statement->known_columns_id, 0);
	peer_answer_text(f, f->id, "still");
	fixture_turn(f);
	assert_answered(&on_lease, "still");

	fd = sidepool_fd(f->sp);
	peer_close(f);
	swap(f, &peer);
	fixture_turn(f);
	assert_int_not_equal(sidepool_fd(f->sp), fd);
	ask(f, &on_lease, &lease);
	fixture_turn(f);
	assert_failed(&on_lease, SIDEPOOL_E_LEASE_LOST, SIDEPOOL_OUTCOME_NOT_SENT);
	ask(f, &other, NULL);
	serve(f, "new");
	assert_answered(&other, "new");
	got_free(&on_lease);
}

/* Each loses its own. */
static void test_the_old_connections_end_is_not_the_new_ones(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease;
	struct got on_lease = { 0 }, other = { 0 };
	int peer;

	fixture_ready(f);
	lease = take_lease(f);
	ask(f, &other, NULL);
	peer_request(f);
	peer = leave(f, f->id);
	ask(f, &on_lease, &lease);
	next_daemon(f);
	peer_request(f);
	swap(f, &peer);
	peer_request(f);
	peer_close(f);
	fixture_turn(f);
	assert_failed(&on_lease, SIDEPOOL_E_DAEMON_LOST, SIDEPOOL_OUTCOME_UNKNOWN);
	assert_int_equal(other.times, 0);
	swap(f, &peer);
	peer_answer_text(f, f->id, "x"); /* of the other connection, with the lease's id */
	fixture_turn(f);
	assert_failed(&other, SIDEPOOL_E_PROTOCOL_VIOLATION, SIDEPOOL_OUTCOME_UNKNOWN);
	got_free(&on_lease);
	got_free(&other);
}

static void test_a_cancel_goes_where_the_request_went(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease;
	struct got on_lease = { 0 }, other = { 0 };
	uint32_t id, cancel, by_lease;
	int peer;

	fixture_ready(f);
	lease = take_lease(f);
	ask(f, &other, NULL);
	peer_request(f);
	peer = leave(f, f->id);
	id = ask(f, &on_lease, &lease);
	next_daemon(f);
	serve(f, "new");
	assert_answered(&other, "new");
	swap(f, &peer);
	peer_request(f);
	cancel = sidepool_cancel(f->sp, id, NULL);
	by_lease = sidepool_cancel_lease(f->sp, &lease, NULL);
	peer_request(f);
	assert_int_equal(f->id, cancel);
	assert_int_equal(f->request->cancel->request_id, id);
	peer_request(f);
	assert_int_equal(f->request->cancel->lease_id, 5);
	sidepool_drop(f->sp, cancel);
	sidepool_drop(f->sp, by_lease);
	sidepool_drop(f->sp, id);
	close(peer);
}

/* Two daemons may give two streams one number. */
static void answer_chunk(struct fixture *f, const char *column)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Result result = SIDEPOOL__V1__RESULT__INIT, *results = &result;
	Sidepool__V1__Column c = SIDEPOOL__V1__COLUMN__INIT, *columns = &c;
	uint8_t rows[5] = { 1, 0, 0, 0, 'v' };

	c.name = (char *)column;
	result.columns = &columns;
	result.n_columns = column ? 1 : 0;
	result.row_count = 1;
	result.rows = (ProtobufCBinaryData){ .data = rows, .len = sizeof(rows) };
	response.n_results = 1;
	response.results = &results;
	response.stream_id = 3;
	peer_request(f);
	peer_answer(f, f->id, &response);
	fixture_turn(f);
}

static struct sidepool_stream stream_of(struct got *got, const char *column)
{
	struct sidepool_stream stream = { { 0 } };

	assert_int_equal(got->times, 1);
	assert_int_equal(sidepool_reply_stream(got->reply, &stream), 1);
	assert_string_equal(sidepool_fname(sidepool_result(got->reply, 0), 0), column);
	got_free(got);
	got->times = 0;
	return stream;
}

static void test_streams_of_two_daemons_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct sidepool_stream old, new;
	struct got got = { 0 }, other = { 0 };
	struct sidepool_call call = { .size = sizeof(call), .done = got_reply, .userdata = &got };
	int peer;

	fixture_ready(f);
	ask(f, &got, NULL);
	answer_chunk(f, "old");
	old = stream_of(&got, "old");
	ask(f, &other, NULL);
	peer_request(f);
	peer = leave(f, f->id);
	next_daemon(f);
	answer_chunk(f, "new");
	new = stream_of(&other, "new");
	sidepool_fetch(f->sp, &new, &call);
	answer_chunk(f, NULL);
	stream_of(&got, "new");
	swap(f, &peer);
	sidepool_fetch(f->sp, &old, &call);
	answer_chunk(f, NULL);
	stream_of(&got, "old");
	sidepool_fetch(f->sp, &old, &call);
	peer_close(f);
	swap(f, &peer);
	fixture_turn(f);
	fixture_turn(f);
	assert_int_equal(got.times, 1);
	assert_int_not_equal(sidepool_code(got.reply), SIDEPOOL_E_OK);
	got_free(&got);
}

static void test_a_lease_that_is_refused_is_told(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease;
	struct got on_lease = { 0 }, other = { 0 };
	uint32_t id;
	int old;

	fixture_ready(f);
	lease = take_lease(f);
	id = ask(f, &on_lease, &lease);
	peer_request(f);
	old = leave(f, id);
	assert_failed(&on_lease, SIDEPOOL_E_SHUTTING_DOWN, SIDEPOOL_OUTCOME_NOT_SENT);
	ask(f, &other, NULL); /* not to the one that leaves */
	fixture_connect(f);
	serve(f, "new");
	assert_answered(&other, "new");
	got_free(&on_lease);
	close(old);
}

static void test_without_reconnect_the_refusal_is_told(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_listen(f);
	fixture_open(f, SIDEPOOL_OPTIONS(.no_reconnect = 1));
	ask(f, &got, NULL);
	fixture_connect(f);
	peer_request(f);
	refuse(f, f->id);
	fixture_turn(f);
	assert_failed(&got, SIDEPOOL_E_SHUTTING_DOWN, SIDEPOOL_OUTCOME_NOT_SENT);
	assert_int_equal(sidepool_connection_state(f->sp), SIDEPOOL_CONNECTION_READY);
	got_free(&got);
}

static void test_the_next_daemon_is_not_waited_for_in_vain(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };
	uint32_t id;
	int old;

	fixture_ready(f);
	fixture_unlisten(f);
	id = ask(f, &got, NULL);
	peer_request(f);
	old = leave(f, id);
	fixture_now_us += 9900000;
	fixture_turn(f);
	assert_int_equal(got.times, 0);
	fixture_now_us += 200000;
	fixture_turn(f);
	assert_failed(&got, SIDEPOOL_E_DAEMON_UNREACHABLE, SIDEPOOL_OUTCOME_NOT_SENT);
	got_free(&got);
	close(old);
}

/* Each greets and then refuses; it stays polite for ever. */
static void test_daemons_that_all_refuse_are_told_in_the_end(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };
	int old[LEAVING_MAX + 1];
	int n = 0;

	fixture_ready(f);
	ask(f, &got, NULL);
	while (got.times == 0) {
		peer_request(f);
		assert_in_range(n, 0, LEAVING_MAX);
		old[n++] = leave(f, f->id);
		if (got.times == 0)
			next_daemon(f);
	}
	assert_int_equal(n, LEAVING_MAX + 1);
	assert_failed(&got, SIDEPOOL_E_SHUTTING_DOWN, SIDEPOOL_OUTCOME_NOT_SENT);
	got_free(&got);
	while (n > 0)
		close(old[--n]);
}

static void test_one_request_is_not_passed_on_for_ever(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_ready(f);
	ask(f, &got, NULL);
	for (int i = 0; i < 2; i++) {
		peer_request(f);
		close(leave(f, f->id));
		assert_int_equal(got.times, i);
		if (i == 0)
			next_daemon(f);
		fixture_now_us += 10000000;
	}
	assert_failed(&got, SIDEPOOL_E_SHUTTING_DOWN, SIDEPOOL_OUTCOME_NOT_SENT);
	got_free(&got);
}

/* What waits to be written wakes the loop when there is room, on either connection. */
static void test_large_messages_go_out_on_the_old_connection_too(void **state)
{
	struct fixture *f = *state;
	enum { BYTES = 90000, N = 12 };
	static char text[BYTES + 1];
	struct sidepool_lease lease;
	struct got got[N] = { { 0 } }, other = { 0 };
	int peer;

	fixture_ready(f);
	lease = take_lease(f);
	ask(f, &other, NULL);
	peer_request(f);
	peer = leave(f, f->id);
	next_daemon(f);
	serve(f, "new");
	swap(f, &peer);
	memset(text, 'y', BYTES);
	for (int i = 0; i < N; i++)
		sidepool_query(
			f->sp, "select $1", SIDEPOOL_TEXT(text),
			SIDEPOOL_CALL(.lease = &lease, .done = got_reply, .userdata = &got[i]));
	for (int i = 0; i < N; i++)
		serve(f, "old");
	for (int i = 0; i < N; i++)
		assert_answered(&got[i], "old");
	assert_answered(&other, "new");
	close(peer);
}

static void test_the_child_leaves_its_parents_set_alone(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease;
	struct got on_lease = { 0 }, other = { 0 };
	int peer, status;
	pid_t child;

	fixture_ready(f);
	lease = take_lease(f);
	ask(f, &other, NULL);
	peer_request(f);
	peer = leave(f, f->id);
	next_daemon(f);
	child = fork();
	if (child == 0) {
		f->sp = sidepool_close(f->sp);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	serve(f, "new");
	assert_answered(&other, "new");
	ask(f, &on_lease, &lease);
	swap(f, &peer);
	serve(f, "old");
	assert_answered(&on_lease, "old");
	close(peer);
}

static void test_closing_ends_what_is_on_both(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease;
	struct got sent = { 0 }, queued = { 0 }, other = { 0 };
	int peer;

	fixture_ready(f);
	lease = take_lease(f);
	ask(f, &other, NULL);
	peer_request(f);
	peer = leave(f, f->id);
	ask(f, &sent, &lease);
	sidepool_flush(f->sp);
	ask(f, &queued, &lease);
	f->sp = sidepool_close(f->sp);
	assert_failed(&sent, SIDEPOOL_E_CLOSED, SIDEPOOL_OUTCOME_UNKNOWN);
	assert_failed(&queued, SIDEPOOL_E_CLOSED, SIDEPOOL_OUTCOME_NOT_SENT);
	assert_failed(&other, SIDEPOOL_E_CLOSED, SIDEPOOL_OUTCOME_NOT_SENT);
	got_free(&sent);
	got_free(&queued);
	got_free(&other);
	close(peer);
}

/* What nobody waits for any more, but has begun to go out: what follows is behind the rest of it. */
static void given_up_in_the_middle(struct fixture *f, bool drop)
{
	enum { BYTES = 90000, N = 12 };
	static char text[BYTES + 1];
	struct got got = { 0 };
	uint32_t ids[N];
	int served = 0;

	fixture_ready(f);
	memset(text, 'y', BYTES);
	for (int i = 0; i < N; i++)
		ids[i] = sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT(text),
					SIDEPOOL_CALL(.deadline_ms = 1000));
	fixture_turn(f);
	fixture_now_us += drop ? 0 : 5000000;
	for (int i = 0; drop && i < N; i++)
		sidepool_drop(f->sp, ids[i]);
	fixture_turn(f);
	ask(f, &got, NULL);
	do {
		peer_request(f);
		served++;
		peer_answer_text(f, f->id, "whole");
		fixture_turn(f);
	} while (got.times == 0);
	assert_in_range(served, 2, N); /* those that had begun to go, and then ours */
	assert_answered(&got, "whole");
}

static void test_a_deadline_in_the_middle_of_a_message(void **state)
{
	given_up_in_the_middle(*state, false);
}

static void test_a_request_dropped_in_the_middle_of_its_message(void **state)
{
	given_up_in_the_middle(*state, true);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_what_was_refused_goes_to_the_next_daemon),
		T(test_they_go_in_order_and_as_text),
		T(test_a_lease_lives_on_until_its_daemon_has_left),
		T(test_the_old_connections_end_is_not_the_new_ones),
		T(test_a_cancel_goes_where_the_request_went),
		T(test_streams_of_two_daemons_are_told_apart),
		T(test_a_lease_that_is_refused_is_told),
		T(test_without_reconnect_the_refusal_is_told),
		T(test_the_next_daemon_is_not_waited_for_in_vain),
		T(test_daemons_that_all_refuse_are_told_in_the_end),
		T(test_one_request_is_not_passed_on_for_ever),
		T(test_large_messages_go_out_on_the_old_connection_too),
		T(test_the_child_leaves_its_parents_set_alone),
		T(test_closing_ends_what_is_on_both),
		T(test_a_deadline_in_the_middle_of_a_message),
		T(test_a_request_dropped_in_the_middle_of_its_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
