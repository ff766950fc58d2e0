/* SPDX-License-Identifier: MIT */
/* The connection of libsidepool: made, used, lost, made again. What may be sent again and what must
 * not. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_fixture.h"

static uint32_t ask(struct fixture *f, struct got *got)
{
	return sidepool_query(f->sp, "select 1", NULL,
			      SIDEPOOL_CALL(.done = got ? got_reply : NULL, .userdata = got));
}

static void assert_failed(const struct sidepool_reply *reply, int code,
			  enum sidepool_outcome outcome)
{
	assert_non_null(reply);
	assert_string_equal(sidepool_code_name(sidepool_code(reply)), sidepool_code_name(code));
	assert_int_equal(sidepool_error_outcome(sidepool_error(reply)), outcome);
	assert_int_not_equal(strlen(sidepool_error_message(sidepool_error(reply))), 0);
}

static void test_connect_tells_who_the_daemon_is(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_listen(f);
	fixture_open(f, SIDEPOOL_OPTIONS(.application = "tester", .client_name = "x"));
	assert_null(sidepool_daemon_version(f->sp));
	sidepool_connect(f->sp, SIDEPOOL_CALL(.done = got_reply, .userdata = &got));
	fixture_connect(f);
	assert_string_equal(f->request->hello->application_name, "tester");
	assert_string_equal(f->request->hello->client_name, "x");
	assert_int_equal(got.times, 1);
	assert_int_equal(sidepool_code(got.reply), 0);
	assert_string_equal(first_value(got.reply), "1");
	assert_string_equal(sidepool_daemon_version(f->sp), "9.9");
	assert_string_equal(sidepool_application(f->sp), "tester");
	assert_string_equal(sidepool_pool(f->sp, 1), "other");
	assert_null(sidepool_pool(f->sp, 2));
	assert_string_equal(sidepool_parameter(f->sp, "server_version"), "15.20");
	assert_null(sidepool_parameter(f->sp, "TimeZone"));
	assert_true(sidepool_has_feature(f->sp, "listen"));
	assert_false(sidepool_has_feature(f->sp, "fly"));
	assert_int_equal(sidepool_max_message_bytes(f->sp), 100000);
	assert_true(peer_quiet(f));
	got_free(&got);
}

static void test_a_query_waits_for_hello_and_is_answered(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_listen(f);
	fixture_open(f, NULL);
	id = ask(f, NULL);
	fixture_connect(f);
	peer_request(f);
	assert_int_equal(f->id, id);
	assert_int_equal(f->request->query->statement->sql.len, strlen("select 1"));
	assert_null(sidepool_take(f->sp, id));
	peer_answer_text(f, id, "one");
	reply = sidepool_wait(f->sp, id);
	assert_string_equal(first_value(reply), "one");
	sidepool_reply_free(reply);
}

static void test_answers_may_come_in_any_order_and_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct got got[3] = { { 0 } };
	uint32_t ids[3];
	uint8_t header[13] = { 1, 0, 0, 0, 0, 0, 0, 0, 4 };

	fixture_ready(f);
	for (int i = 0; i < 3; i++)
		ids[i] = ask(f, &got[i]);
	for (int i = 0; i < 3; i++) {
		peer_request(f);
		assert_int_equal(f->id, ids[i]);
	}
	peer_answer_text(f, ids[2], "third");
	fixture_turn(f);
	assert_int_equal(got[2].times, 1);
	assert_int_equal(got[0].times + got[1].times, 0);
	for (int i = 0; i < 4; i++)
		header[9 + i] = (uint8_t)(ids[0] >> (24 - 8 * i));
	for (size_t i = 0; i < sizeof(header); i++) {
		assert_int_equal(got[0].times, 0);
		peer_write(f, &header[i], 1);
		fixture_turn(f);
	}
	assert_int_equal(got[0].times, 1); /* an empty Response */
	assert_int_equal(sidepool_results(got[0].reply), 0);
	peer_answer_text(f, ids[1], "second");
	fixture_turn(f);
	assert_string_equal(first_value(got[1].reply), "second");
	assert_string_equal(first_value(got[2].reply), "third");
	assert_int_equal(sidepool_in_flight(f->sp), 0);
	for (int i = 0; i < 3; i++)
		got_free(&got[i]);
}

