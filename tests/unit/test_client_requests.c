/* SPDX-License-Identifier: MIT */
/* What libsidepool asks, as the daemon's protobuf reads it, and what it makes of the answers. */
#include <stdio.h>
#include <endian.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client_fixture.h"

static Sidepool__V1__Statement *statement(const struct fixture *f)
{
	assert_int_equal(f->request->kind_case, SIDEPOOL__V1__REQUEST__KIND_QUERY);
	return f->request->query->statement;
}

static void assert_sql(const struct fixture *f, const char *sql)
{
	assert_int_equal(statement(f)->statement_id, 0);
	assert_int_equal(statement(f)->sql.len, strlen(sql));
	assert_memory_equal(statement(f)->sql.data, sql, strlen(sql));
}

/* Answers the request read last with "x", and takes the reply. */
static void answer(struct fixture *f, uint32_t id)
{
	struct sidepool_reply *reply;

	peer_answer_text(f, f->id, "x");
	reply = sidepool_wait(f->sp, id);
	assert_int_equal(sidepool_code(reply), 0);
	assert_string_equal(first_value(reply), "x");
	assert_string_equal(sidepool_fname(sidepool_result(reply, 0), 0), "v");
	sidepool_reply_free(reply);
}

static int fail_code(struct fixture *f, uint32_t id, enum sidepool_outcome *ret_outcome)
{
	struct sidepool_reply *reply = sidepool_wait(f->sp, id);
	int code = sidepool_code(reply);

	if (ret_outcome)
		*ret_outcome = sidepool_error_outcome(sidepool_error(reply));
	sidepool_reply_free(reply);
	return code;
}

static void test_parameters_are_packed(void **state)
{
	static const char *const values[] = { "42", NULL, "", "a\0b" };
	static const size_t lengths[] = { 2, 9, 0, 3 };
	static const uint32_t types[] = { 23, 0, 25, 17 };
	static const uint8_t formats[] = { 0, 0, 0, 1 };
	static const uint8_t packed[] = { 2, 0, 0, 0, '4', '2', 0xff, 0xff, 0xff, 0xff, 0,
					  0, 0, 0, 3, 0,   0,   0,    'a',  0,    'b' };
	struct sidepool_params params = { 4, values, lengths, types, formats };
	struct fixture *f = *state;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select $1,$2,$3,$4", &params,
			    SIDEPOOL_CALL(.binary = 1, .chunk_bytes = 4711));
	peer_request(f);
	assert_sql(f, "select $1,$2,$3,$4");
	assert_int_equal(statement(f)->parameter_count, 4);
	assert_int_equal(statement(f)->parameters.len, sizeof(packed));
	assert_memory_equal(statement(f)->parameters.data, packed, sizeof(packed));
	assert_int_equal(statement(f)->n_parameter_types, 4);
	assert_memory_equal(statement(f)->parameter_types, types, sizeof(types));
	assert_int_equal(statement(f)->n_parameter_formats, 4);
	assert_int_equal(statement(f)->parameter_formats[3], 1);
	assert_int_equal(statement(f)->result_format, 1);
	assert_int_equal(f->request->query->chunk_bytes, 4711);
	answer(f, id);
}

static void test_equal_formats_are_one(void **state)
{
	static const uint8_t binary[] = { 1, 1 }, text[] = { 0, 0 };
	static const char *const values[] = { "a", "b" };
	struct sidepool_params params = { 2, values, NULL, NULL, binary };
	struct fixture *f = *state;

	fixture_ready(f);
	sidepool_query(f->sp, "select $1,$2", &params, NULL);
	params.formats = text;
	sidepool_query(f->sp, "select $1,$2", &params, NULL);
	peer_request(f);
	assert_int_equal(statement(f)->n_parameter_formats, 1);
	assert_int_equal(statement(f)->parameter_formats[0], 1);
	peer_request(f);
	assert_int_equal(statement(f)->n_parameter_formats, 0);
}

/* What a wrapper's caller is told by, and nothing where the function itself is called. */
static void test_the_call_site(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	fixture_ready(f);
	(void)snprintf(expected, sizeof(expected), "test_client_requests.c:%d", __LINE__ + 1);
	sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.deadline_ms = 5));
	peer_request(f);
	assert_string_equal(f->request->call_site, expected);
	sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.call_site = "elsewhere"));
	peer_request(f);
	assert_string_equal(f->request->call_site, "elsewhere");
	(sidepool_query)(sidepool_here(f->sp, "caller.c:1"), "select 1", NULL, NULL);
	peer_request(f);
	assert_string_equal(f->request->call_site, "caller.c:1");
	(sidepool_query)(f->sp, "select 1", NULL, NULL);
	peer_request(f);
	assert_string_equal(f->request->call_site, "");
	assert_null(sidepool_here(NULL, SIDEPOOL_HERE));
}

/* Every function that takes a connection has a macro of its name. */
static void test_who_tells_the_call_site(void **state)
{
	struct sidepool_batch *batch = sidepool_batch_new();
	struct fixture *f = *state;

	fixture_ready(f);
	assert_int_equal(sidepool_batch_add(batch, "select 1", NULL, 0), SIDEPOOL_E_OK);
	sidepool_script(f->sp, "select 1", SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS()));
	sidepool_take_lease(f->sp, NULL, NULL);
	sidepool_batch_send(f->sp, batch, 1, NULL, NULL);
	sidepool_copy_in(f->sp, "copy t from stdin", NULL);
	sidepool_copy_out(f->sp, "copy t to stdout", NULL);
	for (int i = 0; i < 5; i++) {
		peer_request(f);
		assert_non_null(strstr(f->request->call_site, "test_client_requests.c:"));
	}
	sidepool_batch_free(batch);
}

static const char *current_trace(void *userdata)
{
	unsigned *asked = userdata;

	return ++*asked < 3 ? "00-4-5-6" : NULL;
}

static void test_the_current_trace_is_asked_for(void **state)
{
	struct fixture *f = *state;
	unsigned asked = 0;

	fixture_listen(f);
	fixture_open(
		f, SIDEPOOL_OPTIONS(.traceparent = current_trace, .traceparent_userdata = &asked));
	sidepool_query(f->sp, "select 1", NULL, NULL);
	sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.traceparent = "00-1-2-3"));
	sidepool_take_lease(f->sp, NULL, NULL);
	sidepool_query(f->sp, "select 1", NULL, NULL);
	fixture_connect(f);
	peer_request(f);
	assert_string_equal(f->request->traceparent, "00-4-5-6");
	peer_request(f);
	assert_string_equal(f->request->traceparent, "00-1-2-3");
	peer_request(f);
	assert_string_equal(f->request->traceparent, "00-4-5-6");
	peer_request(f);
	assert_string_equal(f->request->traceparent, ""); /* there is none now */
	assert_int_equal(asked, 3);
}

