/* SPDX-License-Identifier: MIT */
/*
 * What tests/integration/test_c_client.py runs against a real daemon: each scenario by its name, in
 * a process of its own. Status 0: as it should be; the first thing that is not is said on standard
 * error.
 */
#include <sidepool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct sidepool *sp;

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);         \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static struct sidepool_reply *ok(uint32_t id)
{
	struct sidepool_reply *reply = sidepool_wait(sp, id);

	if (sidepool_code(reply) != SIDEPOOL_E_OK) {
		fprintf(stderr, "%s\n", sidepool_error_message(sidepool_error(reply)));
		exit(1);
	}
	return reply;
}

static void run(const char *sql)
{
	sidepool_reply_free(ok(sidepool_query(sp, sql, NULL, NULL)));
}

/* The one number that the statement gives. */
static long number(const char *sql)
{
	struct sidepool_reply *reply = ok(sidepool_query(sp, sql, NULL, NULL));
	long n = atol(sidepool_value(sidepool_result(reply, 0), 0, 0));

	sidepool_reply_free(reply);
	return n;
}

static int failure(uint32_t id, enum sidepool_outcome outcome, const char *sqlstate)
{
	struct sidepool_reply *reply = sidepool_wait(sp, id);
	int code = sidepool_code(reply);

	CHECK(code != SIDEPOOL_E_OK);
	CHECK(sidepool_error_outcome(sidepool_error(reply)) == outcome);
	CHECK(strcmp(sidepool_error_sqlstate(sidepool_error(reply)), sqlstate) == 0);
	sidepool_reply_free(reply);
	return code;
}

static void scenario_values(void)
{
	static const char *const values[] = { "\0\0\0\7", NULL, "", "\0\1" };
	static const size_t lengths[] = { 4, 0, 0, 2 };
	static const uint32_t types[] = { 23, 25, 25, 17 };
	static const uint8_t formats[] = { 1, 0, 0, 1 };
	struct sidepool_params params = { 4, values, lengths, types, formats };

	for (int i = 0; i < 3; i++) { /* the text, then its id */
		struct sidepool_reply *reply = ok(
			sidepool_query(sp, "select $1 as n, $2 as nothing, $3 as empty, $4 as raw",
				       &params, NULL));
		const struct sidepool_result *r = sidepool_result(reply, 0);

		CHECK(sidepool_nrows(r) == 1 && sidepool_nfields(r) == 4);
		CHECK(strcmp(sidepool_value(r, 0, 0), "7") == 0 && sidepool_ftype(r, 0) == 23);
		CHECK(sidepool_isnull(r, 0, 1) && !sidepool_value(r, 0, 1));
		CHECK(!sidepool_isnull(r, 0, 2) && sidepool_length(r, 0, 2) == 0);
		CHECK(strcmp(sidepool_value(r, 0, 3), "\\x0001") == 0);
		CHECK(strcmp(sidepool_fname(r, 1), "nothing") == 0);
		CHECK(strcmp(sidepool_command_tag(r), "SELECT 1") == 0);
		sidepool_reply_free(reply);
	}
}

/* A statement keeps its id while its result changes shape underneath. */
static void scenario_changing_columns(void)
{
	run("drop table if exists shape");
	run("create table shape as select 1 as a");
	for (int i = 0; i < 3; i++)
		CHECK(number("select * from shape") == 1);
	run("alter table shape add column b text default 'x'");
	for (int i = 0; i < 3; i++) {
		struct sidepool_reply *reply =
			sidepool_wait(sp, sidepool_query(sp, "select * from shape", NULL, NULL));

		if (sidepool_code(reply) == SIDEPOOL_E_OK) {
			CHECK(sidepool_nfields(sidepool_result(reply, 0)) == 2);
			CHECK(strcmp(sidepool_value(sidepool_result(reply, 0), 0, 1), "x") == 0);
		} else { /* "cached plan must not change result type" */
			CHECK(i == 0 &&
			      strcmp(sidepool_error_sqlstate(sidepool_error(reply)), "0A000") == 0);
		}
		sidepool_reply_free(reply);
	}
}

static void scenario_errors(void)
{
	struct sidepool_reply *reply =
		sidepool_wait(sp, sidepool_query(sp, "select nix", NULL, NULL));
	const struct sidepool_error *e = sidepool_error(reply);

	CHECK(sidepool_error_code(e) == SIDEPOOL_E_SQL_ERROR);
	CHECK(strcmp(sidepool_error_sqlstate(e), "42703") == 0);
	CHECK(sidepool_error_position(e) == 8);
	CHECK(sidepool_error_outcome(e) == SIDEPOOL_OUTCOME_FAILED);
	sidepool_reply_free(reply);
	CHECK(failure(sidepool_query(sp, "set work_mem = 1", NULL, NULL), SIDEPOOL_OUTCOME_NOT_SENT,
		      "") == SIDEPOOL_E_SESSION_REQUIRED);
	CHECK(failure(sidepool_query(sp, "select 1", NULL, SIDEPOOL_CALL(.pool = "nix")),
		      SIDEPOOL_OUTCOME_NOT_SENT, "") == SIDEPOOL_E_UNKNOWN_POOL);
	failure(sidepool_query(sp, "select pg_sleep(60)", NULL, SIDEPOOL_CALL(.deadline_ms = 100)),
		SIDEPOOL_OUTCOME_FAILED, "57014");
}

