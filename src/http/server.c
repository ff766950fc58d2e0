/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd has an epoll set of its own, which is one descriptor in our loop; when that is
 * readable, or a timeout of it is due, MHD_run_wait() does what can be done without waiting.
 *
 * What anybody may hold of us is bounded: so many connections, each with so much memory and no
 * longer than LIFE_US, however busy it keeps itself. libmicrohttpd's own timeout is for silence
 * only, and who sends a byte now and then would keep others out for ever. Each connection serves
 * one request, so the limit hurts nobody.
 */
#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "util/error.h"
#include "util/macro.h"

enum {
	CONNECTIONS_MAX = 32,
	CONNECTION_BYTES = 16 * 1024, /* head of the request and of the answer */
	SILENCE_SEC = 3,
	LIFE_MS = 10 * 1000,
};

/* A connection, from accept to close. */
struct visit {
	struct http_server *server; /* borrowed */
	int fd;                     /* borrowed: libmicrohttpd's */
	uint64_t until_ms;
	TAILQ_ENTRY(visit) link; /* http_server::visits */
};

struct http_server {
	uv_loop_t *loop; /* borrowed */
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned n_open; /* handles whose close callback is due */
	struct MHD_Daemon *mhd;
	bool guards_host;
	http_route_fn route;
	void *userdata;
	TAILQ_HEAD(, visit) visits; /* owned: the oldest first */
	unsigned n_visits;
};

/* ---- answers ---- */

static const char *const headers[][2] = {
	{ "Content-Security-Policy",
	  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
	  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cache-Control", "no-store" },
	{ "Connection", "close" },
};

static struct MHD_Response *response_of(struct http_answer *a)
{
	struct buf *b = &a->text.buf;
	struct MHD_Response *response;

	if (a->data)
		return MHD_create_response_from_buffer(a->data_bytes, (void *)a->data,
						       MHD_RESPMEM_PERSISTENT);
	response = MHD_create_response_from_buffer(buf_len(b), b->data, MHD_RESPMEM_MUST_FREE);
	if (response)
		*b = BUF_NULL;
	return response;
}

/* All of them: some are there for safety. */
static enum MHD_Result add_headers(struct MHD_Response *response, const struct http_answer *a)
{
	enum MHD_Result result = MHD_add_response_header(response, "Content-Type", a->type);
	char seconds[16];

	for (size_t i = 0; i < ARRAY_LEN(headers) && result == MHD_YES; i++)
		result = MHD_add_response_header(response, headers[i][0], headers[i][1]);
	if (a->retry_after && result == MHD_YES) {
		(void)snprintf(seconds, sizeof(seconds), "%u", a->retry_after);
		result = MHD_add_response_header(response, "Retry-After", seconds);
	}
	if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED && result == MHD_YES)
		result = MHD_add_response_header(response, "Allow", "GET, HEAD");
	return result;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct http_answer *a)
{
	struct MHD_Response *response = response_of(a);
	enum MHD_Result result;

	text_deinit(&a->text);
	if (!response)
		return MHD_NO;
	result = add_headers(response, a);
	if (result == MHD_YES)
		result = MHD_queue_response(connection, a->status, response);
	MHD_destroy_response(response);
	return result;
}

static void set_error(struct http_answer *a, unsigned status, const char *sentence)
{
	text_deinit(&a->text);
	*a = (struct http_answer){ .status = status, .type = "text/plain; charset=utf-8" };
	a->data = sentence;
	a->data_bytes = strlen(sentence);
}

/* A name that some page's author lets point to us is not among these. */
static bool is_our_name(const char *host)
{
	size_t n = 0;

	if (!host)
		return false;
	if (!strncasecmp(host, "localhost", 9))
		n = 9;
	else if (!strncmp(host, "[::1]", 5))
		n = 5;
	else if (!strncmp(host, "127.", 4))
		n = strspn(host, "0123456789.");
	return n > 0 && (host[n] == ':' || host[n] == '\0');
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *upload, size_t *upload_bytes, void **begun)
{
	struct http_server *s = userdata;
	struct http_answer a = { .status = MHD_HTTP_OK };
	const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

	(void)version, (void)upload, (void)upload_bytes, (void)begun;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		set_error(&a, MHD_HTTP_METHOD_NOT_ALLOWED,
			  "Nothing here changes anything: GET and HEAD only.\n");
	else if (s->guards_host && !is_our_name(host))
		set_error(&a, MHD_HTTP_FORBIDDEN, "Ask for it as localhost, 127.0.0.1 or [::1].\n");
	else if (!s->route(s->userdata, path, &a))
		set_error(&a, MHD_HTTP_NOT_FOUND,
			  "There are /, /health, /health/live, /health/ready and /metrics.\n");
	if (a.text.out_of_memory)
		set_error(&a, MHD_HTTP_INTERNAL_SERVER_ERROR, "Out of memory.\n");
	return send_answer(connection, &a);
}