static void test_the_envelope(void **state)
{
	struct fixture *f = *state;

	fixture_ready(f);
	sidepool_query(
		f->sp, "select 1", NULL,
		SIDEPOOL_CALL(.pool = "other", .idempotency_key = "k\0y",
			      .idempotency_key_bytes = 3, .call_site = "file.c:1",
			      .traceparent = "00-1-2-3", .finish = SIDEPOOL_FINISH_COMMIT,
			      .acquire = SIDEPOOL_LEASE_OPTIONS(
					      .begin = 1, .read_only = 1, .deferrable = 1,
					      .hold_ms = 300,
					      .isolation = SIDEPOOL_ISOLATION_SERIALIZABLE)));
	peer_request(f);
	assert_string_equal(f->request->pool, "other");
	assert_int_equal(f->request->idempotency_key.len, 3);
	assert_memory_equal(f->request->idempotency_key.data, "k\0y", 3);
	assert_string_equal(f->request->call_site, "file.c:1");
	assert_string_equal(f->request->traceparent, "00-1-2-3");
	assert_int_equal(f->request->finish, SIDEPOOL__V1__FINISH__FINISH_COMMIT);
	assert_true(f->request->acquire->begin);
	assert_int_equal(f->request->acquire->hold_ms, 300);
	assert_true(f->request->acquire->transaction->read_only);
	assert_true(f->request->acquire->transaction->deferrable);
	assert_int_equal(f->request->acquire->transaction->isolation,
			 SIDEPOOL__V1__ISOLATION__ISOLATION_SERIALIZABLE);
}

static void test_a_known_statement_goes_as_its_id(void **state)
{
	struct fixture *f = *state;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT("1"), NULL);
	peer_request(f);
	assert_sql(f, "select $1");
	answer(f, id);
	id = sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT("2"), NULL);
	peer_request(f);
	assert_int_equal(statement(f)->sql.len, 0);
	assert_int_equal(statement(f)->statement_id, 7);
	assert_int_equal(statement(f)->known_columns_id, 8);
	assert_int_equal(statement(f)->parameters.data[4], '2');
	answer(f, id);
}

static void test_other_parameter_types_are_another_statement(void **state)
{
	static const char *const values[] = { "1" };
	static const uint32_t types[] = { 23 };
	struct sidepool_params params = { .count = 1, .values = values };
	struct fixture *f = *state;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select $1", &params, NULL);
	peer_request(f);
	answer(f, id);
	params.types = types;
	id = sidepool_query(f->sp, "select $1", &params, NULL);
	peer_request(f);
	assert_sql(f, "select $1");
	answer(f, id);
}

/* An answer without the columns that the request said it knows. */
static void test_known_columns_are_not_sent_again(void **state)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Result result = SIDEPOOL__V1__RESULT__INIT, *results = &result;
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select 1", NULL, NULL);
	peer_request(f);
	answer(f, id);
	id = sidepool_query(f->sp, "select 1", NULL, NULL);
	peer_request(f);
	result.columns_id = 8;
	result.row_count = 2;
	result.rows =
		(ProtobufCBinaryData){ .data = (uint8_t *)"\1\0\0\0A\xff\xff\xff\xff", .len = 9 };
	response.n_results = 1;
	response.results = &results;
	peer_answer(f, id, &response);
	reply = sidepool_wait(f->sp, id);
	assert_int_equal(sidepool_nfields(sidepool_result(reply, 0)), 1);
	assert_string_equal(sidepool_fname(sidepool_result(reply, 0), 0), "v");
	assert_string_equal(first_value(reply), "A");
	assert_true(sidepool_isnull(sidepool_result(reply, 0), 1, 0));
	sidepool_reply_free(reply);

	/* Columns that nobody knows cannot be read. */
	id = sidepool_query(f->sp, "select 1", NULL, NULL);
	peer_request(f);
	result.columns_id = 9;
	peer_answer(f, id, &response);
	assert_int_equal(fail_code(f, id, NULL), SIDEPOOL_E_PROTOCOL_VIOLATION);
}

static void test_the_text_follows_where_the_id_is_unknown(void **state)
{
	struct fixture *f = *state;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT("1"), NULL);
	peer_request(f);
	answer(f, id);
	id = sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT("again"),
			    SIDEPOOL_CALL(.deadline_ms = 1000, .call_site = "here",
					  .chunk_bytes = 5, .binary = 1));
	peer_request(f);
	assert_int_equal(statement(f)->statement_id, 7);
	peer_answer_error(f, f->id, SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_UNKNOWN_STATEMENT,
			  SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT);
	fixture_now_us += 400000;
	fixture_turn(f);
	peer_request(f);
	assert_int_equal(f->id, id);
	assert_sql(f, "select $1");
	assert_int_equal(statement(f)->known_columns_id, 0);
	assert_int_equal(statement(f)->parameters.len, 9);
	assert_memory_equal(statement(f)->parameters.data + 4, "again", 5);
	assert_int_equal(statement(f)->result_format, 1);
	assert_int_equal(f->request->query->chunk_bytes, 5);
	assert_string_equal(f->request->call_site, "here");
	assert_int_equal(f->request->deadline_ms, 600);
	answer(f, id);

	/* If the text is refused so, which makes no sense, there is no third time. */
	id = sidepool_query(f->sp, "select 2", NULL, NULL);
	peer_request(f);
	peer_answer_error(f, f->id, SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_UNKNOWN_STATEMENT,
			  SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT);
	assert_int_equal(fail_code(f, id, NULL), SIDEPOOL_E_UNKNOWN_STATEMENT);
	assert_true(peer_quiet(f));
}

static void test_ids_do_not_outlive_the_connection(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select 1", NULL, NULL);
	peer_request(f);
	answer(f, id);
	sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.done = got_reply, .userdata = &got));
	peer_close(f); /* the id is in the frame by now, but the frame was not sent */
	fixture_turn(f);
	fixture_connect(f);
	peer_request(f);
	assert_sql(f, "select 1");
	assert_int_equal(statement(f)->known_columns_id, 0);
	peer_answer_text(f, f->id, "x");
	fixture_turn(f);
	assert_int_equal(sidepool_code(got.reply), 0);
	got_free(&got);
}

