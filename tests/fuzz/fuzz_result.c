/* SPDX-License-Identifier: MIT */
/*
 * A server that sends anything: the bytes go through libpq, the calls of src/pg and the encoder of
 * src/rpc into answers, and these must be proper messages whose packed rows add up. Each call ends
 * once, whatever came, and nothing is held for longer than a chunk.
 *
 * The first byte says what is asked of the server, the second how its answer is cut, and whether
 * libpq is given a handshake first. The rest are messages: type, length of what is there, a lie
 * about the length, bytes; or how often the last one comes again. So an input is mostly well framed, and a mutation can be at what is
 * inside.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "fake-socket.h"
#include "fuzz.h"
#include "pg/conn.h"
#include "pg/result.h"
#include "pg/target.h"
#include "pg/text.h"
#include "result-check.h"
#include "rpc/failure.h"
#include "rpc/output.h"
#include "util/macro.h"

enum {
	CHUNK_BYTES = 512,
	CALLS_MOST = 3,
	TURNS = 2, /* of the loop, after which nothing is left to do without more from the server */
	LIE_NONE = 0,
	LIE_HUGE = 1,
	HUGE_BYTES = 20000, /* more than libpq has room for at first */
	ALLOCATION_MOST_BYTES = 1 << 18,
	TAGS_MOST = 32, /* no text here is longer */
	OUTGOING_BYTES = 8192,
	AGAIN = 0, /* in place of a type: the last message many times */
	NO_HANDSHAKE = 0x80,
};

struct asked {
	struct pg_call call;
	struct output output;
	struct failure failure;
	struct answer_state told;
	bool is_copy; /* it asks for a COPY, in or out */
	bool is_copy_in;
	bool dropping;
	unsigned n_ends;
};

static uv_loop_t loop;
static long n_results; /* that libpq gave us and we did not give back */
static struct pg_target *target;
static struct pg_texts *texts;
static struct pg_text *plain, *prepared;

static struct pg_conn *conn;
static bool is_up, is_down;
static struct asked asked[CALLS_MOST];
static size_t n_asked;

/*
 * libpq 15 itself loses a result where a message in the middle of one makes no sense. So what is in
 * our hands is counted here, and what libpq allocates is not asked about.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpq.so";
}

/*
 * libpq wants as much memory as a message announces, up to a gigabyte; to prepare that takes longer
 * than a hundred inputs. It is told that there is none, which it has to stand as well. No input is
 * long enough for us to need so much. Only where a fuzzer runs: clang's sanitizer lets its functions
 * be replaced.
 */
static bool is_running; /* an input; libFuzzer itself needs more */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
void *__interceptor_malloc(size_t n);
__attribute__((visibility("default"))) void *malloc(size_t n)
{
	return is_running && n > ALLOCATION_MOST_BYTES ? NULL : __interceptor_malloc(n);
}

void *__interceptor_realloc(void *p, size_t n);
__attribute__((visibility("default"))) void *realloc(void *p, size_t n)
{
	return is_running && n > ALLOCATION_MOST_BYTES ? NULL : __interceptor_realloc(p, n);
}
#endif
#endif

PGresult *__real_PQgetResult(PGconn *pq);
PGresult *__wrap_PQgetResult(PGconn *pq);
PGresult *__wrap_PQgetResult(PGconn *pq)
{
	PGresult *result = __real_PQgetResult(pq);

	n_results += result != NULL;
	return result;
}

void __real_PQclear(PGresult *result);
void __wrap_PQclear(PGresult *result);
void __wrap_PQclear(PGresult *result)
{
	n_results -= result != NULL;
	__real_PQclear(result);
}

/* ---- what src/rpc would do with it ---- */

static struct output_statement statement_of(uint32_t tag, uint32_t set)
{
	return (struct output_statement){ .index = tag, .set = set, .statement_id = 7 };
}

static void send_chunk(struct asked *a, bool more)
{
	check_answer(&a->told, &a->output, &a->failure, more);
	output_next_chunk(&a->output);
}

static void on_rows(struct pg_call *call, uint32_t tag, uint32_t set, const struct pg_result *rows)
{
	struct asked *a = container_of(call, struct asked, call);
	struct output_statement s = statement_of(tag, set);

	if (a->dropping)
		return;
	output_rows(&a->output, &s, rows);
	if (output_bytes(&a->output) >= CHUNK_BYTES)
		send_chunk(a, true);
}

static void on_complete(struct pg_call *call, uint32_t tag, uint32_t set,
			const struct pg_result *result)
{
	struct asked *a = container_of(call, struct asked, call);
	struct output_statement s = statement_of(tag, set);

	check(tag <= TAGS_MOST);
	if (a->dropping)
		return;
	output_complete(&a->output, &s, result);
}

