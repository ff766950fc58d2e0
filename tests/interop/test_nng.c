/* SPDX-License-Identifier: MIT */
/*
 * libnng's REQ against src/sp/: contexts, devices, resending, reconnecting. argv[1] is sp-echo,
 * which runs as a child. nng threads are the peer's own; the test waits for answers only, never for
 * time.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>

#include "util/macro.h"

enum {
	TIMEOUT_MS = 30000, /* nothing takes that long: a hang becomes a failure */
};

static const char *echo_program;

struct echo {
	char dir[64];
	char path[96];
	char url[128];
	pid_t pid;
	int input; /* closing it stops the child */
};

static _Noreturn void run_child(struct echo *e, int input[2], int output[2])
{
	if (dup2(input[0], 0) < 0 || dup2(output[1], 1) < 0)
		_exit(127);
	(void)close(input[1]);
	(void)execl(echo_program, echo_program, e->path, NULL);
	_exit(127);
}

static int setup(void **state)
{
	struct echo *e = calloc(1, sizeof(*e));
	int input[2], output[2];
	char ready[6];

	(void)snprintf(e->dir, sizeof(e->dir), "/tmp/sp-nng-XXXXXX");
	if (!mkdtemp(e->dir) || pipe2(input, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0)
		return -1;
	(void)snprintf(e->path, sizeof(e->path), "%s/echo.sock", e->dir);
	(void)snprintf(e->url, sizeof(e->url), "ipc://%s", e->path);
	e->pid = fork();
	if (e->pid == 0)
		run_child(e, input, output);
	(void)close(input[0]);
	(void)close(output[1]);
	e->input = input[1];
	if (read(output[0], ready, sizeof(ready)) != sizeof(ready))
		return -1;
	(void)close(output[0]);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct echo *e = *state;
	int status;

	(void)close(e->input);
	if (waitpid(e->pid, &status, 0) != e->pid || status != 0) {
		print_error("sp-echo ended with status %d\n", status);
		return -1;
	}
	if (rmdir(e->dir) < 0)
		return -1;
	free(e);
	return 0;
}

static nng_socket req_to(const char *url)
{
	nng_socket s;

	assert_int_equal(nng_req0_open(&s), 0);
	assert_int_equal(nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, TIMEOUT_MS), 0);
	assert_int_equal(nng_socket_set_ms(s, NNG_OPT_SENDTIMEO, TIMEOUT_MS), 0);
	assert_int_equal(nng_socket_set_ms(s, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE), 0);
	assert_int_equal(nng_dial(s, url, NULL, 0), 0);
	return s;
}

static void ask(nng_socket s, const char *body, char *answer, size_t max)
{
	size_t len = max - 1;

	assert_int_equal(nng_send(s, (void *)body, strlen(body), 0), 0);
	assert_int_equal(nng_recv(s, answer, &len, 0), 0);
	answer[len] = '\0';
}

static void test_req_is_answered(void **state)
{
	struct echo *e = *state;
	nng_socket s = req_to(e->url);
	char answer[128], expected[128];

	for (int i = 0; i < 1000; i++) {
		(void)snprintf(expected, sizeof(expected), "hello %d", i);
		ask(s, expected, answer, sizeof(answer));
		assert_string_equal(answer, expected);
	}
	(void)snprintf(expected, sizeof(expected), "%u %u %d", getuid(), getgid(), getpid());
	ask(s, "!peer", answer, sizeof(answer));
	assert_string_equal(answer, expected);
	assert_int_equal(nng_close(s), 0);
}

static void test_bodies_of_all_sizes_come_back(void **state)
{
	static const size_t sizes[] = { 0, 1, 4096, 65535, 65536, 65537, 1 << 20, 16000000 };
	struct echo *e = *state;
	nng_socket s = req_to(e->url);

	assert_int_equal(nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t *body = malloc(sizes[i] + 1);
		nng_msg *m;

		for (size_t k = 0; k < sizes[i]; k++)
			body[k] = (uint8_t)(k * 13 + (k >> 8));
		assert_int_equal(nng_send(s, body, sizes[i], 0), 0);
		assert_int_equal(nng_recvmsg(s, &m, 0), 0);
		assert_int_equal(nng_msg_len(m), sizes[i]);
		assert_memory_equal(nng_msg_body(m), body, sizes[i]);
		nng_msg_free(m);
		free(body);
	}
	assert_int_equal(nng_close(s), 0);
}

struct call {
	nng_ctx ctx;
	nng_aio *aio;
};

static void call_start(struct call *c, nng_socket s, const char *body)
{
	nng_msg *m;

	assert_int_equal(nng_ctx_open(&c->ctx, s), 0);
	assert_int_equal(nng_aio_alloc(&c->aio, NULL, NULL), 0);
	nng_aio_set_timeout(c->aio, TIMEOUT_MS);
	assert_int_equal(nng_msg_alloc(&m, 0), 0);
	assert_int_equal(nng_msg_append(m, body, strlen(body)), 0);
	nng_aio_set_msg(c->aio, m);
	nng_ctx_send(c->ctx, c->aio);
	nng_aio_wait(c->aio);
	assert_int_equal(nng_aio_result(c->aio), 0);
	nng_ctx_recv(c->ctx, c->aio);
}