static void test_the_least_recently_used_statement_goes(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = { "select 1", "select 2", "select 1",
					     "select 3", "select 1", "select 2" };
	static const bool known[] = { false, false, true, false, true, false };
	uint32_t id;

	fixture_listen(f);
	fixture_open(f, SIDEPOOL_OPTIONS(.statement_cache = 2));
	sidepool_drop(f->sp, sidepool_connect(f->sp, NULL));
	fixture_turn(f);
	fixture_connect(f);
	for (size_t i = 0; i < 6; i++) {
		id = sidepool_query(f->sp, texts[i], NULL, NULL);
		peer_request(f);
		assert_int_equal(statement(f)->statement_id != 0, known[i]);
		answer(f, id);
	}
}

static void answer_lease(struct fixture *f)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__LeaseGrant grant = SIDEPOOL__V1__LEASE_GRANT__INIT;

	grant.lease_id = 5;
	grant.token = UINT64_C(0x123456789abcdef0);
	grant.expires_ms = 60000;
	grant.backend_pid = 4242;
	response.lease = &grant;
	response.transaction_status = SIDEPOOL__V1__TRANSACTION_STATUS__TRANSACTION_STATUS_ACTIVE;
	peer_answer(f, f->id, &response);
}

static struct sidepool_lease take_lease(struct fixture *f)
{
	struct sidepool_lease lease = { { 0 } };
	struct sidepool_reply *reply;
	uint32_t id;

	id = sidepool_take_lease(f->sp, SIDEPOOL_LEASE_OPTIONS(.begin = 1), NULL);
	peer_request(f);
	assert_int_equal(f->request->kind_case, SIDEPOOL__V1__REQUEST__KIND_TAKE_LEASE);
	assert_true(f->request->acquire->begin);
	answer_lease(f);
	reply = sidepool_wait(f->sp, id);
	assert_int_equal(sidepool_reply_lease(reply, &lease), 1);
	assert_int_equal(sidepool_transaction_status(reply), SIDEPOOL_TRANSACTION_ACTIVE);
	sidepool_reply_free(reply);
	return lease;
}

static void test_a_transaction_on_a_lease(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease, renewed;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_ready(f);
	lease = take_lease(f);
	assert_int_equal(sidepool_lease_id(&lease), 5);
	assert_true(sidepool_lease_token(&lease) == UINT64_C(0x123456789abcdef0));
	assert_int_equal(sidepool_lease_expires_ms(&lease), 60000);
	assert_int_equal(sidepool_lease_backend_pid(&lease), 4242);

	for (int i = 0; i < 2; i++) { /* the text both times */
		id = sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.lease = &lease));
		peer_request(f);
		assert_sql(f, "select 1");
		assert_int_equal(f->request->lease->lease_id, 5);
		assert_true(f->request->lease->token == UINT64_C(0x123456789abcdef0));
		answer(f, id);
	}
	id = sidepool_renew(f->sp, &lease, 9000, NULL);
	peer_request(f);
	assert_int_equal(f->request->renew->hold_ms, 9000);
	assert_int_equal(f->request->lease->lease_id, 5);
	answer_lease(f);
	reply = sidepool_wait(f->sp, id);
	assert_int_equal(sidepool_reply_lease(reply, &renewed), 1);
	sidepool_reply_free(reply);
	id = sidepool_release(f->sp, &renewed, SIDEPOOL_FINISH_COMMIT, NULL);
	peer_request(f);
	assert_int_equal(f->request->kind_case, SIDEPOOL__V1__REQUEST__KIND_RELEASE);
	assert_int_equal(f->request->finish, SIDEPOOL__V1__FINISH__FINISH_COMMIT);
	assert_int_equal(f->request->lease->lease_id, 5);
	sidepool_drop(f->sp, id);
}

static void test_a_lease_does_not_outlive_the_connection(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease;
	enum sidepool_outcome outcome;
	struct got got = { 0 };
	uint32_t id;

	fixture_ready(f);
	lease = take_lease(f);
	sidepool_query(f->sp, "select 1", NULL,
		       SIDEPOOL_CALL(.lease = &lease, .done = got_reply, .userdata = &got));
	peer_close(f);
	fixture_turn(f);
	fixture_turn(f);
	assert_int_equal(sidepool_code(got.reply), SIDEPOOL_E_LEASE_LOST);
	assert_int_equal(sidepool_error_outcome(sidepool_error(got.reply)),
			 SIDEPOOL_OUTCOME_NOT_SENT);
	got_free(&got);
	id = sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.lease = &lease));
	assert_int_equal(fail_code(f, id, &outcome), SIDEPOOL_E_LEASE_LOST);
	assert_int_equal(outcome, SIDEPOOL_OUTCOME_NOT_SENT);
	sidepool_connect(f->sp, NULL);
	fixture_connect(f);
	id = sidepool_query(f->sp, "select 1", NULL, SIDEPOOL_CALL(.lease = &lease));
	assert_int_equal(fail_code(f, id, NULL), SIDEPOOL_E_LEASE_LOST);
	assert_true(peer_quiet(f));
}

static void answer_chunk(struct fixture *f, uint64_t stream, const char *letter, bool columns)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Result result = SIDEPOOL__V1__RESULT__INIT, *results = &result;
	Sidepool__V1__Column column = SIDEPOOL__V1__COLUMN__INIT, *all = &column;
	uint8_t row[5] = { 1, 0, 0, 0, (uint8_t)*letter };

	column.name = (char *)"c";
	result.n_columns = columns;
	result.columns = &all;
	result.columns_id = 77;
	result.row_count = 1;
	result.rows = (ProtobufCBinaryData){ .data = row, .len = sizeof(row) };
	result.more = stream != 0;
	result.command_tag = (char *)(stream ? "" : "SELECT 3");
	response.n_results = 1;
	response.results = &results;
	response.stream_id = stream;
	peer_answer(f, f->id, &response);
}