/* A message that is larger than the buffer, with small ones around it. */
static void test_a_large_answer_is_received_whole(void **state)
{
	struct fixture *f = *state;
	enum { LARGE = 700000 };
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__CopyChunk chunk = SIDEPOOL__V1__COPY_CHUNK__INIT;
	struct got got[3] = { { 0 } };
	uint32_t ids[3];
	const void *data;
	size_t bytes;

	fixture_ready(f);
	for (int i = 0; i < 3; i++)
		ids[i] = ask(f, &got[i]);
	fixture_turn(f);
	chunk.data.len = LARGE;
	chunk.data.data = malloc(LARGE);
	for (size_t i = 0; i < LARGE; i++)
		chunk.data.data[i] = (uint8_t)(i * 7 + i / 256);
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_COPY_CHUNK;
	response.copy_chunk = &chunk;
	peer_answer_text(f, ids[0], "before");
	peer_answer(f, ids[1], &response);
	peer_answer_text(f, ids[2], "behind");
	for (int i = 0; i < 100 && got[2].times == 0; i++)
		fixture_turn(f);
	assert_string_equal(first_value(got[0].reply), "before");
	data = sidepool_copy_chunk(got[1].reply, &bytes);
	assert_int_equal(bytes, LARGE);
	assert_memory_equal(data, chunk.data.data, LARGE);
	assert_string_equal(first_value(got[2].reply), "behind");
	free(chunk.data.data);
	for (int i = 0; i < 3; i++)
		got_free(&got[i]);
}

/* More than the socket takes at once: every request arrives once, whole and in order. */
static void test_requests_larger_than_the_socket_go_out_in_pieces(void **state)
{
	struct fixture *f = *state;
	enum { N = 64, BYTES = 50000 };
	static char text[BYTES + 1];
	uint32_t ids[N];

	fixture_ready(f);
	memset(text, 'x', BYTES);
	for (int i = 0; i < N; i++) {
		text[0] = (char)('A' + i % 26);
		ids[i] = sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT(text), NULL);
	}
	fixture_turn(f);
	assert_int_equal(sidepool_events(f->sp), POLLIN | POLLOUT);
	for (int i = 0; i < N; i++) {
		peer_request(f);
		assert_int_equal(f->id, ids[i]);
		assert_int_equal(f->request->query->statement->parameters.len, BYTES + 4);
		assert_int_equal(f->request->query->statement->parameters.data[4], 'A' + i % 26);
	}
	assert_int_equal(sidepool_events(f->sp), POLLIN);
	for (int i = 0; i < N; i++)
		sidepool_drop(f->sp, ids[i]);
}

static void test_nobody_listens(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *reply;

	fixture_open(f, NULL);
	reply = sidepool_wait(f->sp, ask(f, NULL));
	assert_failed(reply, SIDEPOOL_E_DAEMON_UNREACHABLE, SIDEPOOL_OUTCOME_NOT_SENT);
	assert_non_null(strstr(sidepool_error_message(sidepool_error(reply)), f->path));
	assert_non_null(strstr(sidepool_error_message(sidepool_error(reply)), "No such file"));
	assert_true(sidepool_error_retryable(sidepool_error(reply)));
	sidepool_reply_free(reply);
	assert_int_equal(sidepool_connection_state(f->sp), SIDEPOOL_CONNECTION_NONE);
}