static void scenario_transaction(void)
{
	struct sidepool_lease lease;
	struct sidepool_reply *reply;

	run("drop table if exists t");
	run("create table t (a int)");
	for (int round = 0; round < 2; round++) {
		enum sidepool_finish finish =
			round == 0 ? SIDEPOOL_FINISH_ROLLBACK : SIDEPOOL_FINISH_COMMIT;

		reply = ok(sidepool_query(
			sp, "insert into t values (1)", NULL,
			SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS(.begin = 1))));
		CHECK(sidepool_reply_lease(reply, &lease));
		CHECK(sidepool_transaction_status(reply) == SIDEPOOL_TRANSACTION_ACTIVE);
		sidepool_reply_free(reply);
		reply = ok(sidepool_renew(sp, &lease, 5000, NULL));
		CHECK(sidepool_reply_lease(reply, &lease) &&
		      sidepool_lease_expires_ms(&lease) <= 5000);
		sidepool_reply_free(reply);
		reply = ok(sidepool_query(sp, "insert into t values (2)", NULL,
					  SIDEPOOL_CALL(.lease = &lease, .finish = finish)));
		CHECK(!sidepool_reply_lease(reply, &(struct sidepool_lease){ { 0 } }));
		sidepool_reply_free(reply);
		CHECK(number("select count(*) from t") == (round == 0 ? 0 : 2));
	}
	CHECK(failure(sidepool_query(sp, "select 1", NULL, SIDEPOOL_CALL(.lease = &lease)),
		      SIDEPOOL_OUTCOME_NOT_SENT, "") == SIDEPOOL_E_UNKNOWN_LEASE);
}

static void scenario_stream(void)
{
	struct sidepool_stream stream;
	struct sidepool_reply *reply;
	long rows = 0, chunks = 0;
	bool goes_on = true;

	reply = ok(sidepool_query(sp, "select g, 'row ' || g from generate_series(1, 200000) g",
				  NULL, SIDEPOOL_CALL(.chunk_bytes = 65536)));
	while (goes_on) {
		const struct sidepool_result *r = sidepool_result(reply, 0);

		for (size_t i = 0; i < sidepool_nrows(r); i++)
			CHECK(atol(sidepool_value(r, i, 0)) == ++rows &&
			      atol(sidepool_value(r, i, 1) + 4) == rows);
		goes_on = sidepool_reply_stream(reply, &stream);
		CHECK(goes_on || sidepool_affected_rows(r) == 200000);
		sidepool_reply_free(reply);
		chunks++;
		if (goes_on)
			reply = ok(sidepool_fetch(sp, &stream, NULL));
	}
	CHECK(rows == 200000 && chunks > 10);
	reply = ok(sidepool_query(sp, "select generate_series(1, 1000000)", NULL,
				  SIDEPOOL_CALL(.chunk_bytes = 4096)));
	CHECK(sidepool_reply_stream(reply, &stream));
	sidepool_reply_free(reply);
	sidepool_reply_free(ok(sidepool_stream_close(sp, &stream, NULL)));
	CHECK(failure(sidepool_fetch(sp, &stream, NULL), SIDEPOOL_OUTCOME_NOT_SENT, "") ==
	      SIDEPOOL_E_UNKNOWN_STREAM);
}