static void test_a_stream_is_fetched_ahead(void **state)
{
	struct fixture *f = *state;
	struct sidepool_stream stream, same;
	struct sidepool_reply *reply;
	uint32_t id, ahead[2];

	fixture_ready(f);
	id = sidepool_query(f->sp, "select c from t", NULL, NULL);
	peer_request(f);
	answer_chunk(f, 33, "a", true);
	reply = sidepool_wait(f->sp, id);
	assert_string_equal(first_value(reply), "a");
	assert_true(sidepool_more(sidepool_result(reply, 0)));
	assert_string_equal(sidepool_command_tag(sidepool_result(reply, 0)), "");
	assert_int_equal(sidepool_reply_stream(reply, &stream), 1);
	sidepool_reply_free(reply);
	ahead[0] = sidepool_fetch(f->sp, &stream, NULL);
	ahead[1] = sidepool_fetch(f->sp, &stream, NULL);
	for (int i = 0; i < 2; i++) {
		peer_request(f);
		assert_int_equal(f->request->fetch->stream_id, 33);
		answer_chunk(f, i == 0 ? 33 : 0, i == 0 ? "b" : "c", false);
	}
	reply = sidepool_wait(f->sp, ahead[0]);
	assert_string_equal(first_value(reply), "b");
	assert_string_equal(sidepool_fname(sidepool_result(reply, 0), 0), "c");
	assert_int_equal(sidepool_reply_stream(reply, &same), 1);
	sidepool_reply_free(reply);
	reply = sidepool_wait(f->sp, ahead[1]);
	assert_string_equal(first_value(reply), "c");
	assert_int_equal(sidepool_reply_stream(reply, &same), 0);
	assert_string_equal(sidepool_command_tag(sidepool_result(reply, 0)), "SELECT 3");
	sidepool_reply_free(reply);
}

static void test_an_empty_stream_or_lease_is_refused_here(void **state)
{
	struct fixture *f = *state;
	struct sidepool_stream none = { { 0 } };
	struct sidepool_lease lease = { { 0 } };

	fixture_ready(f);
	assert_int_equal(fail_code(f, sidepool_fetch(f->sp, &none, NULL), NULL),
			 SIDEPOOL_E_UNKNOWN_STREAM);
	assert_int_equal(fail_code(f, sidepool_fetch(f->sp, NULL, NULL), NULL),
			 SIDEPOOL_E_UNKNOWN_STREAM);
	assert_int_equal(fail_code(f,
				   sidepool_query(f->sp, "x", NULL, SIDEPOOL_CALL(.lease = &lease)),
				   NULL),
			 SIDEPOOL_E_UNKNOWN_LEASE);
	assert_int_equal(
		fail_code(f, sidepool_release(f->sp, NULL, SIDEPOOL_FINISH_NONE, NULL), NULL),
		SIDEPOOL_E_INVALID_ARGUMENT);
	assert_true(peer_quiet(f));
}

static void test_mistakes_of_the_caller_are_told_and_not_sent(void **state)
{
	struct fixture *f = *state;
	struct sidepool_lease lease = { { 1, 1, 1, 1, 1, 1 } };
	static char key[256];

	fixture_ready(f);
	const uint32_t ids[] = {
		sidepool_query(f->sp, NULL, NULL, NULL),
		sidepool_query(f->sp, "x", &(struct sidepool_params){ .count = 1 }, NULL),
		sidepool_query(f->sp, "x", &(struct sidepool_params){ .count = 65536 }, NULL),
		sidepool_query(f->sp, "x", NULL, &(struct sidepool_call){ .deadline_ms = 1 }),
		sidepool_query(f->sp, "x", NULL,
			       SIDEPOOL_CALL(.lease = &lease, .acquire = SIDEPOOL_LEASE_OPTIONS())),
		sidepool_query(f->sp, "x", NULL,
			       SIDEPOOL_CALL(.idempotency_key = key, .idempotency_key_bytes = 256)),
		sidepool_script(f->sp, "x", NULL),
		sidepool_take_lease(f->sp, NULL, SIDEPOOL_CALL(.finish = SIDEPOOL_FINISH_COMMIT)),
		sidepool_batch_send(f->sp, NULL, 0, NULL, NULL),
		sidepool_submit(f->sp, NULL, NULL, NULL),
		sidepool_copy_in(f->sp, NULL, NULL),
		sidepool_listen(f->sp, NULL, NULL),
		sidepool_admin(f->sp, SIDEPOOL_ADMIN_NONE, NULL, 0, NULL),
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		enum sidepool_outcome outcome;

		assert_int_not_equal(ids[i], 0);
		assert_int_equal(fail_code(f, ids[i], &outcome), SIDEPOOL_E_INVALID_ARGUMENT);
		assert_int_equal(outcome, SIDEPOOL_OUTCOME_NOT_SENT);
	}
	assert_true(peer_quiet(f));
	assert_int_equal(sidepool_in_flight(f->sp), 0);
}

static void test_no_handle_is_an_answer_too(void **state)
{
	struct sidepool_reply *reply =
		sidepool_wait(NULL, sidepool_query(NULL, "select 1", NULL, NULL));

	(void)state;
	assert_int_equal(sidepool_code(reply), SIDEPOOL_E_INVALID_ARGUMENT);
	assert_null(sidepool_reply_free(reply));
	assert_null(sidepool_close(NULL));
	assert_int_equal(sidepool_nrows(sidepool_result(NULL, 0)), 0);
	assert_null(sidepool_value(NULL, 0, 0));
	assert_true(sidepool_isnull(NULL, 0, 0));
	assert_string_equal(sidepool_error_message(NULL), "");
	assert_string_equal(sidepool_error_sqlstate(NULL), "");
}