static void test_a_daemon_that_comes_in_time_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_open(f, SIDEPOOL_OPTIONS(.connect_wait_ms = 5000));
	ask(f, &got);
	assert_int_equal(sidepool_fd(f->sp), -1);
	assert_in_range(sidepool_timeout_ms(f->sp), 1, 100);
	for (int i = 0; i < 20; i++) {
		fixture_now_us += 100000;
		fixture_turn(f);
	}
	assert_int_equal(got.times, 0);
	fixture_listen(f);
	fixture_now_us += 100000;
	fixture_turn(f);
	fixture_connect(f);
	peer_request(f);
	assert_int_equal(f->request->kind_case, SIDEPOOL__V1__REQUEST__KIND_QUERY);
	sidepool_drop(f->sp, f->id);
}

static void test_waiting_for_a_daemon_ends(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_open(f, SIDEPOOL_OPTIONS(.connect_wait_ms = 5000));
	ask(f, &got);
	fixture_now_us += 4999000;
	fixture_turn(f);
	assert_int_equal(got.times, 0);
	fixture_now_us += 1000;
	fixture_turn(f);
	assert_failed(got.reply, SIDEPOOL_E_DAEMON_UNREACHABLE, SIDEPOOL_OUTCOME_NOT_SENT);
	assert_int_equal(sidepool_timeout_ms(f->sp), -1);
	got_free(&got);
}

static void test_a_stranger_on_the_socket_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_listen(f);
	fixture_open(f, NULL);
	ask(f, &got);
	peer_accept(f);
	peer_write(f, "HTTP/1.1", 8);
	fixture_turn(f);
	assert_failed(got.reply, SIDEPOOL_E_PROTOCOL_VIOLATION, SIDEPOOL_OUTCOME_NOT_SENT);
	got_free(&got);
}

static void test_a_daemon_that_does_not_greet_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_listen(f);
	fixture_open(f, NULL);
	ask(f, &got);
	peer_accept(f);
	fixture_turn(f);
	assert_int_equal(sidepool_timeout_ms(f->sp), 10000);
	fixture_now_us += 10000000;
	fixture_turn(f);
	assert_failed(got.reply, SIDEPOOL_E_DAEMON_UNREACHABLE, SIDEPOOL_OUTCOME_NOT_SENT);
	got_free(&got);
}

static void test_a_refused_hello_ends_what_waits(void **state)
{
	static const uint8_t greeting[8] = { 0, 'S', 'P', 0, 0, 0x31, 0, 0 };
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_listen(f);
	fixture_open(f, NULL);
	ask(f, &got);
	peer_accept(f);
	peer_write(f, greeting, sizeof(greeting));
	peer_read(f, (uint8_t[8]){ 0 }, 8);
	fixture_turn(f);
	peer_request(f);
	peer_answer_error(f, f->id, SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_PERMISSION_DENIED,
			  SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT);
	fixture_turn(f);
	assert_failed(got.reply, SIDEPOOL_E_PERMISSION_DENIED, SIDEPOOL_OUTCOME_NOT_SENT);
	assert_string_equal(sidepool_error_message(sidepool_error(got.reply)), "so it is");
	got_free(&got);
}

static void test_what_was_sent_before_a_loss_has_an_unknown_outcome(void **state)
{
	struct fixture *f = *state;
	struct got sent = { 0 };

	fixture_ready(f);
	ask(f, &sent);
	peer_request(f);
	peer_close(f);
	fixture_turn(f);
	assert_failed(sent.reply, SIDEPOOL_E_DAEMON_LOST, SIDEPOOL_OUTCOME_UNKNOWN);
	assert_false(sidepool_error_retryable(sidepool_error(sent.reply)));
	assert_int_equal(sent.times, 1);
	got_free(&sent);
	assert_int_equal(sidepool_fd(f->sp), -1);
	assert_int_equal(sidepool_connection_state(f->sp), SIDEPOOL_CONNECTION_NONE);
}