static void scenario_batch(void)
{
	struct sidepool_batch *b = sidepool_batch_new();
	struct sidepool_reply *reply;
	char text[16];

	run("drop table if exists b");
	run("create table b (a int primary key)");
	CHECK(sidepool_batch_add(b, "insert into b values ($1)", SIDEPOOL_TEXT("0"), 0) == 0);
	for (int i = 1; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		CHECK(sidepool_batch_add_set(b, SIDEPOOL_TEXT(text)) == 0);
	}
	CHECK(sidepool_batch_add(b, "select sum(a) from b", NULL, 0) == 0);
	reply = ok(sidepool_batch_send(sp, b, 1, NULL, NULL));
	CHECK(sidepool_results(reply) == 2);
	CHECK(sidepool_affected_rows(sidepool_result(reply, 0)) == 100);
	CHECK(strcmp(sidepool_value(sidepool_result(reply, 1), 0, 0), "4950") == 0);
	sidepool_reply_free(reply);

	CHECK(sidepool_batch_add(b, "insert into b values (1000)", NULL, 0) == 0);
	CHECK(sidepool_batch_add(b, "insert into b values (1)", NULL, 0) == 0);
	reply = sidepool_wait(sp, sidepool_batch_send(sp, b, 1, NULL, NULL));
	CHECK(sidepool_error_statement_index(sidepool_error(reply)) == 1);
	CHECK(strcmp(sidepool_error_sqlstate(sidepool_error(reply)), "23505") == 0);
	sidepool_reply_free(reply);
	CHECK(number("select count(*) from b") == 100);

	CHECK(sidepool_batch_add(b, "insert into b values (1)", NULL, 0) == 0);
	CHECK(sidepool_batch_add(b, "insert into b values (1000)", NULL, 0) == 0);
	reply = ok(sidepool_batch_send(sp, b, 0, NULL, NULL));
	CHECK(sidepool_error_code(sidepool_result_error(sidepool_result(reply, 0))) ==
	      SIDEPOOL_E_SQL_ERROR);
	CHECK(!sidepool_result_error(sidepool_result(reply, 1)));
	sidepool_reply_free(reply);
	CHECK(number("select count(*) from b") == 101);
	sidepool_batch_free(b);
}

static void scenario_copy(void)
{
	struct sidepool_stream stream;
	struct sidepool_reply *reply;
	char line[64];
	size_t total = 0, bytes;
	bool goes_on;
	int n;

	run("drop table if exists c");
	run("create table c (a int, b text)");
	reply = ok(sidepool_copy_in(sp, "copy c from stdin", NULL));
	CHECK(sidepool_reply_stream(reply, &stream));
	sidepool_reply_free(reply);
	for (int i = 1; i <= 1000; i++) {
		n = snprintf(line, sizeof(line), "%d\tline %d\n", i, i);
		sidepool_reply_free(ok(sidepool_copy_data(sp, &stream, line, (size_t)n, NULL)));
	}
	reply = ok(sidepool_copy_end(sp, &stream, NULL));
	CHECK(strcmp(sidepool_command_tag(sidepool_result(reply, 0)), "COPY 1000") == 0);
	sidepool_reply_free(reply);
	CHECK(number("select sum(a) from c") == 500500);

	reply = ok(sidepool_copy_in(sp, "copy c from stdin", NULL));
	CHECK(sidepool_reply_stream(reply, &stream));
	sidepool_reply_free(reply);
	failure(sidepool_copy_fail(sp, &stream, "changed my mind", NULL), SIDEPOOL_OUTCOME_FAILED,
		"57014");

	reply = ok(sidepool_copy_out(sp, "copy c to stdout", SIDEPOOL_CALL(.chunk_bytes = 4096)));
	goes_on = sidepool_reply_stream(reply, &stream);
	CHECK(goes_on);
	while (goes_on) {
		sidepool_reply_free(reply);
		reply = ok(sidepool_fetch(sp, &stream, NULL));
		sidepool_copy_chunk(reply, &bytes);
		total += bytes;
		goes_on = sidepool_reply_stream(reply, &stream);
	}
	sidepool_reply_free(reply);
	CHECK((long)total == number("select sum(length(a::text) + length(b) + 2) from c"));
}

static void scenario_cancel(void)
{
	static const char running[] =
		"select count(*) from pg_stat_activity where state = 'active' "
		"and query like '%pg_sleep(61)%' and pid <> pg_backend_pid()";
	uint32_t slow = sidepool_query(sp, "select pg_sleep(61)", NULL, NULL);
	struct sidepool_reply *reply;

	while (number(running) == 0)
		;
	reply = ok(sidepool_cancel(sp, slow, NULL));
	CHECK(*sidepool_value(sidepool_result(reply, 0), 0, 0) == 't');
	sidepool_reply_free(reply);
	CHECK(failure(slow, SIDEPOOL_OUTCOME_FAILED, "57014") == SIDEPOOL_E_CANCELLED);
}

static void scenario_many(void)
{
	enum { N = 500 };
	uint32_t ids[N];
	char text[16];

	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "%d", i);
		ids[i] = sidepool_query(sp, "select $1::int + 1", SIDEPOOL_TEXT(text), NULL);
	}
	for (int i = N - 1; i >= 0; i--) {
		struct sidepool_reply *reply = ok(ids[i]);

		CHECK(atoi(sidepool_value(sidepool_result(reply, 0), 0, 0)) == i + 1);
		sidepool_reply_free(reply);
	}
	CHECK(sidepool_in_flight(sp) == 0);
}

