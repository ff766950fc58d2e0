/* SPDX-License-Identifier: MIT */
/*
 * An echo daemon on src/sp/, for foreign peers to talk to: sp-echo PATH, or sp-echo without a path
 * for the socket that systemd hands over. It says "ready" on stdout and leaves when stdin ends. A
 * body that begins with '!' is a command:
 *
 *	!counts      the counters, as words
 *	!peer        uid, gid and pid of the peer
 *	!repeated    answered only when a request in flight has been sent again (a resending REQ)
 *	!hold        answered by the next !release on any connection
 *	!release
 *	!close       closes the connection
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <systemd/sd-daemon.h>

#include "sp/conn.h"
#include "sp/server.h"
#include "util/macro.h"

struct held {
	struct sp_conn *conn; /* a reference */
	struct sp_request request;
	struct held *next; /* echo::held or echo::repeated */
};

struct echo {
	uv_loop_t loop;
	uv_pipe_t input;
	uv_check_t check;
	struct sp_server *server; /* owned */
	struct held *held;        /* owned: until !release */
	struct held *repeated;    /* owned: until a duplicate was seen */
	uint64_t handed_repeated; /* times that !repeated was handed up */
	char input_byte[64];
};

static void answer(struct sp_conn *c, const struct sp_request *request, const char *text)
{
	sp_reply(c, request, text, strlen(text));
}

static void hold(struct held **list, struct sp_conn *c, const struct sp_request *request)
{
	struct held *h = malloc(sizeof(*h));

	if (!h)
		abort();
	*h = (struct held){ .conn = sp_conn_ref(c), .request = *request, .next = *list };
	*list = h;
}

static void release(struct held **list, const char *text)
{
	struct held *h;

	while ((h = *list)) {
		*list = h->next;
		answer(h->conn, &h->request, text);
		sp_conn_unref(h->conn);
		free(h);
	}
}

static void command_counts(struct echo *e, struct sp_conn *c, const struct sp_request *request)
{
	const struct sp_counts *n = sp_server_counts(e->server);
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "connections=%u requests=%llu messages=%llu duplicates=%llu replies=%llu",
		       n->connections, (unsigned long long)n->requests,
		       (unsigned long long)n->messages_total,
		       (unsigned long long)n->duplicates_total,
		       (unsigned long long)n->replies_total);
	answer(c, request, text);
}

static void command_peer(struct echo *e, struct sp_conn *c, const struct sp_request *request)
{
	const struct sp_peer *p = sp_conn_peer(c);
	char text[64];

	(void)e;
	(void)snprintf(text, sizeof(text), "%u %u %d", p->uid, p->gid, p->pid);
	answer(c, request, text);
}

static void command_repeated(struct echo *e, struct sp_conn *c, const struct sp_request *request)
{
	e->handed_repeated++;
	hold(&e->repeated, c, request);
}

static void command_hold(struct echo *e, struct sp_conn *c, const struct sp_request *request)
{
	hold(&e->held, c, request);
}

static void command_release(struct echo *e, struct sp_conn *c, const struct sp_request *request)
{
	release(&e->held, "released");
	answer(c, request, "released");
}

static void command_close(struct echo *e, struct sp_conn *c, const struct sp_request *request)
{
	(void)e;
	(void)request;
	sp_conn_close(c);
}

static const struct {
	const char *name;
	void (*run)(struct echo *e, struct sp_conn *c, const struct sp_request *request);
} commands[] = {
	{ "!counts", command_counts },     { "!peer", command_peer },
	{ "!repeated", command_repeated }, { "!hold", command_hold },
	{ "!release", command_release },   { "!close", command_close },
};

static void on_open(struct sp_conn *c, void *userdata)
{
	sp_conn_set_owner(c, userdata);
}

static void on_message(struct sp_conn *c, const struct sp_request *request, uint8_t *body,
		       size_t len, void *userdata)
{
	for (size_t i = 0; len > 0 && body[0] == '!' && i < ARRAY_LEN(commands); i++) {
		if (len == strlen(commands[i].name) && memcmp(body, commands[i].name, len) == 0) {
			commands[i].run(userdata, c, request);
			return;
		}
	}
	sp_reply(c, request, body, len);
}

static void on_close(struct sp_conn *c, void *userdata)
{
	(void)c;
	(void)userdata;
}

static const struct sp_ops ops = { .on_open = on_open,
				   .on_message = on_message,
				   .on_close = on_close };

static void on_check(uv_check_t *check)
{
	struct echo *e = container_of(check, struct echo, check);
	char text[32];

	if (!e->repeated || sp_server_counts(e->server)->duplicates_total < 2)
		return;
	(void)snprintf(text, sizeof(text), "handed up %llu time",
		       (unsigned long long)e->handed_repeated);
	release(&e->repeated, text);
}

static void on_input_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct echo *e = container_of(handle, struct echo, input);

	(void)suggested;
	*buf = uv_buf_init(e->input_byte, sizeof(e->input_byte));
}

static void drop(struct held **list)
{
	struct held *h;

	while ((h = *list)) {
		*list = h->next;
		sp_conn_unref(h->conn);
		free(h);
	}
}

static void on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct echo *e = container_of(stream, struct echo, input);

	(void)buf;
	if (n >= 0)
		return;
	e->server = sp_server_free(e->server);
	drop(&e->held);
	drop(&e->repeated);
	uv_close((uv_handle_t *)&e->check, NULL);
	uv_close((uv_handle_t *)stream, NULL);
}

static int listen_on(struct echo *e, const char *path)
{
	struct sp_address address = {
		.path = path, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1
	};

	if (path)
		return sp_server_listen(e->server, &address);
	return sd_listen_fds(1) == 1 ? sp_server_adopt(e->server, SD_LISTEN_FDS_START)
				     : SP_E_NOT_LISTENER;
}

static int start(struct echo *e, const char *path)
{
	struct sp_settings settings = sp_settings_default();
	int r = sp_server_new(&e->server, &e->loop, &settings, &ops, e);

	if (!r)
		r = listen_on(e, path);
	if (r) {
		(void)fprintf(stderr, "sp-echo: %s\n",
			      r > 0 ? sp_error_to_string((enum sp_error)r) : strerror(-r));
		return r;
	}
	(void)uv_check_init(&e->loop, &e->check);
	(void)uv_check_start(&e->check, on_check);
	(void)uv_pipe_init(&e->loop, &e->input, 0);
	r = uv_pipe_open(&e->input, 0);
	return r ? r : uv_read_start((uv_stream_t *)&e->input, on_input_alloc, on_input);
}

int main(int argc, char **argv)
{
	static struct echo e;

	(void)signal(SIGPIPE, SIG_IGN);
	if (uv_loop_init(&e.loop) < 0 || start(&e, argc > 1 ? argv[1] : NULL))
		return EXIT_FAILURE;
	(void)puts("ready");
	(void)fflush(stdout);
	(void)uv_run(&e.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&e.loop) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
