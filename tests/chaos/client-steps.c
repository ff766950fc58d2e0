/* SPDX-License-Identifier: MIT */
/*
 * The library under tests/chaos/countdown: a program that does one step for each line on its
 * standard input and says what came of it, while a call of its own fails somewhere. A step opens a
 * handle and closes it. It may be refused; what it is told in good order has to be right, and every
 * request has to end.
 */
#include <errno.h>
#include <poll.h>
#include <sidepool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MANY = 20,
	LINE = 256,
};

static const char *path;
static struct sidepool *sp;
static int said_to;      /* a pipe that no failure is meant for */
static char wrong[LINE]; /* what is not as it has to be */
static char refused[LINE];

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what) && !*wrong)                                                            \
			snprintf(wrong, sizeof(wrong), "line %d: not so: %s", __LINE__, #what);    \
	} while (0)

static void refuse(int code)
{
	if (!*refused)
		snprintf(refused, sizeof(refused), "%s", sidepool_code_name(code));
}

static bool took(int code)
{
	if (code != 0)
		refuse(code);
	return code == 0;
}

/* The reply to `id` if it is no error, else NULL. */
static struct sidepool_reply *reply_to(uint32_t id)
{
	struct sidepool_reply *reply = sidepool_wait(sp, id);

	CHECK(reply);
	if (took(sidepool_code(reply)))
		return reply;
	return sidepool_reply_free(reply);
}

static bool is_text(const struct sidepool_reply *reply, const char *text)
{
	const char *value = sidepool_value(sidepool_result(reply, 0), 0, 0);

	return value && strcmp(value, text) == 0;
}

static void expect(uint32_t id, const char *text)
{
	struct sidepool_reply *reply = reply_to(id);

	CHECK(!reply || is_text(reply, text));
	sidepool_reply_free(reply);
}

static void expect_ok(uint32_t id)
{
	sidepool_reply_free(reply_to(id));
}

static void step_query(void)
{
	expect(sidepool_query(sp, "select $1 || 'y'", SIDEPOOL_TEXT("x"), NULL), "xy");
	expect(sidepool_query(sp, "select $1 || 'y'", SIDEPOOL_TEXT("z"), NULL), "zy");
	expect(sidepool_query(sp, "select length($1)::text", SIDEPOOL_TEXT("123456789"), NULL),
	       "9");
	expect(sidepool_query(sp, "select length(repeat('x', 100000))", NULL, NULL), "100000");
}

static void step_errors(void)
{
	struct sidepool_reply *reply =
		sidepool_wait(sp, sidepool_query(sp, "select 1/0", NULL, NULL));

	CHECK(sidepool_code(reply) != SIDEPOOL_E_OK);
	if (sidepool_code(reply) == SIDEPOOL_E_SQL_ERROR)
		CHECK(strcmp(sidepool_error_sqlstate(sidepool_error(reply)), "22012") == 0);
	else
		refuse(sidepool_code(reply));
	sidepool_reply_free(reply);
}

static void step_many(void)
{
	uint32_t ids[MANY];
	char texts[MANY][16];

	for (int i = 0; i < MANY; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%d", i);
		ids[i] = sidepool_query(sp, "select $1", SIDEPOOL_TEXT(texts[i]), NULL);
	}
	for (int i = MANY - 1; i >= 0; i--)
		expect(ids[i], texts[i]);
}

static void step_lease(void)
{
	struct sidepool_lease lease = { { 0 } };
	struct sidepool_reply *reply = reply_to(
		sidepool_query(sp, "insert into count_one values (7) returning a", NULL,
			       SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS(.begin = 1))));

	if (!reply)
		return;
	CHECK(sidepool_reply_lease(reply, &lease) && is_text(reply, "7"));
	sidepool_reply_free(reply);
	expect_ok(sidepool_renew(sp, &lease, 5000, NULL));
	expect(sidepool_query(sp, "select 8", NULL, SIDEPOOL_CALL(.lease = &lease)), "8");
	expect_ok(sidepool_release(sp, &lease, SIDEPOOL_FINISH_COMMIT, NULL));
}

static void step_script(void)
{
	struct sidepool_reply *reply =
		reply_to(sidepool_script(sp, "create temp table x (a int); select 3",
					 SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS(),
						       .finish = SIDEPOOL_FINISH_ROLLBACK)));

	CHECK(!reply || sidepool_results(reply) == 2);
	sidepool_reply_free(reply);
}

