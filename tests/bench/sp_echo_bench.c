/* SPDX-License-Identifier: MIT */
/*
 * Round trips a second through src/sp/ alone: sp_echo_bench SP-ECHO [CLIENTS [SECONDS [BODY-BYTES
 * [DEPTH]]]]. One process with one thread and an epoll plays all clients, each with DEPTH requests
 * in flight; sp-echo runs as a child. What comes out is the ceiling for everything that is built on
 * src/sp/. Bodies are of at most 64 KiB and not looked at.
 */
#include <endian.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sp/frame.h"
#include "util/macro.h"

enum {
	CLIENTS_MAX = 4096,
	BODY_MAX = 65536,
	READ_BYTES = 262144,
};

struct client {
	int fd;
	size_t part; /* bytes of an unfinished answer */
};

static struct {
	unsigned n_clients, seconds, body_bytes, depth;
	size_t message_bytes;
	uint8_t message[SP_HEADER_BYTES + 4 + BODY_MAX];
	struct client clients[CLIENTS_MAX];
	uint32_t next_id;
	uint64_t answers;
	int epoll_fd;
} bench = { .n_clients = 64, .seconds = 5, .body_bytes = 64, .depth = 1 };

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static usec now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (usec)t.tv_sec * USEC_PER_SEC + (usec)t.tv_nsec / 1000;
}

static void send_one(struct client *c)
{
	struct sp_request r = { .n_words = 1,
				.words = { htonl(SP_REQUEST_ID_BIT | bench.next_id++) } };

	(void)sp_frame_write_header(bench.message, &r, bench.body_bytes);
	if (send(c->fd, bench.message, bench.message_bytes, MSG_NOSIGNAL) !=
	    (ssize_t)bench.message_bytes)
		die("send");
}

static void receive(struct client *c)
{
	static uint8_t data[READ_BYTES];
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n <= 0)
		die("recv");
	/* All answers are equally long. */
	c->part += (size_t)n;
	for (; c->part >= bench.message_bytes; c->part -= bench.message_bytes) {
		bench.answers++;
		send_one(c);
	}
}

static void connect_one(struct client *c, const struct sockaddr_un *sa)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	uint8_t greeting[SP_GREETING_BYTES];

	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		die("connect");
	if (send(c->fd, sp_greeting_req, SP_GREETING_BYTES, 0) != SP_GREETING_BYTES ||
	    recv(c->fd, greeting, sizeof(greeting), MSG_WAITALL) != SP_GREETING_BYTES)
		die("greeting");
	if (epoll_ctl(bench.epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
		die("epoll_ctl");
}

static void run(void)
{
	struct epoll_event events[256];
	usec end = now_us() + bench.seconds * USEC_PER_SEC;

	for (unsigned i = 0; i < bench.n_clients; i++)
		for (unsigned k = 0; k < bench.depth; k++)
			send_one(&bench.clients[i]);
	while (now_us() < end) {
		int n = epoll_wait(bench.epoll_fd, events, ARRAY_LEN(events), 1000);

		for (int i = 0; i < n; i++)
			receive(events[i].data.ptr);
	}
}

static pid_t start_echo(const char *program, const char *path, int *ret_input)
{
	int input[2], output[2];
	char ready[6];
	pid_t pid;

	if (pipe(input) < 0 || pipe(output) < 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		(void)dup2(input[0], 0);
		(void)dup2(output[1], 1);
		(void)close(input[1]);
		(void)execl(program, program, path, NULL);
		_exit(127);
	}
	(void)close(output[1]);
	if (read(output[0], ready, sizeof(ready)) != sizeof(ready))
		die(program);
	*ret_input = input[1];
	return pid;
}

static void report(usec elapsed, const struct rusage *child)
{
	double cpu_us = (double)(child->ru_utime.tv_sec + child->ru_stime.tv_sec) * 1e6 +
			(double)(child->ru_utime.tv_usec + child->ru_stime.tv_usec);

	printf("%u clients, %u in flight each, %u bytes: %.0f round trips/s, %.2f us of server CPU "
	       "each\n",
	       bench.n_clients, bench.depth, bench.body_bytes,
	       (double)bench.answers * 1e6 / (double)elapsed, cpu_us / (double)bench.answers);
}

static void bench_against(const char *program)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct rusage child;
	int input, status;
	pid_t pid;
	usec start;

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/sp-echo-bench-%d", getpid());
	pid = start_echo(program, sa.sun_path, &input);
	bench.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < bench.n_clients; i++)
		connect_one(&bench.clients[i], &sa);
	start = now_us();
	run();
	start = now_us() - start;
	(void)close(input);
	if (wait4(pid, &status, 0, &child) != pid || status != 0)
		die("sp-echo");
	report(start, &child);
}

int main(int argc, char **argv)
{
	unsigned *numbers[] = { &bench.n_clients, &bench.seconds, &bench.body_bytes, &bench.depth };

	for (int i = 2; i < argc && i < 6; i++)
		*numbers[i - 2] = (unsigned)strtoul(argv[i], NULL, 10);
	if (argc < 2 || bench.n_clients == 0 || bench.n_clients > CLIENTS_MAX ||
	    bench.body_bytes > BODY_MAX) {
		(void)fprintf(
			stderr,
			"usage: sp_echo_bench SP-ECHO [CLIENTS [SECONDS [BODY-BYTES [DEPTH]]]]\n");
		return EXIT_FAILURE;
	}
	bench.message_bytes = SP_HEADER_BYTES + 4 + bench.body_bytes;
	bench_against(argv[1]);
	return EXIT_SUCCESS;
}