static void test_too_many_in_flight_are_refused(void **state)
{
	struct fixture *f = *state;
	uint32_t ids[3];

	fixture_listen(f);
	fixture_open(f, SIDEPOOL_OPTIONS(.max_in_flight = 3));
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(ids[i] = sidepool_ping(f->sp, NULL), 0);
	fixture_turn(f);
	fixture_connect(f);
	assert_int_equal(sidepool_ping(f->sp, NULL), 0);
	assert_int_equal(fail_code(f, 0, NULL), SIDEPOOL_E_TOO_MANY_REQUESTS);
	for (int i = 0; i < 3; i++) {
		peer_request(f);
		peer_answer_bytes(f, f->id, NULL, 0);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(fail_code(f, ids[i], NULL), 0);
	assert_int_not_equal(sidepool_ping(f->sp, NULL), 0);
}

static void test_a_message_that_is_too_large_is_not_sent(void **state)
{
	struct fixture *f = *state;
	static char text[100001];
	enum sidepool_outcome outcome;
	uint32_t id;

	fixture_ready(f); /* whose daemon takes 100000 bytes */
	memset(text, 'x', sizeof(text) - 1);
	id = sidepool_query(f->sp, "select $1", SIDEPOOL_TEXT(text), NULL);
	assert_int_equal(fail_code(f, id, &outcome), SIDEPOOL_E_MESSAGE_TOO_LARGE);
	assert_int_equal(outcome, SIDEPOOL_OUTCOME_NOT_SENT);
	assert_true(peer_quiet(f));
}

static void test_cancel(void **state)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__CancelReply found = SIDEPOOL__V1__CANCEL_REPLY__INIT;
	struct fixture *f = *state;
	struct sidepool_lease lease;
	struct sidepool_reply *reply;
	enum sidepool_outcome outcome;
	uint32_t sent, queued, cancel;

	fixture_ready(f);
	sent = sidepool_query(f->sp, "select 1", NULL, NULL);
	peer_request(f);
	cancel = sidepool_cancel(f->sp, sent, NULL);
	peer_request(f);
	assert_int_equal(f->request->cancel->request_id, sent);
	found.found = true;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_CANCEL;
	response.cancel = &found;
	peer_answer(f, cancel, &response);
	peer_answer_error(f, sent, SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_CANCELLED,
			  SIDEPOOL__V1__OUTCOME__OUTCOME_FAILED);
	reply = sidepool_wait(f->sp, cancel);
	assert_string_equal(first_value(reply), "t");
	sidepool_reply_free(reply);
	assert_int_equal(fail_code(f, sent, NULL), SIDEPOOL_E_CANCELLED);

	queued = sidepool_query(f->sp, "select 1", NULL, NULL);
	cancel = sidepool_cancel(f->sp, queued, NULL);
	assert_int_equal(fail_code(f, queued, &outcome), SIDEPOOL_E_CANCELLED);
	assert_int_equal(outcome, SIDEPOOL_OUTCOME_NOT_SENT);
	reply = sidepool_wait(f->sp, cancel);
	assert_string_equal(first_value(reply), "t");
	sidepool_reply_free(reply);
	reply = sidepool_wait(f->sp, sidepool_cancel(f->sp, sent, NULL));
	assert_string_equal(first_value(reply), "f");
	sidepool_reply_free(reply);
	assert_true(peer_quiet(f));

	lease = take_lease(f);
	sidepool_cancel_lease(f->sp, &lease, NULL);
	peer_request(f);
	assert_int_equal(f->request->cancel->lease_id, 5);
	assert_null(f->request->lease);
}

static void test_a_batch(void **state)
{
	struct fixture *f = *state;
	struct sidepool_batch *b = sidepool_batch_new();
	Sidepool__V1__Batch *batch;
	char sql[300];

	fixture_ready(f);
	memset(sql, 's', sizeof(sql));
	sql[sizeof(sql) - 1] = '\0';
	assert_int_equal(sidepool_batch_add_set(b, NULL), SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_batch_add(b, "insert $1", SIDEPOOL_TEXT("a"),
					    SIDEPOOL_BATCH_RESULT_PER_SET),
			 0);
	assert_int_equal(sidepool_batch_add_set(b, SIDEPOOL_TEXT("b")), 0);
	assert_int_equal(sidepool_batch_add_set(b, SIDEPOOL_TEXT("c", "d")),
			 SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_batch_add_set(b, SIDEPOOL_TEXT(NULL)), 0);
	assert_int_equal(sidepool_batch_add(b, sql, NULL, SIDEPOOL_BATCH_BINARY), 0);
	sidepool_batch_send(f->sp, b, 1,
			    SIDEPOOL_LEASE_OPTIONS(.isolation = SIDEPOOL_ISOLATION_REPEATABLE_READ),
			    SIDEPOOL_CALL(.chunk_bytes = 999));
	peer_request(f);
	batch = f->request->batch;
	assert_true(batch->atomic);
	assert_int_equal(batch->chunk_bytes, 999);
	assert_int_equal(batch->transaction->isolation,
			 SIDEPOOL__V1__ISOLATION__ISOLATION_REPEATABLE_READ);
	assert_int_equal(batch->n_statements, 2);
	assert_int_equal(batch->statements[0]->parameter_sets, 3);
	assert_int_equal(batch->statements[0]->parameter_count, 1);
	assert_true(batch->statements[0]->result_per_set);
	assert_int_equal(batch->statements[0]->parameters.len, 14);
	assert_memory_equal(batch->statements[0]->parameters.data,
			    "\1\0\0\0a\1\0\0\0b\xff\xff\xff\xff", 14);
	assert_int_equal(batch->statements[1]->sql.len, sizeof(sql) - 1);
	assert_int_equal(batch->statements[1]->parameter_sets, 0);
	assert_int_equal(batch->statements[1]->result_format, 1);

	/* It is empty now, and to be filled again. */
	assert_int_equal(fail_code(f, sidepool_batch_send(f->sp, b, 0, NULL, NULL), NULL),
			 SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_batch_add(b, "select 1", NULL, 0), 0);
	sidepool_batch_send(f->sp, b, 0, NULL, NULL);
	peer_request(f);
	assert_int_equal(f->request->batch->n_statements, 1);
	assert_false(f->request->batch->atomic);
	sidepool_batch_free(b);
}

static void answer_submit(struct fixture *f, uint32_t id, uint64_t submission, bool journaled)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__SubmitReply m = SIDEPOOL__V1__SUBMIT_REPLY__INIT;

	m.submission_id = submission;
	m.journaled = journaled;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_SUBMIT;
	response.submit = &m;
	peer_answer(f, id, &response);
}

static void expect_submitted(struct fixture *f, uint32_t id, const char *submission,
			     const char *journaled)
{
	struct sidepool_reply *reply = sidepool_wait(f->sp, id);
	const struct sidepool_result *r = sidepool_result(reply, 0);

	assert_int_equal(sidepool_code(reply), SIDEPOOL_E_OK);
	assert_int_equal(sidepool_nrows(r), 1);
	assert_string_equal(sidepool_fname(r, 0), "submission_id");
	assert_string_equal(sidepool_fname(r, 1), "journaled");
	assert_string_equal(sidepool_value(r, 0, 0), submission);
	assert_string_equal(sidepool_value(r, 0, 1), journaled);
	sidepool_reply_free(reply);
}