static void test_what_the_daemon_said_before_it_closed_counts(void **state)
{
	struct fixture *f = *state;
	struct got got[2] = { { 0 } };
	uint32_t first;

	fixture_ready(f);
	first = ask(f, &got[0]);
	peer_request(f);
	peer_answer_text(f, first, "done");
	peer_close(f);
	ask(f, &got[1]); /* meets the closed socket in writing */
	sidepool_flush(f->sp);
	sidepool_dispatch(f->sp, 0);
	assert_string_equal(first_value(got[0].reply), "done");
	assert_int_equal(got[1].times, 0);
	fixture_connect(f);
	peer_request(f);
	peer_answer_text(f, f->id, "again");
	fixture_turn(f);
	assert_string_equal(first_value(got[1].reply), "again");
	got_free(&got[0]);
	got_free(&got[1]);
}

/* Not a byte, or only a part of the message was written: the daemon cannot have acted on it. */
static void test_what_was_not_sent_goes_out_on_the_next_connection(void **state)
{
	struct fixture *f = *state;
	enum { BYTES = 90000, N = 40 };
	static char text[BYTES + 1];
	struct got got[N] = { { 0 } };
	unsigned unknown = 0;
	int arrived = 0;

	fixture_ready(f);
	memset(text, 'y', BYTES);
	for (int i = 0; i < N; i++)
		sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT(text),
			       SIDEPOOL_CALL(.done = got_reply, .userdata = &got[i]));
	fixture_turn(f);
	peer_close(f);
	fixture_turn(f);
	for (int i = 0; i < N; i++)
		unknown += got[i].times;
	assert_in_range(unknown, 1, N - 1);
	for (unsigned i = 0; i < unknown; i++)
		assert_failed(got[i].reply, SIDEPOOL_E_DAEMON_LOST, SIDEPOOL_OUTCOME_UNKNOWN);
	fixture_connect(f);
	for (; arrived + (int)unknown < N; arrived++) {
		peer_request(f);
		peer_answer_text(f, f->id, "ok");
	}
	fixture_turn(f);
	for (int i = 0; i < N; i++) {
		assert_int_equal(got[i].times, 1);
		assert_int_equal(sidepool_code(got[i].reply),
				 i < (int)unknown ? SIDEPOOL_E_DAEMON_LOST : 0);
		got_free(&got[i]);
	}
	assert_true(peer_quiet(f));
}

static void test_a_restarted_daemon_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_ready(f);
	peer_close(f);
	fixture_unlisten(f);
	fixture_turn(f);
	ask(f, &got);
	fixture_now_us += 9000000;
	fixture_turn(f);
	assert_int_equal(got.times, 0);
	fixture_listen(f);
	fixture_now_us += 100000;
	fixture_turn(f);
	fixture_connect(f);
	assert_int_equal(sidepool_connection_number(f->sp), 2);
	peer_request(f);
	peer_answer_text(f, f->id, "new");
	fixture_turn(f);
	assert_string_equal(first_value(got.reply), "new");
	got_free(&got);
}

static void test_without_reconnect_a_loss_is_for_good(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *reply;

	fixture_listen(f);
	fixture_open(f, SIDEPOOL_OPTIONS(.no_reconnect = 1));
	sidepool_drop(f->sp, ask(f, NULL));
	ask(f, NULL);
	fixture_connect(f);
	peer_close(f);
	fixture_turn(f);
	assert_int_equal(sidepool_dispatch(f->sp, 0), SIDEPOOL_E_DAEMON_LOST);
	assert_int_equal(sidepool_connection_state(f->sp), SIDEPOOL_CONNECTION_BROKEN);
	sidepool_reply_free(sidepool_next(f->sp, NULL, NULL));
	reply = sidepool_wait(f->sp, ask(f, NULL));
	assert_failed(reply, SIDEPOOL_E_DAEMON_LOST, SIDEPOOL_OUTCOME_NOT_SENT);
	sidepool_reply_free(reply);
}

static void test_the_old_socket_stays_open_until_the_next_turn(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_ready(f);
	fd = sidepool_fd(f->sp);
	peer_close(f);
	fixture_turn(f);
	assert_int_equal(sidepool_fd(f->sp), -1);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
	assert_int_equal(errno, EPIPE); /* and not EBADF */
	fixture_turn(f);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
	assert_int_equal(errno, EBADF);
}