static void call_finish(struct call *c, const char *expected)
{
	nng_msg *m;

	nng_aio_wait(c->aio);
	assert_int_equal(nng_aio_result(c->aio), 0);
	m = nng_aio_get_msg(c->aio);
	assert_int_equal(nng_msg_len(m), strlen(expected));
	assert_memory_equal(nng_msg_body(m), expected, strlen(expected));
	nng_msg_free(m);
	nng_aio_free(c->aio);
	assert_int_equal(nng_ctx_close(c->ctx), 0);
}

/* Polls the counters, which is work for the daemon and no waiting for time. */
static void wait_for_requests(nng_socket s, unsigned n)
{
	char answer[256], expected[32];

	/* The one that asks is in flight as well. */
	(void)snprintf(expected, sizeof(expected), "requests=%u ", n + 1);
	for (int i = 0; i < 100000; i++) {
		ask(s, "!counts", answer, sizeof(answer));
		if (strstr(answer, expected))
			return;
	}
	fail_msg("%s: not %s", answer, expected);
}

static void test_many_contexts_share_one_connection(void **state)
{
	enum { N = 300 };
	struct echo *e = *state;
	nng_socket s = req_to(e->url);
	struct call held[N], released;
	char answer[256];

	for (int i = 0; i < N; i++)
		call_start(&held[i], s, "!hold");
	wait_for_requests(s, N);
	ask(s, "!counts", answer, sizeof(answer));
	assert_non_null(strstr(answer, "connections=1 "));
	/* Those asked later are answered first. */
	ask(s, "later", answer, sizeof(answer));
	assert_string_equal(answer, "later");
	call_start(&released, s, "!release");
	for (int i = 0; i < N; i++)
		call_finish(&held[i], "released");
	call_finish(&released, "released");
	assert_int_equal(nng_close(s), 0);
}

static void test_a_resending_req_is_served_once(void **state)
{
	struct echo *e = *state;
	nng_socket s = req_to(e->url);
	char answer[256];

	assert_int_equal(nng_socket_set_ms(s, NNG_OPT_REQ_RESENDTIME, 10), 0);
	/* Answered when it has come three times. */
	ask(s, "!repeated", answer, sizeof(answer));
	assert_string_equal(answer, "handed up 1 time");
	assert_int_equal(nng_socket_set_ms(s, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE), 0);
	ask(s, "afterwards", answer, sizeof(answer));
	assert_string_equal(answer, "afterwards");
	assert_int_equal(nng_close(s), 0);
}

static void test_a_closed_connection_is_dialled_again(void **state)
{
	struct echo *e = *state;
	nng_socket s = req_to(e->url);
	char answer[256];
	struct call closing;

	ask(s, "before", answer, sizeof(answer));
	call_start(&closing, s, "!close");
	nng_aio_wait(closing.aio);
	/* With resending off a dropped pipe is an error for the one who waits. */
	assert_int_equal(nng_aio_result(closing.aio), NNG_ECONNRESET);
	nng_aio_free(closing.aio);
	assert_int_equal(nng_ctx_close(closing.ctx), 0);
	ask(s, "after", answer, sizeof(answer));
	assert_string_equal(answer, "after");
	assert_int_equal(nng_close(s), 0);
}

/* A device between two URLs, in a thread of its own until its sockets are closed. */
struct device {
	nng_socket front, back;
	nng_thread *thread;
};

static void device_run(void *arg)
{
	struct device *d = arg;

	(void)nng_device(d->front, d->back);
}

static void device_start(struct device *d, const char *listen_url, const char *dial_url)
{
	assert_int_equal(nng_rep0_open_raw(&d->front), 0);
	assert_int_equal(nng_req0_open_raw(&d->back), 0);
	assert_int_equal(nng_listen(d->front, listen_url, NULL, 0), 0);
	assert_int_equal(nng_dial(d->back, dial_url, NULL, 0), 0);
	assert_int_equal(nng_thread_create(&d->thread, device_run, d), 0);
}

static void device_stop(struct device *d)
{
	(void)nng_close(d->front);
	(void)nng_close(d->back);
	nng_thread_destroy(d->thread);
}

static void test_requests_pass_devices(void **state)
{
	enum { DEVICES = 4, N = 50 };
	struct echo *e = *state;
	struct device devices[DEVICES];
	struct call held[N], released;
	char url[64], before[128], answer[256];
	nng_socket s;

	(void)snprintf(before, sizeof(before), "%s", e->url);
	for (int i = 0; i < DEVICES; i++) {
		(void)snprintf(url, sizeof(url), "inproc://device-%d", i);
		device_start(&devices[i], url, before);
		(void)snprintf(before, sizeof(before), "%s", url);
	}
	s = req_to(before);
	ask(s, "far away", answer, sizeof(answer));
	assert_string_equal(answer, "far away");
	for (int i = 0; i < N; i++)
		call_start(&held[i], s, "!hold");
	wait_for_requests(s, N);
	call_start(&released, s, "!release");
	for (int i = 0; i < N; i++)
		call_finish(&held[i], "released");
	call_finish(&released, "released");
	assert_int_equal(nng_close(s), 0);
	for (int i = DEVICES - 1; i >= 0; i--)
		device_stop(&devices[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_req_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bodies_of_all_sizes_come_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_many_contexts_share_one_connection, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_resending_req_is_served_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_closed_connection_is_dialled_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_requests_pass_devices, setup, teardown),
	};

	if (argc != 2)
		return EXIT_FAILURE;
	echo_program = argv[1];
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