static void test_a_write_is_submitted(void **state)
{
	struct fixture *f = *state;
	struct sidepool_batch *b = sidepool_batch_new();
	Sidepool__V1__Submit *submit;
	uint32_t id;

	fixture_ready(f);
	assert_int_equal(sidepool_batch_add(b, "insert $1", SIDEPOOL_TEXT("a"), 0), 0);
	assert_int_equal(sidepool_batch_add(b, "delete", NULL, 0), 0);
	id = sidepool_submit(f->sp, b,
			     SIDEPOOL_SUBMIT_OPTIONS(.key = "k\0y", .key_bytes = 3, .try_ms = 1500),
			     SIDEPOOL_CALL(.idempotency_key = "once", .idempotency_key_bytes = 4));
	peer_request(f);
	assert_int_equal(f->request->kind_case, SIDEPOOL__V1__REQUEST__KIND_SUBMIT);
	assert_int_equal(f->request->idempotency_key.len, 4);
	submit = f->request->submit;
	assert_int_equal(submit->key.len, 3);
	assert_memory_equal(submit->key.data, "k\0y", 3);
	assert_int_equal(submit->try_ms, 1500);
	assert_int_equal(submit->n_statements, 2);
	assert_memory_equal(submit->statements[0]->parameters.data, "\1\0\0\0a", 5);
	answer_submit(f, id, UINT64_MAX, true);
	expect_submitted(f, id, "18446744073709551615", "t");

	/* The batch is empty now, and to be filled again; no options are the daemon's. */
	assert_int_equal(fail_code(f, sidepool_submit(f->sp, b, NULL, NULL), NULL),
			 SIDEPOOL_E_INVALID_ARGUMENT);
	assert_int_equal(sidepool_batch_add(b, "delete", NULL, 0), 0);
	id = sidepool_submit(f->sp, b, NULL, NULL);
	peer_request(f);
	assert_int_equal(f->request->submit->n_statements, 1);
	assert_int_equal(f->request->submit->key.len, 0);
	assert_int_equal(f->request->submit->try_ms, 0);
	answer_submit(f, id, 7, false);
	expect_submitted(f, id, "7", "f");
	sidepool_batch_free(b);
}

static void test_a_submission_that_is_refused_or_lost(void **state)
{
	struct fixture *f = *state;
	struct sidepool_batch *b = sidepool_batch_new();
	enum sidepool_outcome outcome;
	uint32_t id;

	fixture_ready(f);
	assert_int_equal(sidepool_batch_add(b, "delete", NULL, 0), 0);
	id = sidepool_submit(f->sp, b, NULL, NULL);
	peer_request(f);
	peer_answer_error(f, id, SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_QUEUE_FULL,
			  SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT);
	assert_int_equal(fail_code(f, id, &outcome), SIDEPOOL_E_QUEUE_FULL);
	assert_int_equal(outcome, SIDEPOOL_OUTCOME_NOT_SENT);

	/* Options of another size are a mistake, and empty the batch all the same. */
	assert_int_equal(sidepool_batch_add(b, "delete", NULL, 0), 0);
	id = sidepool_submit(f->sp, b, &(struct sidepool_submit_options){ .size = 0 }, NULL);
	assert_int_equal(fail_code(f, id, NULL), SIDEPOOL_E_INVALID_ARGUMENT);
	assert_true(peer_quiet(f));

	/* Nobody knows, and it is not sent again: it has no idempotency key. */
	assert_int_equal(sidepool_batch_add(b, "delete", NULL, 0), 0);
	id = sidepool_submit(f->sp, b, NULL, NULL);
	peer_request(f);
	assert_int_equal(f->request->submit->n_statements, 1);
	peer_close(f);
	assert_int_equal(fail_code(f, id, &outcome), SIDEPOOL_E_DAEMON_LOST);
	assert_int_equal(outcome, SIDEPOOL_OUTCOME_UNKNOWN);
	sidepool_batch_free(b);
}

static void test_copy_in(void **state)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__CopyReady ready = SIDEPOOL__V1__COPY_READY__INIT;
	struct fixture *f = *state;
	struct sidepool_stream stream;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_copy_in(f->sp, "copy t from stdin", NULL);
	peer_request(f);
	assert_memory_equal(f->request->copy_in->sql.data, "copy t from stdin", 17);
	ready.stream_id = 12;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_COPY_READY;
	response.copy_ready = &ready;
	peer_answer(f, id, &response);
	reply = sidepool_wait(f->sp, id);
	assert_int_equal(sidepool_reply_stream(reply, &stream), 1);
	sidepool_reply_free(reply);
	sidepool_copy_data(f->sp, &stream, "1\n2\n", 4, NULL);
	peer_request(f);
	assert_int_equal(f->request->copy_data->stream_id, 12);
	assert_int_equal(f->request->copy_data->data.len, 4);
	assert_memory_equal(f->request->copy_data->data.data, "1\n2\n", 4);
	assert_false(f->request->copy_data->end);
	sidepool_copy_end(f->sp, &stream, NULL);
	peer_request(f);
	assert_true(f->request->copy_data->end);
	sidepool_copy_fail(f->sp, &stream, "", NULL);
	peer_request(f);
	assert_string_equal(f->request->copy_data->fail, "the client gave up");
}

/* Values are told apart from each other, from NULL and from nothing, and each ends with a zero
 * byte. */
static void test_values(void **state)
{
	static const uint8_t rows[] = { 3, 0,    0,    0,    'a',  0, 'b', 0, 0, 0,
					0, 0xff, 0xff, 0xff, 0xff, 1, 0,   0, 0, 'z' };
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Result result = SIDEPOOL__V1__RESULT__INIT,
			     *results[2] = { &result, &result };
	Sidepool__V1__Column one = SIDEPOOL__V1__COLUMN__INIT, two = SIDEPOOL__V1__COLUMN__INIT;
	Sidepool__V1__Column *columns[] = { &one, &two };
	const struct sidepool_result *r;
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select", NULL, NULL);
	peer_request(f);
	one.name = (char *)"first";
	one.type_oid = 1043;
	one.type_modifier = 24;
	one.type_bytes = -1;
	one.table_oid = 16384;
	one.column_number = 3;
	two.name = (char *)"";
	two.type_bytes = 8;
	two.type_modifier = -1;
	result.n_columns = 2;
	result.columns = columns;
	result.row_count = 2;
	result.rows = (ProtobufCBinaryData){ .data = (uint8_t *)rows, .len = sizeof(rows) };
	result.command_tag = (char *)"SELECT 2";
	result.affected_rows = 2;
	result.format = 1;
	response.n_results = 2;
	response.results = results;
	response.wait_us = 12;
	response.run_us = 345;
	peer_answer(f, id, &response);
	reply = sidepool_wait(f->sp, id);
	assert_int_equal(sidepool_results(reply), 2);
	assert_null(sidepool_result(reply, 2));
	for (size_t i = 0; i < 2; i++) {
		r = sidepool_result(reply, i);
		assert_int_equal(sidepool_nrows(r), 2);
		assert_int_equal(sidepool_nfields(r), 2);
		assert_int_equal(sidepool_length(r, 0, 0), 3);
		assert_memory_equal(sidepool_value(r, 0, 0), "a\0b", 4);
		assert_string_equal(sidepool_value(r, 0, 1), "");
		assert_false(sidepool_isnull(r, 0, 1));
		assert_null(sidepool_value(r, 1, 0));
		assert_true(sidepool_isnull(r, 1, 0));
		assert_string_equal(sidepool_value(r, 1, 1), "z");
		assert_null(sidepool_value(r, 2, 0));
		assert_null(sidepool_value(r, 0, 2));
		assert_int_equal(sidepool_format(r), 1);
		assert_string_equal(sidepool_command_tag(r), "SELECT 2");
		assert_int_equal(sidepool_affected_rows(r), 2);
	}
	assert_int_equal(sidepool_fnumber(r, "first"), 0);
	assert_int_equal(sidepool_fnumber(r, "second"), -1);
	assert_int_equal(sidepool_ftype(r, 0), 1043);
	assert_int_equal(sidepool_fmod(r, 0), 24);
	assert_int_equal(sidepool_fmod(r, 1), -1);
	assert_int_equal(sidepool_fsize(r, 0), -1);
	assert_int_equal(sidepool_fsize(r, 1), 8);
	assert_int_equal(sidepool_ftable(r, 0), 16384);
	assert_int_equal(sidepool_fcolumn(r, 0), 3);
	assert_string_equal(sidepool_fname(r, 5), "");
	assert_int_equal(sidepool_wait_us(reply), 12);
	assert_int_equal(sidepool_run_us(reply), 345);
	sidepool_reply_free(reply);
}