/* The odd ones fail as a statement of a batch does, the others as a request. */
static void on_error(struct pg_call *call, uint32_t tag, uint32_t set,
		     const struct pg_result *error)
{
	struct asked *a = container_of(call, struct asked, call);
	struct output_statement s = statement_of(tag, set);
	struct failure f = { .code = 0 };

	failure_set_sql(&f, error);
	if (tag % 2 || a->failure.code) {
		output_failed(&a->output, &s, &f);
		failure_deinit(&f);
	} else {
		a->failure = f;
	}
}

static void on_notice(struct pg_call *call, const struct pg_result *notice)
{
	struct asked *a = container_of(call, struct asked, call);

	output_notice(&a->output, notice);
	check(buf_len(&a->output.notices) <= OUTPUT_NOTICES_MOST_BYTES);
}

static void on_copy(struct pg_call *call, const struct pg_result *ready, const char *data, size_t n)
{
	struct asked *a = container_of(call, struct asked, call);

	if (!ready && !a->dropping) {
		output_copy_data(&a->output, data, n);
		if (output_bytes(&a->output) >= CHUNK_BYTES)
			send_chunk(a, true);
	}
	if (!ready)
		return;
	for (int i = 0; i < pg_result_n_columns(ready); i++)
		(void)pg_result_column_format(ready, i);
	if (pg_result_is_copy_in(ready)) {
		(void)pg_call_copy_put(call, "1\n", 2);
		(void)pg_call_copy_end(call, a->is_copy_in ? NULL : "it is not wanted");
	} else if (!a->is_copy || a->is_copy_in) {
		a->dropping = true; /* see src/rpc/copy.c */
		output_reset(&a->output, SIZE_MAX);
	}
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct asked *a = container_of(call, struct asked, call);

	check(a->n_ends++ == 0);
	if (end != PG_END_SYNCED && !a->failure.code)
		failure_set(&a->failure, SIDEPOOL_E_CONNECTION_LOST, NULL);
	send_chunk(a, false);
}

static const struct pg_call_ops call_ops = {
	.on_rows = on_rows,
	.on_complete = on_complete,
	.on_error = on_error,
	.on_notice = on_notice,
	.on_copy = on_copy,
	.on_end = on_end,
};

/* ---- what is asked ---- */

static void execute(struct asked *a, struct pg_text *text, uint32_t tag, uint32_t n_sets)
{
	uint8_t params[] = { 1, 0, 0, 0, '1', 1, 0, 0, 0, '2', 0 };
	struct pg_statement s = {
		.text = text,
		.n_params = 1,
		.params = params,
		.params_bytes = 5 * (size_t)n_sets,
		.n_sets = n_sets,
		.result_format = (int)(tag % 2),
	};

	(void)pg_call_execute(&a->call, &s, tag);
}

static void ask_one(struct asked *a, unsigned how, unsigned copy)
{
	if (how == 3 && n_asked == 1) { /* it wants the connection for itself */
		a->is_copy = copy != 0;
		a->is_copy_in = copy == 2;
		a->output.copy = a->is_copy && !a->is_copy_in; /* as copy_out_handle() has it */
		(void)pg_call_simple(conn, &a->call, &call_ops, "SELECT 1; COPY t FROM STDIN");
		return;
	}
	pg_call_begin(conn, &a->call, &call_ops);
	execute(a, how == 0 ? plain : prepared, 0, 1);
	if (how == 2) {
		pg_call_sync(&a->call);
		execute(a, prepared, 1, 2);
		execute(a, plain, 2, 1);
	}
	pg_call_end(&a->call);
}

/* Bits 0-1: how many calls; then two for each: what it is. A simple one is alone: is it a COPY? */
static void ask(unsigned plan)
{
	size_t n = MAX(plan & 3, 1U);

	for (size_t i = 0; i < n; i++) {
		n_asked++;
		ask_one(&asked[i], plan >> (2 + 2 * i) & 3, plan >> 4 & 3);
		if (n_asked == 1 && (plan >> 2 & 3) == 3)
			break;
	}
}

/* ---- the connection ---- */

static void on_up(struct pg_conn *c)
{
	(void)c;
	is_up = true;
}

static void on_down(struct pg_conn *c, enum pg_failure_kind kind, const char *reason)
{
	(void)c;
	(void)kind;
	check(!is_down && strlen(reason) < 512);
	is_down = true;
}

static void on_notify(struct pg_conn *c, const char *channel, const char *payload, int backend_pid)
{
	(void)c;
	(void)backend_pid;
	check(channel && payload);
}

static void on_altered(struct pg_conn *c, const char *tag)
{
	(void)c;
	check(tag);
}

static const struct pg_conn_ops conn_ops = {
	.on_up = on_up,
	.on_down = on_down,
	.on_notify = on_notify,
	.on_altered = on_altered,
};

static void turn(void)
{
	for (int i = 0; i < TURNS; i++)
		(void)uv_run(&loop, UV_RUN_NOWAIT);
}

/* What the server says before the loop turns goes out at once. */
static uint8_t outgoing[OUTGOING_BYTES];
static size_t n_outgoing;