/* A batch of two statements, one of them with two sets; NULL, and refused, without memory. */
static struct sidepool_batch *filled_batch(void)
{
	struct sidepool_batch *batch = sidepool_batch_new();

	if (!batch)
		refuse(SIDEPOOL_E_OUT_OF_MEMORY);
	if (batch &&
	    took(sidepool_batch_add(batch, "insert into count_one values ($1::int)",
				    SIDEPOOL_TEXT("1"), 0)) &&
	    took(sidepool_batch_add_set(batch, SIDEPOOL_TEXT("2"))) &&
	    took(sidepool_batch_add(batch, "select 5", NULL, 0)))
		return batch;
	return sidepool_batch_free(batch);
}

static void step_batch(void)
{
	struct sidepool_batch *batch = filled_batch();
	struct sidepool_reply *reply;

	if (!batch)
		return;
	reply = reply_to(sidepool_batch_send(sp, batch, 1, NULL, NULL));
	CHECK(!reply || (sidepool_results(reply) == 2 &&
			 sidepool_affected_rows(sidepool_result(reply, 0)) == 2));
	sidepool_reply_free(reply);
	sidepool_batch_free(batch);
}

static void step_submit(void)
{
	struct sidepool_batch *batch = filled_batch();

	if (!batch)
		return;
	expect_ok(sidepool_submit(sp, batch, SIDEPOOL_SUBMIT_OPTIONS(.key = "k", .key_bytes = 1),
				  NULL));
	sidepool_batch_free(batch);
}

/* What follows `reply` of a stream: the next chunk, or NULL at its end or where it breaks. */
static struct sidepool_reply *next_chunk(struct sidepool_reply *reply, bool *ret_ended)
{
	struct sidepool_stream stream;
	bool goes_on = sidepool_reply_stream(reply, &stream);

	sidepool_reply_free(reply);
	*ret_ended = !goes_on;
	return goes_on ? reply_to(sidepool_fetch(sp, &stream, NULL)) : NULL;
}

static void step_stream(void)
{
	static const char sql[] = "select g, repeat('r', 50) from generate_series(1, 600) g";
	const struct sidepool_call *call = SIDEPOOL_CALL(.chunk_bytes = 8000);
	struct sidepool_reply *reply = reply_to(sidepool_query(sp, sql, NULL, call));
	struct sidepool_stream stream;
	bool ended = false;
	long rows = 0;

	while (reply) {
		const struct sidepool_result *r = sidepool_result(reply, 0);

		for (size_t i = 0; i < sidepool_nrows(r); i++)
			CHECK(atol(sidepool_value(r, i, 0)) == ++rows);
		reply = next_chunk(reply, &ended);
	}
	CHECK(!ended || rows == 600);
	reply = reply_to(sidepool_query(sp, sql, NULL, call));
	if (reply && sidepool_reply_stream(reply, &stream))
		expect_ok(sidepool_stream_close(sp, &stream, NULL));
	sidepool_reply_free(reply);
}

static void copy_in(void)
{
	struct sidepool_reply *reply = reply_to(sidepool_copy_in(
		sp, "copy count_one from stdin", SIDEPOOL_CALL(.chunk_bytes = 8000)));
	struct sidepool_stream stream;

	if (!reply)
		return;
	CHECK(sidepool_reply_stream(reply, &stream));
	sidepool_reply_free(reply);
	for (int i = 0; i < 3; i++)
		expect_ok(sidepool_copy_data(sp, &stream, "1\n2\n3\n", 6, NULL));
	expect_ok(sidepool_copy_end(sp, &stream, NULL));
}

static void step_copy(void)
{
	struct sidepool_reply *reply;
	size_t total = 0, bytes;
	bool ended = false;

	copy_in();
	reply = reply_to(sidepool_copy_out(
		sp, "copy (select repeat('q', 99) from generate_series(1, 300)) to stdout",
		SIDEPOOL_CALL(.chunk_bytes = 8000)));
	while (reply) {
		sidepool_copy_chunk(reply, &bytes);
		total += bytes;
		reply = next_chunk(reply, &ended);
	}
	CHECK(!ended || total == 30000);
}

static void step_cancel(void)
{
	uint32_t slow =
		sidepool_query(sp, "select pg_sleep(60)", NULL, SIDEPOOL_CALL(.deadline_ms = 2000));
	struct sidepool_reply *reply;

	expect_ok(sidepool_cancel(sp, slow, NULL));
	reply = sidepool_wait(sp, slow);
	CHECK(sidepool_code(reply) != SIDEPOOL_E_OK);
	sidepool_reply_free(reply);
}