static void break_with(struct fixture *f, const void *bytes, size_t len)
{
	struct got got = { 0 };

	fixture_ready(f);
	ask(f, &got);
	peer_request(f);
	peer_write(f, bytes, len);
	fixture_turn(f);
	assert_failed(got.reply, SIDEPOOL_E_PROTOCOL_VIOLATION, SIDEPOOL_OUTCOME_UNKNOWN);
	assert_int_equal(sidepool_fd(f->sp), -1);
	got_free(&got);
}

static void test_a_wrong_type_byte_breaks(void **state)
{
	break_with(*state, "\x02\0\0\0\0\0\0\0\x04\x80\0\0\1", 13);
}

static void test_a_length_without_id_breaks(void **state)
{
	break_with(*state, "\x01\0\0\0\0\0\0\0\x03\x80\0\0\1", 13);
}

static void test_an_absurd_length_breaks(void **state)
{
	break_with(*state, "\x01\x7f\xff\xff\xff\xff\xff\xff\xff\x80\0\0\1", 13);
}

static void test_an_id_without_top_bit_breaks(void **state)
{
	break_with(*state, "\x01\0\0\0\0\0\0\0\x04\0\0\0\1", 13);
}

static void test_an_answer_that_nobody_asked_for_breaks(void **state)
{
	break_with(*state, "\x01\0\0\0\0\0\0\0\x04\xff\xff\xff\xff", 13);
}

static void test_an_answer_that_cannot_be_parsed_breaks(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_ready(f);
	ask(f, &got);
	peer_request(f);
	peer_answer_bytes(f, f->id, "\x0a\x05zz", 4);
	fixture_turn(f);
	assert_failed(got.reply, SIDEPOOL_E_PROTOCOL_VIOLATION, SIDEPOOL_OUTCOME_UNKNOWN);
	got_free(&got);
}

static void test_the_deadline_travels_as_what_is_left_of_it(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f);
	fixture_open(f, SIDEPOOL_OPTIONS(.deadline_ms = 5000));
	ask(f, NULL);
	fixture_now_us += 1500000;
	fixture_connect(f);
	peer_request(f);
	assert_int_equal(f->request->deadline_ms, 3500);
	sidepool_drop(f->sp, f->id);
}

static void test_a_silent_daemon_is_given_up_after_deadline_and_grace(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select 1", NULL,
			    SIDEPOOL_CALL(.done = got_reply, .userdata = &got, .deadline_ms = 200));
	peer_request(f);
	assert_int_equal(f->request->deadline_ms, 200);
	assert_int_equal(sidepool_timeout_ms(f->sp), 1200);
	fixture_now_us += 1199000;
	fixture_turn(f);
	assert_int_equal(got.times, 0);
	fixture_now_us += 1000;
	fixture_turn(f);
	assert_failed(got.reply, SIDEPOOL_E_NO_ANSWER, SIDEPOOL_OUTCOME_UNKNOWN);
	assert_int_equal(sidepool_timeout_ms(f->sp), -1);
	assert_int_equal(sidepool_in_flight(f->sp), 0);

	/* Its answer comes late and finds nobody; its id was not used for another request
	 * meanwhile. */
	assert_int_not_equal(ask(f, NULL), id);
	peer_answer_text(f, id, "late");
	fixture_turn(f);
	assert_int_equal(sidepool_connection_state(f->sp), SIDEPOOL_CONNECTION_READY);
	assert_int_equal(got.times, 1);
	got_free(&got);
}

