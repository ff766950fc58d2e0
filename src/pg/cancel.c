/* SPDX-License-Identifier: MIT */
/*
 * Cancel requests. libpq's PQcancel() connects, sends and waits for the server to hang up, all of it blocking; it is made to be
 * called from a signal handler, so it may be called from libuv's thread pool. It needs nothing but the key that was copied out.
 * https://www.postgresql.org/docs/current/libpq-cancel.html
 */
#include <stdlib.h>

#include "pg/conn-internal.h"
#include "util/error.h"
#include "util/macro.h"

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
	pg_cancel_fn done = conn->cancel_done;
	bool delivered = c->delivered && status == 0;

	PQfreeCancel(c->key);
	free(c);
	conn->cancel_done = NULL;
	if (conn->orphaned)
		pg_conn_destroy(conn);
	else if (conn->state == PG_CONN_UP)
		done(conn, delivered);
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

bool pg_conn_is_cancelling(const struct pg_conn *conn)
{
	return conn->cancel_done != NULL;
}