static void test_an_error_with_all_its_fields(void **state)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Error error = SIDEPOOL__V1__ERROR__INIT;
	Sidepool__V1__SqlError sql = SIDEPOOL__V1__SQL_ERROR__INIT;
	Sidepool__V1__PoolState pool = SIDEPOOL__V1__POOL_STATE__INIT;
	Sidepool__V1__Holder holder = SIDEPOOL__V1__HOLDER__INIT, *holders = &holder;
	const struct sidepool_error *e;
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select", NULL, NULL);
	peer_request(f);
	error.code = SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_ACQUIRE_TIMEOUT;
	error.outcome = SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT;
	error.retryable = true;
	error.retry_after_ms = 250;
	error.message = (char *)"pool main 5/5 in use";
	error.remedy = (char *)"wait";
	error.statement_index = 3;
	error.parameter_set_index = 4;
	error.sql = &sql;
	sql.sqlstate = (char *)"53300";
	sql.hint = (char *)"a hint";
	sql.source_function = (char *)"fn";
	sql.position = 9;
	error.pool = &pool;
	pool.pool = (char *)"main";
	pool.in_use = 5;
	pool.n_holders = 1;
	pool.holders = &holders;
	holder.application = (char *)"celery";
	response.error = &error;
	peer_answer(f, id, &response);
	reply = sidepool_wait(f->sp, id);
	e = sidepool_error(reply);
	assert_int_equal(sidepool_error_code(e), SIDEPOOL_E_ACQUIRE_TIMEOUT);
	assert_int_equal(sidepool_error_outcome(e), SIDEPOOL_OUTCOME_NOT_SENT);
	assert_true(sidepool_error_retryable(e));
	assert_int_equal(sidepool_error_retry_after_ms(e), 250);
	assert_string_equal(sidepool_error_remedy(e), "wait");
	assert_int_equal(sidepool_error_statement_index(e), 3);
	assert_int_equal(sidepool_error_set_index(e), 4);
	assert_string_equal(sidepool_error_sqlstate(e), "53300");
	assert_string_equal(sidepool_error_field(e, SIDEPOOL_FIELD_HINT), "a hint");
	assert_string_equal(sidepool_error_field(e, SIDEPOOL_FIELD_SOURCE_FUNCTION), "fn");
	assert_string_equal(sidepool_error_field(e, SIDEPOOL_FIELD_DETAIL), "");
	assert_string_equal(sidepool_error_field(e, (enum sidepool_field)99), "");
	assert_int_equal(sidepool_error_position(e), 9);
	assert_string_equal(sidepool_value(sidepool_error_pool(e), 0, 0), "main");
	assert_string_equal(sidepool_value(sidepool_error_pool(e), 0, 1), "5");
	assert_string_equal(sidepool_value(sidepool_error_holders(e), 0, 0), "celery");
	sidepool_reply_free(reply);
}

static void test_status_as_tables(void **state)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__StatusReply status = SIDEPOOL__V1__STATUS_REPLY__INIT;
	Sidepool__V1__PoolStatus pool = SIDEPOOL__V1__POOL_STATUS__INIT, *pools = &pool;
	char *warnings[] = { (char *)"beware" };
	const struct sidepool_result *r;
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	uint32_t id;

	fixture_ready(f);
	id = sidepool_status(f->sp, 1u << SIDEPOOL_TABLE_POOLS | 1u << SIDEPOOL_TABLE_CLIENTS,
			     NULL);
	peer_request(f);
	assert_int_equal(f->request->status->n_parts, 2);
	assert_int_equal(f->request->status->parts[0],
			 SIDEPOOL__V1__STATUS_PART__STATUS_PART_POOLS);
	assert_int_equal(f->request->status->parts[1],
			 SIDEPOOL__V1__STATUS_PART__STATUS_PART_CLIENTS);
	status.pid = 123;
	status.uptime_ms = UINT64_MAX;
	status.draining = true;
	pool.name = (char *)"main";
	pool.breaker = SIDEPOOL__V1__BREAKER_STATE__BREAKER_STATE_HALF_OPEN;
	status.n_pools = 1;
	status.pools = &pools;
	status.n_warnings = 1;
	status.warnings = warnings;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_STATUS;
	response.status = &status;
	peer_answer(f, id, &response);
	reply = sidepool_wait(f->sp, id);
	r = sidepool_result(reply, SIDEPOOL_TABLE_DAEMON);
	assert_string_equal(sidepool_value(r, 0, (size_t)sidepool_fnumber(r, "pid")), "123");
	assert_string_equal(sidepool_value(r, 0, (size_t)sidepool_fnumber(r, "uptime_ms")),
			    "18446744073709551615");
	assert_string_equal(sidepool_value(r, 0, (size_t)sidepool_fnumber(r, "draining")), "t");
	assert_int_equal(sidepool_fnumber(r, "pools"), -1);
	r = sidepool_result(reply, SIDEPOOL_TABLE_POOLS);
	assert_string_equal(sidepool_value(r, 0, (size_t)sidepool_fnumber(r, "name")), "main");
	assert_string_equal(sidepool_value(r, 0, (size_t)sidepool_fnumber(r, "breaker")),
			    "half-open");
	assert_int_equal(sidepool_ftype(r, (size_t)sidepool_fnumber(r, "paused")), 16);
	assert_int_equal(sidepool_nrows(sidepool_result(reply, SIDEPOOL_TABLE_LEASES)), 0);
	assert_string_equal(sidepool_value(sidepool_result(reply, SIDEPOOL_TABLE_WARNINGS), 0, 0),
			    "beware");
	sidepool_reply_free(reply);
}