static void test_a_late_answer_before_the_failure_is_taken(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.deadline_ms = 1));
	peer_request(f);
	fixture_now_us += 2000000;
	fixture_turn(f);
	peer_answer_text(f, id, "late");
	fixture_turn(f);
	reply = sidepool_wait(f->sp, id);
	assert_failed(reply, SIDEPOOL_E_NO_ANSWER, SIDEPOOL_OUTCOME_UNKNOWN);
	sidepool_reply_free(reply);
	assert_int_equal(sidepool_connection_state(f->sp), SIDEPOOL_CONNECTION_READY);
}

static void test_a_deadline_that_passes_unsent_is_not_sent(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };

	fixture_listen(f);
	fixture_open(f, NULL);
	sidepool_query(f->sp, "select 1", NULL,
		       SIDEPOOL_CALL(.done = got_reply, .userdata = &got, .deadline_ms = 100));
	fixture_now_us += 100000;
	fixture_connect(f);
	assert_failed(got.reply, SIDEPOOL_E_DEADLINE_UNREACHABLE, SIDEPOOL_OUTCOME_NOT_SENT);
	assert_true(peer_quiet(f));
	got_free(&got);
}

/* Returns to the parent what a check in the child found. */
static void test_a_child_leaves_its_parents_connection_alone(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	struct got got = { 0 };
	uint32_t id;
	int status, fails = 0;
	pid_t pid;

	fixture_ready(f);
	id = ask(f, &got);
	peer_request(f);
	pid = fork();
	if (pid == 0) {
		fails += sidepool_query(f->sp, "select 2", NULL, NULL) != 0;
		reply = sidepool_wait(f->sp, 0);
		fails += sidepool_code(reply) != SIDEPOOL_E_FORKED;
		fails += sidepool_error_outcome(sidepool_error(reply)) != SIDEPOOL_OUTCOME_NOT_SENT;
		sidepool_reply_free(reply);
		fails += sidepool_dispatch(f->sp, POLLIN) != SIDEPOOL_E_FORKED;
		fails += sidepool_flush(f->sp) != SIDEPOOL_E_FORKED;
		reply = sidepool_wait(f->sp, id);
		fails += sidepool_code(reply) != SIDEPOOL_E_FORKED;
		sidepool_reply_free(reply);
		sidepool_close(f->sp);
		fails += got.times != 0;
		fails += sidepool_open(SIDEPOOL_OPTIONS(.socket = f->path), &f->sp) != 0;
		fails += sidepool_query(f->sp, "select 3", NULL, NULL) == 0;
		_exit(fails);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(peer_quiet(f));
	peer_answer_text(f, id, "mine");
	fixture_turn(f);
	assert_string_equal(first_value(got.reply), "mine");
	got_free(&got);
}

static void test_closing_ends_what_is_in_flight(void **state)
{
	struct fixture *f = *state;
	struct got sent = { 0 }, queued = { 0 };

	fixture_ready(f);
	ask(f, &sent);
	peer_request(f);
	ask(f, &queued);
	f->sp = sidepool_close(f->sp);
	assert_failed(sent.reply, SIDEPOOL_E_CLOSED, SIDEPOOL_OUTCOME_UNKNOWN);
	assert_failed(queued.reply, SIDEPOOL_E_CLOSED, SIDEPOOL_OUTCOME_NOT_SENT);
	got_free(&sent);
	got_free(&queued);
}

static void close_handle(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
			 void *userdata)
{
	struct fixture *f = userdata;

	(void)id;
	sidepool_reply_free(reply);
	f->sp = sidepool_close(sp);
}

static void test_a_callback_may_close_the_handle(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	struct sidepool *sp;
	uint32_t waited;

	fixture_ready(f);
	sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.done = close_handle, .userdata = f));
	waited = ask(f, NULL);
	peer_request(f);
	peer_answer_text(f, f->id, "x");
	sp = f->sp;
	reply = sidepool_wait(sp, waited);
	assert_null(f->sp);
	assert_failed(reply, SIDEPOOL_E_CLOSED, SIDEPOOL_OUTCOME_UNKNOWN);
	sidepool_reply_free(reply);
}