/* ---- connections ---- */

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = userdata;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct visit *v = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (v) {
			TAILQ_REMOVE(&s->visits, v, link);
			s->n_visits--;
		}
		free(v);
		*context = NULL;
		return;
	}
	v = calloc(1, sizeof(*v));
	if (!v) {
		(void)shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	*v = (struct visit){ .server = s,
			     .fd = info->connect_fd,
			     .until_ms = uv_now(s->loop) + LIFE_MS };
	TAILQ_INSERT_TAIL(&s->visits, v, link);
	s->n_visits++;
	*context = v;
}

/* libmicrohttpd finds them at their end, and closes them. */
static void end_old_visits(struct http_server *s)
{
	struct visit *v;

	TAILQ_FOREACH (v, &s->visits, link) {
		if (v->until_ms > uv_now(s->loop))
			break;
		(void)shutdown(v->fd, SHUT_RDWR);
		v->until_ms = uv_now(s->loop) + LIFE_MS; /* it is gone by then */
	}
}

static void run(struct http_server *s);

static void on_timer(uv_timer_t *timer)
{
	run(container_of(timer, struct http_server, timer));
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	run(container_of(poll, struct http_server, poll));
}

/*
 * At the limit libmicrohttpd takes the listening socket out of its set, and puts it back at the
 * beginning of a run, not when a connection has ended: so there has to be another run.
 */
static uint64_t next_run_ms(struct http_server *s, unsigned visits_before)
{
	MHD_UNSIGNED_LONG_LONG ms = LIFE_MS;
	const struct visit *v = TAILQ_FIRST(&s->visits);

	if (s->n_visits < visits_before)
		return 0;
	if (MHD_get_timeout(s->mhd, &ms) != MHD_YES)
		ms = LIFE_MS;
	return v ? MIN(ms, usec_sub(v->until_ms, uv_now(s->loop))) : ms;
}

static void run(struct http_server *s)
{
	unsigned before = s->n_visits;
	uint64_t ms;

	end_old_visits(s);
	(void)MHD_run(s->mhd);
	ms = next_run_ms(s, before);
	if (s->n_visits > 0 || ms < LIFE_MS)
		(void)uv_timer_start(&s->timer, on_timer, ms, 0);
	else
		(void)uv_timer_stop(&s->timer);
}

/* ---- life ---- */

static int start_mhd(struct http_server *s, int fd)
{
	s->mhd = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, s,
				  MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
				  MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
				  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_SEC,
				  MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
	return s->mhd ? 0 : err_raise(-ENOMEM);
}

int http_server_new(struct http_server **ret_server, uv_loop_t *loop, int fd, bool guards_host,
		    http_route_fn route, void *userdata)
{
	struct http_server *s = calloc(1, sizeof(*s));
	const union MHD_DaemonInfo *info;
	int r;

	if (!s)
		return err_raise(-ENOMEM);
	*s = (struct http_server){
		.loop = loop, .guards_host = guards_host, .route = route, .userdata = userdata
	};
	TAILQ_INIT(&s->visits);
	r = start_mhd(s, fd);
	if (r < 0) {
		free(s);
		return err_forward(r);
	}
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	r = uv_poll_init(loop, &s->poll, info->epoll_fd);
	if (r < 0) {
		(void)MHD_quiesce_daemon(s->mhd);
		MHD_stop_daemon(s->mhd);
		free(s);
		return err_raise(r);
	}
	(void)uv_timer_init(loop, &s->timer);
	s->n_open = 2;
	uv_unref((uv_handle_t *)&s->poll);
	uv_unref((uv_handle_t *)&s->timer);
	(void)uv_poll_start(&s->poll, UV_READABLE, on_readable);
	*ret_server = s;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct http_server *s = handle->data;

	if (--s->n_open == 0)
		free(s);
}

struct http_server *http_server_free(struct http_server *s)
{
	if (!s)
		return NULL;
	s->poll.data = s->timer.data = s;
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->timer, on_closed);
	MHD_stop_daemon(s->mhd);
	return NULL;
}