static void test_notices_and_notifications(void **state)
{
	Sidepool__V1__ParameterStatus zone = SIDEPOOL__V1__PARAMETER_STATUS__INIT, *zones = &zone;
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Result result = SIDEPOOL__V1__RESULT__INIT, *results = &result;
	Sidepool__V1__Notice notice = SIDEPOOL__V1__NOTICE__INIT,
			     *notices[2] = { &notice, &notice };
	Sidepool__V1__SqlError fields = SIDEPOOL__V1__SQL_ERROR__INIT;
	Sidepool__V1__Notification n = SIDEPOOL__V1__NOTIFICATION__INIT, *ns = &n;
	const char *channel, *payload;
	struct fixture *f = *state;
	struct sidepool_reply *reply;
	uint32_t id, pid;

	fixture_ready(f);
	id = sidepool_query(f->sp, "select", NULL, NULL);
	peer_request(f);
	fields.severity = (char *)"WARNING";
	fields.message = (char *)"mind the gap";
	notice.fields = &fields;
	result.n_notices = 2;
	result.notices = notices;
	result.command_tag = (char *)"DO";
	response.n_results = 1;
	response.results = &results;
	n.channel = (char *)"ch";
	n.payload = (char *)"pl";
	n.backend_pid = 6;
	response.n_notifications = 1;
	response.notifications = &ns;
	zone.name = (char *)"TimeZone";
	zone.value = (char *)"Asia/Tokyo";
	response.n_parameters = 1;
	response.parameters = &zones;
	peer_answer(f, id, &response);
	reply = sidepool_wait(f->sp, id);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(
			sidepool_error_message(sidepool_notice(sidepool_result(reply, 0), i)),
			"mind the gap");
		assert_string_equal(
			sidepool_error_field(sidepool_notice(sidepool_result(reply, 0), i),
					     SIDEPOOL_FIELD_SEVERITY),
			"WARNING");
	}
	assert_null(sidepool_notice(sidepool_result(reply, 0), 2));
	assert_string_equal(sidepool_command_tag(sidepool_result(reply, 0)), "DO");
	assert_int_equal(sidepool_notification(reply, 0, &channel, &payload, &pid), 1);
	assert_string_equal(channel, "ch");
	assert_string_equal(payload, "pl");
	assert_int_equal(pid, 6);
	assert_int_equal(sidepool_notification(reply, 1, NULL, NULL, NULL), 0);
	assert_int_equal(sidepool_changed_parameter(reply, 0, &channel, &payload), 1);
	assert_string_equal(channel, "TimeZone");
	assert_string_equal(payload, "Asia/Tokyo");
	assert_int_equal(sidepool_changed_parameter(reply, 0, NULL, NULL), 1);
	assert_int_equal(sidepool_changed_parameter(reply, 1, NULL, NULL), 0);
	sidepool_reply_free(reply);
}

static void test_admin_and_the_others(void **state)
{
	struct fixture *f = *state;

	fixture_ready(f);
	sidepool_admin(f->sp, SIDEPOOL_ADMIN_REVOKE_LEASE, NULL, 77, NULL);
	peer_request(f);
	assert_int_equal(f->request->admin->revoke_lease->lease_id, 77);
	sidepool_admin(f->sp, SIDEPOOL_ADMIN_TRIP_BREAKER, "main", 0, NULL);
	peer_request(f);
	assert_true(f->request->admin->breaker->trip);
	assert_string_equal(f->request->admin->breaker->pool, "main");
	sidepool_admin(f->sp, SIDEPOOL_ADMIN_RESUME, NULL, 0, NULL);
	peer_request(f);
	assert_int_equal(f->request->admin->pool->action,
			 SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_RESUME);
	sidepool_admin(f->sp, SIDEPOOL_ADMIN_RELOAD, NULL, 0, NULL);
	peer_request(f);
	assert_int_equal(f->request->admin->action_case, SIDEPOOL__V1__ADMIN__ACTION_RELOAD);
	sidepool_health(f->sp, NULL);
	peer_request(f);
	assert_int_equal(f->request->kind_case, SIDEPOOL__V1__REQUEST__KIND_HEALTH);
	sidepool_listen(f->sp, "ch", NULL);
	peer_request(f);
	assert_string_equal(f->request->listen->channel, "ch");
	sidepool_unlisten(f->sp, "ch", NULL);
	peer_request(f);
	assert_string_equal(f->request->unlisten->channel, "ch");
	sidepool_copy_out(f->sp, "copy t to stdout", NULL);
	peer_request(f);
	assert_int_equal(f->request->copy_out->sql.len, 16);
	sidepool_script(f->sp, "a; b", SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS()));
	peer_request(f);
	assert_true(f->request->query->statement->simple);
	assert_non_null(f->request->acquire);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_parameters_are_packed),
		T(test_equal_formats_are_one),
		T(test_the_envelope),
		T(test_the_current_trace_is_asked_for),
		T(test_a_known_statement_goes_as_its_id),
		T(test_other_parameter_types_are_another_statement),
		T(test_known_columns_are_not_sent_again),
		T(test_the_text_follows_where_the_id_is_unknown),
		T(test_ids_do_not_outlive_the_connection),
		T(test_the_least_recently_used_statement_goes),
		T(test_a_transaction_on_a_lease),
		T(test_a_lease_does_not_outlive_the_connection),
		T(test_a_stream_is_fetched_ahead),
		T(test_an_empty_stream_or_lease_is_refused_here),
		T(test_mistakes_of_the_caller_are_told_and_not_sent),
		T(test_no_handle_is_an_answer_too),
		T(test_too_many_in_flight_are_refused),
		T(test_a_message_that_is_too_large_is_not_sent),
		T(test_cancel),
		T(test_a_batch),
		T(test_a_write_is_submitted),
		T(test_a_submission_that_is_refused_or_lost),
		T(test_copy_in),
		T(test_values),
		T(test_an_error_with_all_its_fields),
		T(test_status_as_tables),
		T(test_notices_and_notifications),
		T(test_the_call_site),
		T(test_who_tells_the_call_site),
		T(test_admin_and_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