static void ask_again(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
		      void *userdata)
{
	uint32_t *next = userdata;
	struct sidepool_reply *refused;

	(void)id;
	sidepool_reply_free(reply);
	*next = sidepool_query(sp, "select 2", NULL, NULL);
	refused = sidepool_wait(sp, *next);
	assert_int_equal(sidepool_code(refused), SIDEPOOL_E_INVALID_ARGUMENT);
	sidepool_reply_free(refused);
}

static void test_a_callback_may_ask_but_not_wait(void **state)
{
	struct fixture *f = *state;
	uint32_t next = 0;

	fixture_ready(f);
	sidepool_query(f->sp, "select 1", NULL,
		       SIDEPOOL_CALL(.done = ask_again, .userdata = &next));
	peer_request(f);
	peer_answer_text(f, f->id, "x");
	fixture_turn(f);
	assert_int_not_equal(next, 0);
	peer_request(f); /* the same turn sent it */
	assert_int_equal(f->id, next);
}

static void test_replies_outlive_their_handle(void **state)
{
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_ready(f);
	id = ask(f, NULL);
	peer_request(f);
	peer_answer_text(f, id, "kept");
	reply = sidepool_wait(f->sp, id);
	f->sp = sidepool_close(f->sp);
	assert_string_equal(first_value(reply), "kept");
	assert_string_equal(sidepool_fname(sidepool_result(reply, 0), 0), "v");
	sidepool_reply_free(reply);
}

static void test_options_are_checked(void **state)
{
	struct fixture *f = *state;
	char path[200];

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(sidepool_open(SIDEPOOL_OPTIONS(.socket = path), &f->sp),
			 SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_open(SIDEPOOL_OPTIONS(.application = path), &f->sp),
			 SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_open(SIDEPOOL_OPTIONS(.max_in_flight = 65536), &f->sp),
			 SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_open(&(struct sidepool_options){ .size = 0 }, &f->sp),
			 SIDEPOOL_E_INVALID_ARGUMENT);
	assert_null(f->sp);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_connect_tells_who_the_daemon_is),
		T(test_a_query_waits_for_hello_and_is_answered),
		T(test_answers_may_come_in_any_order_and_in_pieces),
		T(test_a_large_answer_is_received_whole),
		T(test_requests_larger_than_the_socket_go_out_in_pieces),
		T(test_nobody_listens),
		T(test_a_daemon_that_comes_in_time_is_waited_for),
		T(test_waiting_for_a_daemon_ends),
		T(test_a_stranger_on_the_socket_is_told_apart),
		T(test_a_daemon_that_does_not_greet_is_given_up),
		T(test_a_refused_hello_ends_what_waits),
		T(test_what_was_sent_before_a_loss_has_an_unknown_outcome),
		T(test_what_the_daemon_said_before_it_closed_counts),
		T(test_what_was_not_sent_goes_out_on_the_next_connection),
		T(test_a_restarted_daemon_is_waited_for),
		T(test_without_reconnect_a_loss_is_for_good),
		T(test_the_old_socket_stays_open_until_the_next_turn),
		T(test_a_wrong_type_byte_breaks),
		T(test_a_length_without_id_breaks),
		T(test_an_absurd_length_breaks),
		T(test_an_id_without_top_bit_breaks),
		T(test_an_answer_that_nobody_asked_for_breaks),
		T(test_an_answer_that_cannot_be_parsed_breaks),
		T(test_the_deadline_travels_as_what_is_left_of_it),
		T(test_a_silent_daemon_is_given_up_after_deadline_and_grace),
		T(test_a_late_answer_before_the_failure_is_taken),
		T(test_a_deadline_that_passes_unsent_is_not_sent),
		T(test_a_child_leaves_its_parents_connection_alone),
		T(test_closing_ends_what_is_in_flight),
		T(test_a_callback_may_close_the_handle),
		T(test_a_callback_may_ask_but_not_wait),
		T(test_replies_outlive_their_handle),
		T(test_options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
