/* SPDX-License-Identifier: MIT */
/*
 * Cancel requests: a connection of their own on which the key of the connection is sent, and the
 * server hangs up. https://www.postgresql.org/docs/current/libpq-cancel.html
 *
 * Since libpq 17 that is done without blocking, over TLS where the connection has it. Before,
 * PQcancel() connects, sends and waits, all of it blocking, and for as long as TCP tries; it is made
 * to be called from a signal handler, so it may be called from any thread. It needs nothing but the
 * key that was copied out. Each has a thread of its own: those that nobody answers would fill
 * libuv's pool, and hold up the look-up of hosts and the journal.
 */
#include <stdlib.h>

#include "pg/conn-internal.h"
#include "util/error.h"
#include "util/macro.h"

/* The connection has waited for this: see pg_conn_close(). */
static void tell(struct pg_conn *conn, bool delivered)
{
	pg_cancel_fn done = conn->cancel_done;

	conn->cancel_done = NULL;
	if (conn->orphaned)
		pg_conn_destroy(conn);
	else if (conn->state == PG_CONN_UP)
		done(conn, delivered);
}

#ifdef LIBPQ_HAS_ASYNC_CANCEL

struct cancel {
	uv_poll_t poll;
	PGcancelConn *request; /* owned */
	struct pg_conn *conn;  /* borrowed: waits for us */
	/*
	 * libpq's, as the poll handle knows it; it may change while libpq tries with and without
	 * TLS
	 */
	int fd;
	bool over;
	bool delivered;
};

static void go_on(struct cancel *c);

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	go_on(container_of(poll, struct cancel, poll));
}

static int watch(struct cancel *c, int events)
{
	int r = 0;

	if (c->fd < 0) {
		c->fd = PQcancelSocket(c->request);
		r = uv_poll_init(c->conn->loop, &c->poll, c->fd);
	}
	if (r == 0)
		r = uv_poll_start(&c->poll, events, on_ready);
	return r < 0 ? err_raise(r) : 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct cancel *c = container_of((uv_poll_t *)handle, struct cancel, poll);

	c->fd = -1;
	/* Only to begin anew on another descriptor. */
	if (!c->over && watch(c, UV_WRITABLE) == 0)
		return;
	PQcancelFinish(c->request);
	tell(c->conn, c->delivered);
	free(c);
}

static void leave(struct cancel *c, bool delivered)
{
	c->over = true;
	c->delivered = delivered;
	uv_close((uv_handle_t *)&c->poll, on_closed);
}

static void go_on(struct cancel *c)
{
	PostgresPollingStatusType state;

	(void)uv_poll_stop(&c->poll);
	state = PQcancelPoll(c->request);
	if (state == PGRES_POLLING_OK || state == PGRES_POLLING_FAILED)
		leave(c, state == PGRES_POLLING_OK);
	else if (PQcancelSocket(c->request) != c->fd)
		uv_close((uv_handle_t *)&c->poll, on_closed);
	else if (watch(c, state == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE) < 0)
		leave(c, false);
}

int pg_conn_cancel(struct pg_conn *conn, pg_cancel_fn done)
{
	struct cancel *c = calloc(1, sizeof(*c));

	if (!c)
		return err_raise(-ENOMEM);
	c->conn = conn;
	c->fd = -1;
	c->request = PQcancelCreate(conn->pq);
	if (!c->request || !PQcancelStart(c->request) || watch(c, UV_WRITABLE) < 0) {
		PQcancelFinish(c->request);
		free(c);
		return err_raise(-ECONNREFUSED);
	}
	conn->cancel_done = done;
	return 0;
}

#else

enum {
	/* Past that one fails at once, and is tried again. */
	CANCELS_MAX = 64,
	STACK_BYTES = 256 * 1024,
};

struct cancel {
	uv_thread_t thread;
	uv_async_t over;
	PGcancel *key;        /* owned */
	struct pg_conn *conn; /* borrowed: waits for us, see pg_conn_close() */
	bool delivered;
};

/* Of the process, as threads are: some may be left of pools that are gone. */
static unsigned n_cancels;

static void deliver(void *arg)
{
	struct cancel *c = arg;
	char error[256];

	c->delivered = PQcancel(c->key, error, sizeof(error)) == 1;
	(void)uv_async_send(&c->over);
}

static void free_cancel(uv_handle_t *over)
{
	struct cancel *c = container_of((uv_async_t *)over, struct cancel, over);

	PQfreeCancel(c->key);
	free(c);
	n_cancels--;
}

static void on_over(uv_async_t *over)
{
	struct cancel *c = container_of(over, struct cancel, over);

	(void)uv_thread_join(&c->thread);
	uv_close((uv_handle_t *)over, free_cancel);
	tell(c->conn, c->delivered);
}

int pg_conn_cancel(struct pg_conn *conn, pg_cancel_fn done)
{
	const uv_thread_options_t options = { UV_THREAD_HAS_STACK_SIZE, STACK_BYTES };
	struct cancel *c;
	int r;

	if (n_cancels == CANCELS_MAX)
		return err_raise(-EAGAIN);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_raise(-ENOMEM);
	c->conn = conn;
	r = uv_async_init(conn->loop, &c->over, on_over);
	if (r < 0) {
		free(c);
		return err_raise(r);
	}
	n_cancels++;
	c->key = PQgetCancel(conn->pq);
	r = c->key ? uv_thread_create_ex(&c->thread, &options, deliver, c) : -ENOMEM;
	if (r < 0) {
		uv_close((uv_handle_t *)&c->over, free_cancel);
		return err_raise(r);
	}
	conn->cancel_done = done;
	return 0;
}

#endif

bool pg_conn_is_cancelling(const struct pg_conn *conn)
{
	return conn->cancel_done != NULL;
}
