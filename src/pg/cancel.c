/* SPDX-License-Identifier: MIT */
/*
 * Cancel requests: a connection of their own on which the key of the connection is sent, and the
 * server hangs up. https://www.postgresql.org/docs/current/libpq-cancel.html
 *
 * Since libpq 17 that is done without blocking, over TLS where the connection has it. Before,
 * PQcancel() connects, sends and waits, all of it blocking; it is made to be called from a signal
 * handler, so it may be called from libuv's thread pool. It needs nothing but the key that was
 * copied out.
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

struct cancel {
	uv_work_t work;
	PGcancel *key;        /* owned */
	struct pg_conn *conn; /* borrowed: waits for us, see pg_conn_close() */
	bool delivered;
};

static void deliver(uv_work_t *work)
{
	struct cancel *c = container_of(work, struct cancel, work);
	char error[256];

	c->delivered = PQcancel(c->key, error, sizeof(error)) == 1;
}

static void on_delivered(uv_work_t *work, int status)
{
	struct cancel *c = container_of(work, struct cancel, work);
	struct pg_conn *conn = c->conn;
	bool delivered = c->delivered && status == 0;

	PQfreeCancel(c->key);
	free(c);
	tell(conn, delivered);
}

int pg_conn_cancel(struct pg_conn *conn, pg_cancel_fn done)
{
	struct cancel *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_raise(-ENOMEM);
	c->conn = conn;
	c->key = PQgetCancel(conn->pq);
	r = c->key ? uv_queue_work(conn->loop, &c->work, deliver, on_delivered) : -ENOMEM;
	if (r < 0) {
		PQfreeCancel(c->key);
		free(c);
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