static void flush(int server)
{
	char heap[4096];

	while (recv(server, heap, sizeof(heap), MSG_DONTWAIT) == (ssize_t)sizeof(heap))
		;
	if (n_outgoing > 0)
		(void)!send(server, outgoing, n_outgoing, MSG_NOSIGNAL | MSG_DONTWAIT);
	n_outgoing = 0;
}

static void put(int server, const void *bytes, size_t n)
{
	if (n_outgoing + n > sizeof(outgoing))
		flush(server);
	memcpy(outgoing + n_outgoing, bytes, n);
	n_outgoing += n;
}

static void flush_and_turn(int server)
{
	flush(server);
	turn();
}

/* AuthenticationOk, ParameterStatus, BackendKeyData, ReadyForQuery. */
static const char handshake[] = "R\0\0\0\x08\0\0\0\0"
				"S\0\0\0\x19"
				"client_encoding\0UTF8\0"
				"S\0\0\0\x18"
				"server_version\0"
				"15.0\0"
				"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02"
				"Z\0\0\0\x05I";

/* Returns what was written of it. */
static size_t frame(uint8_t *out, struct input *in)
{
	uint8_t type = input_byte(in), n = input_byte(in);
	int8_t lie = (int8_t)input_byte(in);
	size_t there;
	const uint8_t *bytes = input_bytes(in, n, &there);
	uint32_t told = (uint32_t)((int)there + 4 + (lie == LIE_HUGE ? HUGE_BYTES : lie));

	out[0] = type;
	for (int i = 0; i < 4; i++)
		out[1 + i] = (uint8_t)(told >> (24 - 8 * i));
	memcpy(out + 5, bytes, there);
	return 5 + there;
}

static unsigned repeats(struct input *in)
{
	(void)input_byte(in);
	return input_byte(in) * 2U;
}

/* Bits 0-2: after so many messages the loop turns; bit 3: each in two pieces; bit 4: paused at first. */
static void serve(int server, struct input *in, unsigned cuts)
{
	uint8_t out[5 + UINT8_MAX];
	size_t n = 0, first;

	if ((cuts & 16) && is_up && !is_down)
		pg_conn_pause(conn);
	for (unsigned i = 0, again = 0; (again > 0 || input_left(in) > 0) && !is_down; i++) {
		if (again > 0)
			again--;
		else if (*in->at == AGAIN)
			again = repeats(in);
		else
			n = frame(out, in);
		first = (cuts & 8) && again == 0 ? n / 2 : n;
		put(server, out, first);
		if (first < n) {
			flush_and_turn(server);
			put(server, out + first, n - first);
		}
		if (again == 0 && i % 8 >= (cuts & 7))
			flush_and_turn(server);
	}
	flush_and_turn(server);
	if ((cuts & 16) && is_up && !is_down)
		pg_conn_resume(conn);
	flush_and_turn(server);
}

static void set_up(void)
{
	char message[256];

	check(uv_loop_init(&loop) == 0);
	check(pg_target_new(&target, "host=/nowhere dbname=d user=u password=p", NULL, message,
			    sizeof(message)) == 0);
	check(pg_texts_new(&texts, 1 << 20, 1) == 0);
	check(pg_texts_get(texts, "SELECT $1", 9, NULL, 0, &plain) == 0);
	check(pg_texts_get(texts, "SELECT 2, $1", 12, NULL, 0, &prepared) == 0);
	prepared->uses = 1000;
}

static int begin(void)
{
	static const struct pg_conn_settings settings = { .connect_timeout_us = USEC_PER_SEC * 3600,
							  .max_prepared = 1 };

	memset(asked, 0, sizeof(asked));
	n_asked = 0;
	is_up = is_down = false;
	check(pg_conn_new(&conn, &loop, target, &settings, "fuzz", &conn_ops, NULL) == 0);
	(void)fake_lookups_end();
	turn();
	return fake_socket_take();
}

static void end(int server)
{
	(void)close(server);
	turn();
	conn = pg_conn_close(conn);
	turn();
	check(uv_loop_alive(&loop) == 0);
	check(n_results == 0);
	for (size_t i = 0; i < n_asked; i++) {
		check(asked[i].n_ends == 1);
		output_deinit(&asked[i].output);
		failure_deinit(&asked[i].failure);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	unsigned plan = input_byte(&in), cuts = input_byte(&in);
	int server;

	if (!target)
		set_up();
	is_running = true;
	server = begin();
	check(server >= 0);
	if (!(cuts & NO_HANDSHAKE))
		put(server, handshake, sizeof(handshake) - 1);
	for (int i = 0; i < 2; i++)
		flush_and_turn(server);
	if (!is_up && (cuts & NO_HANDSHAKE))
		serve(server, &in, cuts);
	if (is_up && !is_down) {
		ask(plan);
		turn();
		serve(server, &in, cuts);
	}
	end(server);
	is_running = false;
	return 0;
}