static void scenario_session(void)
{
	struct sidepool_reply *reply =
		ok(sidepool_script(sp,
				   "create temp table x (a int); insert into x select "
				   "generate_series(1, 3); select sum(a) from x",
				   SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS(),
						 .finish = SIDEPOOL_FINISH_ROLLBACK)));

	CHECK(sidepool_results(reply) == 3);
	CHECK(strcmp(sidepool_value(sidepool_result(reply, 2), 0, 0), "6") == 0);
	sidepool_reply_free(reply);
}

/* The value of a setting that the reply says has changed, or NULL. */
static const char *changed(const struct sidepool_reply *reply, const char *name)
{
	const char *found, *value;

	for (size_t i = 0; sidepool_changed_parameter(reply, i, &found, &value); i++)
		if (strcmp(found, name) == 0)
			return value;
	return NULL;
}

static void scenario_parameters(void)
{
	struct sidepool_lease lease;
	struct sidepool_reply *reply =
		ok(sidepool_query(sp, "set timezone = 'Asia/Tokyo'", NULL,
				  SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS())));

	CHECK(sidepool_reply_lease(reply, &lease));
	CHECK(changed(reply, "TimeZone") && strcmp(changed(reply, "TimeZone"), "Asia/Tokyo") == 0);
	CHECK(!changed(reply, "DateStyle"));
	CHECK(!sidepool_changed_parameter(reply, 1000, NULL, NULL));
	sidepool_reply_free(reply);
	reply = ok(
		sidepool_query(sp, "select 1", NULL,
			       SIDEPOOL_CALL(.lease = &lease, .finish = SIDEPOOL_FINISH_ROLLBACK)));
	CHECK(!sidepool_changed_parameter(reply, 0, NULL, NULL));
	sidepool_reply_free(reply);
	CHECK(!sidepool_changed_parameter(NULL, 0, NULL, NULL));
}

/* Reads a line from standard input after each answer; the test restarts the daemon meanwhile. */
static void scenario_restart(void)
{
	char line[16];

	CHECK(number("select 1") == 1);
	puts("ready");
	fflush(stdout);
	CHECK(fgets(line, sizeof(line), stdin) != NULL);
	CHECK(number("select 1") == 1);
	CHECK(sidepool_connection_number(sp) == 2);
}

static void await_line(const char *said)
{
	char line[16];

	puts(said);
	fflush(stdout);
	CHECK(fgets(line, sizeof(line), stdin) != NULL);
}

/* At each line the test has seen to it that the daemon goes one step on. */
static void scenario_leaving(void)
{
	struct sidepool_lease lease;
	struct sidepool_reply *reply =
		ok(sidepool_query(sp, "select 1", NULL,
				  SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS(.begin = 1))));
	uint32_t meanwhile;

	CHECK(sidepool_reply_lease(reply, &lease) == 1);
	sidepool_reply_free(reply);
	await_line("leased"); /* and it was told to leave */
	meanwhile = sidepool_query(sp, "select count(*) from went", NULL, NULL);
	for (int i = 0; i < 3; i++)
		sidepool_reply_free(ok(sidepool_query(sp, "insert into went values (1)", NULL,
						      SIDEPOOL_CALL(.lease = &lease))));
	CHECK(sidepool_connection_state(sp) == SIDEPOOL_CONNECTION_CONNECTING);
	CHECK(!sidepool_take(sp, meanwhile));
	sidepool_reply_free(ok(sidepool_release(sp, &lease, SIDEPOOL_FINISH_COMMIT, NULL)));
	await_line("committed"); /* and the next one was started */
	reply = ok(meanwhile);
	CHECK(strcmp(sidepool_value(sidepool_result(reply, 0), 0, 0), "3") == 0);
	sidepool_reply_free(reply);
	CHECK(sidepool_connection_number(sp) == 2);
	CHECK(failure(sidepool_release(sp, &lease, SIDEPOOL_FINISH_COMMIT, NULL),
		      SIDEPOOL_OUTCOME_NOT_SENT, "") == SIDEPOOL_E_LEASE_LOST);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} scenarios[] = {
		{ "values", scenario_values },   { "changing-columns", scenario_changing_columns },
		{ "errors", scenario_errors },   { "transaction", scenario_transaction },
		{ "stream", scenario_stream },   { "batch", scenario_batch },
		{ "copy", scenario_copy },       { "cancel", scenario_cancel },
		{ "many", scenario_many },       { "session", scenario_session },
		{ "restart", scenario_restart }, { "parameters", scenario_parameters },
		{ "leaving", scenario_leaving },
	};

	CHECK(argc == 2);
	CHECK(sidepool_open(SIDEPOOL_OPTIONS(.application = "driver"), &sp) == 0);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(scenarios[i].name, argv[1]) != 0)
			continue;
		scenarios[i].run();
		sidepool_close(sp);
		return 0;
	}
	fprintf(stderr, "no such scenario: %s\n", argv[1]);
	return 2;
}