/* A subscription ends with the connection that it was asked for on. */
static void hear(struct sidepool_subscriber *s)
{
	uint64_t connection = sidepool_connection_number(sp);
	struct sidepool_reply *event = NULL;

	expect_ok(sidepool_query(sp, "notify step, 'text'", NULL, NULL));
	if (sidepool_connection_number(sp) != connection)
		refuse(SIDEPOOL_E_DAEMON_LOST);
	if (*refused || !took(sidepool_subscriber_next(s, 8000, &event)))
		return;
	CHECK(event && strcmp(sidepool_event_kind(event), "notification") == 0);
	sidepool_reply_free(event);
}

static void step_subscriber(void)
{
	struct sidepool_subscriber *s = NULL;
	struct sidepool_reply *reply = NULL;

	expect_ok(sidepool_connect(sp, NULL));
	if (*refused || !took(sidepool_subscriber_open(sidepool_events_url(sp), &s)))
		return;
	if (took(sidepool_subscriber_listen(s, sp, "step", NULL, &reply)))
		hear(s);
	sidepool_reply_free(reply);
	sidepool_subscriber_close(s);
}

static void step_status(void)
{
	expect_ok(sidepool_ping(sp, NULL));
	expect_ok(sidepool_health(sp, NULL));
	expect_ok(sidepool_status(sp, ~0u, NULL));
}

static void count_reply(struct sidepool *handle, uint32_t id, struct sidepool_reply *reply,
			void *userdata)
{
	unsigned *n = userdata;

	(void)handle;
	(void)id;
	took(sidepool_code(reply));
	sidepool_reply_free(reply);
	++*n;
}

/* As a loop of the program's own does it: whatever fails, each request ends exactly once. */
static void step_loop(void)
{
	unsigned asked = 0, ended = 0;

	for (int i = 0; i < MANY; i++)
		asked += sidepool_query(sp, "select 1", NULL,
					SIDEPOOL_CALL(.done = count_reply, .userdata = &ended,
						      .deadline_ms = 8000)) != 0;
	if (asked < MANY)
		refuse(SIDEPOOL_E_OUT_OF_MEMORY);
	while (sidepool_in_flight(sp) > 0) {
		struct pollfd p = { .fd = sidepool_fd(sp), .events = sidepool_events(sp) };
		int n = poll(&p, 1, sidepool_timeout_ms(sp));

		if (n < 0 && errno != EINTR)
			break;
		sidepool_dispatch(sp, n > 0 ? p.revents : 0);
	}
	CHECK(ended == asked);
}

static const struct step {
	const char *name;
	void (*run)(void);
} steps[] = {
	{ "query", step_query },   { "errors", step_errors }, { "many", step_many },
	{ "lease", step_lease },   { "script", step_script }, { "batch", step_batch },
	{ "submit", step_submit }, { "stream", step_stream }, { "copy", step_copy },
	{ "cancel", step_cancel }, { "status", step_status }, { "subscriber", step_subscriber },
	{ "loop", step_loop },
};

static void tell(const char *word, const char *what)
{
	char line[LINE + 16];
	int n = snprintf(line, sizeof(line), "%s %s\n", word, what);

	if (write(said_to, line, (size_t)n) != n)
		abort();
}

static void run(const struct step *step)
{
	*wrong = *refused = '\0';
	if (took(sidepool_open(SIDEPOOL_OPTIONS(.socket = path, .application = "steps"), &sp))) {
		step->run();
		sp = sidepool_close(sp);
	}
	if (*wrong)
		tell("wrong", wrong);
	else if (*refused)
		tell("refused", refused);
	else
		tell("well", "");
}

static const struct step *find_step(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (strlen(steps[i].name) == n && memcmp(steps[i].name, name, n) == 0)
			return &steps[i];
	return NULL;
}

int main(int argc, char **argv)
{
	char line[LINE];
	ssize_t n;

	said_to = dup(STDOUT_FILENO);
	if (argc != 2 || said_to < 0)
		return 2;
	path = argv[1];
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		tell("step", steps[i].name);
	tell("ready", "");
	while ((n = read(STDIN_FILENO, line, sizeof(line))) > 0) {
		const struct step *step = find_step(line, (size_t)n - 1);

		if (!step)
			return 2;
		run(step);
	}
	return 0;
}
