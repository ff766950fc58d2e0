/* SPDX-License-Identifier: MIT */
/*
 * The life of a connection: names resolved (target.c), connected with PQconnectPoll(), up in
 * pipeline mode, closed. libpq's socket may change while it tries one address after the other, and
 * it closes the old one behind our back; so the poller is taken off the socket before each
 * PQconnectPoll() and put on again after it.
 *
 * Invariant: on_down is the last thing that the owner hears, it comes from the loop and never from
 * a function that the owner called, and the owner then closes the connection.
 */
#include "pg/conn.h"

#include <stdlib.h>
#include <string.h>

#include "pg/conn-internal.h"
#include "pg/cork.h"
#include "util/error.h"
#include "util/macro.h"

void *pg_conn_owner(const struct pg_conn *conn)
{
	return conn->owner;
}

enum {
	LOOK_AGAIN_MS = 1000,
	READS_MOST = 4, /* of one connection, before others have their turn: 16 KiB each */
};

enum pg_conn_state pg_conn_state(const struct pg_conn *conn)
{
	return conn->state;
}

int pg_conn_backend_pid(const struct pg_conn *conn)
{
	return conn->pq ? PQbackendPID(conn->pq) : 0;
}

const char *pg_conn_parameter(const struct pg_conn *conn, const char *name)
{
	return conn->pq ? PQparameterStatus(conn->pq, name) : NULL;
}

char pg_conn_transaction(const struct pg_conn *conn)
{
	static const char letters[] = {
		[PQTRANS_IDLE] = 'I',    [PQTRANS_ACTIVE] = 'A',  [PQTRANS_INTRANS] = 'T',
		[PQTRANS_INERROR] = 'E', [PQTRANS_UNKNOWN] = 'A',
	};

	return conn->pq ? letters[PQtransactionStatus(conn->pq)] : 'I';
}

unsigned pg_conn_depth(const struct pg_conn *conn)
{
	return conn->depth;
}

bool pg_conn_is_flushed(const struct pg_conn *conn)
{
	return !conn->unwritten;
}

/*
 * libpq keeps the SQLSTATE of a failed connect to itself; the server's English text is all there
 * is, and lc_messages cannot be set before the connection is up. What is not recognised is taken
 * for the network, which the breaker handles best.
 */
static enum pg_failure_kind failure_of(const char *message)
{
	static const struct {
		const char *part;
		enum pg_failure_kind kind;
	} known[] = {
		{ "too many connections", PG_FAILURE_FULL }, /* for role, for database */
		{ "too many clients already", PG_FAILURE_FULL },
		{ "connection slots are reserved", PG_FAILURE_FULL },
		{ "password authentication failed", PG_FAILURE_AUTH },
		{ "authentication failed", PG_FAILURE_AUTH },
		{ "no password supplied", PG_FAILURE_AUTH },
		{ "no pg_hba.conf entry", PG_FAILURE_AUTH },
		{ "is not permitted to log in", PG_FAILURE_AUTH },
		/* starting up, shutting down, in recovery */
		{ "the database system is", PG_FAILURE_NETWORK },
		{ "terminating connection", PG_FAILURE_NETWORK },
		{ "FATAL:", PG_FAILURE_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strstr(message, known[i].part))
			return known[i].kind;
	return PG_FAILURE_NETWORK;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct pg_poller *p = handle->data;

	if (--p->handles == 0)
		free(p);
}

static void close_poller(struct pg_conn *conn)
{
	struct pg_poller *p = steal(&conn->poller);

	if (!p)
		return;
	p->conn = NULL;
	if (p->poll.data)
		uv_close((uv_handle_t *)&p->poll, on_handle_closed);
	uv_close((uv_handle_t *)&p->timer, on_handle_closed);
}

/* libpq's messages end in a newline and may have several lines. */
static void one_line(char *text, size_t size, const char *message)
{
	size_t n = 0;

	for (; *message && n + 1 < size; message++)
		text[n++] = *message == '\n' || *message == '\t' ? ' ' : *message;
	while (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
}

static void go_down(struct pg_conn *conn, enum pg_failure_kind kind, const char *reason)
{
	char text[512];

	if (conn->state == PG_CONN_CLOSED)
		return;
	one_line(text, sizeof(text), reason);
	conn->state = PG_CONN_CLOSED;
	close_poller(conn);
	pg_calls_abandon(conn);
	conn->ops->on_down(conn, kind, text);
}

static void on_timer(uv_timer_t *timer);

static void look_again_later(struct pg_conn *conn)
{
	if (conn->state == PG_CONN_UP && conn->answers_count > 0 && !conn->broken &&
	    !uv_is_active((uv_handle_t *)&conn->poller->timer))
		(void)uv_timer_start(&conn->poller->timer, on_timer, LOOK_AGAIN_MS, 0);
}

/*
 * For the end of a Sync libpq 15 waits for ever where it had no memory to tell of it; what is left of
 * that is a line of its own. What the server says begins with a severity.
 */
static bool has_lost_memory(const struct pg_conn *conn)
{
	static const char line[] = "out of memory";
	const char *text = PQerrorMessage(conn->pq), *found;

	for (found = strstr(text, line); found; found = strstr(found + 1, line))
		if (found == text || found[-1] == '\n')
			return true;
	return false;
}

/*
 * libpq that has no memory for a message leaves it where it is, and says that not all of it has come:
 * nobody would look again before the server says more.
 */
static void look_again(struct pg_conn *conn)
{
	if (conn->answers_count == 0 || !pg_calls_pump(conn))
		return;
	if (conn->state == PG_CONN_UP && conn->answers_count > 0 && has_lost_memory(conn)) {
		conn->garbled = true;
		pg_conn_break(conn);
	}
	look_again_later(conn);
}

static void on_timer(uv_timer_t *timer)
{
	struct pg_poller *p = container_of(timer, struct pg_poller, timer);
	struct pg_conn *conn = p->conn;

	if (!conn)
		return;
	if (conn->state == PG_CONN_UP && !conn->broken)
		look_again(conn);
	else if (!conn->broken)
		go_down(conn, PG_FAILURE_TIMEOUT, "the connect took longer than connect_timeout");
	else if (!conn->pq || pg_calls_pump(conn)) /* what the server said last */
		go_down(conn, PG_FAILURE_NETWORK,
			conn->pq ? PQerrorMessage(conn->pq) : "out of memory");
}

void pg_conn_break(struct pg_conn *conn)
{
	if (conn->state == PG_CONN_CLOSED || conn->broken)
		return;
	conn->broken = true;
	(void)uv_timer_start(&conn->poller->timer, on_timer, 0, 0);
}

static void on_connecting(uv_poll_t *poll, int status, int events);
static void on_ready(uv_poll_t *poll, int status, int events);

/* Waits for `events` on libpq's socket, whichever that is by now. */
static int watch(struct pg_conn *conn, int events, uv_poll_cb callback)
{
	struct pg_poller *p = conn->poller;
	int fd = PQsocket(conn->pq), r;

	if (fd < 0)
		return err_raise(-EBADF);
	if (conn->fd != fd) {
		/*
		 * A poll handle is bound to its descriptor: a new one needs a new handle, and so a
		 * new poller.
		 */
		if (p->poll.data) {
			struct pg_poller *fresh = calloc(1, sizeof(*fresh));
			uint64_t left = uv_timer_get_due_in(&p->timer);

			if (!fresh)
				return err_raise(-ENOMEM);
			close_poller(conn);
			conn->poller = p = fresh;
			p->conn = conn;
			p->handles = 1;
			(void)uv_timer_init(conn->loop, &p->timer);
			p->timer.data = p;
			(void)uv_timer_start(&p->timer, on_timer, left, 0);
		}
		r = uv_poll_init(conn->loop, &p->poll, fd);
		if (r < 0)
			return err_raise(r);
		p->poll.data = p;
		p->handles = 2;
		conn->fd = fd;
	}
	conn->events = events;
	r = uv_poll_start(&p->poll, events, callback);
	return r < 0 ? err_raise(r) : 0;
}

static void on_notice(void *arg, const PGresult *notice)
{
	struct pg_conn *conn = arg;
	struct pg_call *call = TAILQ_FIRST(&conn->calls);

	if (call && call->ops->on_notice)
		call->ops->on_notice(call, notice);
}

static void come_up(struct pg_conn *conn)
{
	if (!PQenterPipelineMode(conn->pq) || watch(conn, UV_READABLE, on_ready) < 0) {
		go_down(conn, PG_FAILURE_NETWORK, PQerrorMessage(conn->pq));
		return;
	}
	(void)uv_timer_stop(&conn->poller->timer);
	PQsetNoticeReceiver(conn->pq, on_notice, conn);
	conn->state = PG_CONN_UP;
	conn->ops->on_up(conn);
}

static void connect_further(struct pg_conn *conn)
{
	int r = 0;

	if (conn->poller->poll.data)
		(void)uv_poll_stop(&conn->poller->poll);
	switch (PQconnectPoll(conn->pq)) {
	case PGRES_POLLING_READING:
		r = watch(conn, UV_READABLE, on_connecting);
		break;
	case PGRES_POLLING_WRITING:
		r = watch(conn, UV_WRITABLE, on_connecting);
		break;
	case PGRES_POLLING_OK:
		come_up(conn);
		return;
	default:
		go_down(conn, failure_of(PQerrorMessage(conn->pq)), PQerrorMessage(conn->pq));
		return;
	}
	if (r < 0)
		go_down(conn, PG_FAILURE_NETWORK, strerror(-r));
}

static void on_connecting(uv_poll_t *poll, int status, int events)
{
	struct pg_poller *p = poll->data;

	(void)status;
	(void)events;
	if (p->conn)
		connect_further(p->conn);
}

static void on_resolved(void *userdata, int r, const char *message, const char *const *keywords,
			const char *const *values)
{
	struct pg_conn *conn = userdata;

	conn->resolution = NULL;
	if (r < 0) {
		go_down(conn, PG_FAILURE_NETWORK, message);
		return;
	}
	conn->state = PG_CONN_CONNECTING;
	conn->pq = PQconnectStartParams(keywords, values, 0);
	/*
	 * From the start: PQconnectPoll() would wait in poll() for a server that asks for a password
	 * again and again and does not read what it is sent.
	 */
	if (!conn->pq || PQstatus(conn->pq) == CONNECTION_BAD ||
	    PQsetnonblocking(conn->pq, 1) != 0) {
		go_down(conn, PG_FAILURE_NETWORK,
			conn->pq ? PQerrorMessage(conn->pq) : "out of memory");
		return;
	}
	/*
	 * "If you have yet to call PQconnectPoll, behave as if it last returned
	 * PGRES_POLLING_WRITING."
	 */
	r = watch(conn, UV_WRITABLE, on_connecting);
	if (r < 0)
		go_down(conn, PG_FAILURE_NETWORK, strerror(-r));
}

static int start(struct pg_conn *conn, struct pg_target *target, const char *application_name)
{
	conn->poller = calloc(1, sizeof(*conn->poller));
	if (!conn->poller)
		return err_raise(-ENOMEM);
	conn->poller->conn = conn;
	conn->poller->handles = 1;
	(void)uv_timer_init(conn->loop, &conn->poller->timer);
	conn->poller->timer.data = conn->poller;
	(void)uv_timer_start(&conn->poller->timer, on_timer,
			     conn->settings.connect_timeout_us / USEC_PER_MS, 0);
	return err_forward(pg_target_resolve(target, conn->loop, application_name, on_resolved,
					     conn, &conn->resolution));
}

int pg_conn_new(struct pg_conn **ret_conn, uv_loop_t *loop, struct pg_target *target,
		const struct pg_conn_settings *settings, const char *application_name,
		const struct pg_conn_ops *ops, void *owner)
{
	struct pg_conn *conn = calloc(1, sizeof(*conn));
	int r;

	if (!conn)
		return err_raise(-ENOMEM);
	conn->loop = loop;
	conn->ops = ops;
	conn->owner = owner;
	conn->settings = *settings;
	conn->fd = -1;
	TAILQ_INIT(&conn->calls);
	TAILQ_INIT(&conn->by_use);
	r = start(conn, target, application_name);
	if (r < 0) {
		pg_conn_close(conn);
		return err_forward(r);
	}
	*ret_conn = conn;
	return 0;
}

/*
 * The socket is written at once as far as it takes it, and watched for the rest. Where that fails
 * libpq reads what the server said last, closes the socket under our poller, and reports success.
 */
void pg_conn_flush(struct pg_conn *conn)
{
	int left, events;

	if (conn->state != PG_CONN_UP || conn->broken)
		return;
	pg_send_whole(PQsocket(conn->pq));
	left = PQflush(conn->pq);
	pg_send_whole(-1);
	if (left < 0 || PQstatus(conn->pq) == CONNECTION_BAD) {
		pg_conn_break(conn);
		return;
	}
	conn->unwritten = left > 0;
	events = (conn->paused ? 0 : UV_READABLE) | (left > 0 || conn->more ? UV_WRITABLE : 0);
	if (events != conn->events && watch(conn, events | UV_DISCONNECT, on_ready) < 0)
		pg_conn_break(conn);
	conn->events = events;
}

static void tell_notifications(struct pg_conn *conn)
{
	PGnotify *n;

	while (conn->state == PG_CONN_UP && (n = PQnotifies(conn->pq))) {
		conn->ops->on_notify(conn, n->relname, n->extra, n->be_pid);
		PQfreemem(n);
	}
}

static void tell_flushed(struct pg_conn *conn)
{
	struct pg_call *call;

	if (!pg_conn_is_flushed(conn))
		return;
	call = conn->more ? pg_call_go_on(conn) : TAILQ_FIRST(&conn->calls);
	if (call && call->ops->on_flushed)
		call->ops->on_flushed(call);
}

static bool may_read_on(const struct pg_conn *conn)
{
	return conn->state == PG_CONN_UP && !conn->paused && !conn->broken && pg_recv_filled();
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct pg_conn *conn = ((struct pg_poller *)poll->data)->conn;
	bool reads = status < 0 || (events & (UV_READABLE | UV_DISCONNECT)), alive;
	int n = 0;

	if (!conn)
		return;
	do {
		alive = !reads || (PQconsumeInput(conn->pq) && status == 0);
		if (!pg_calls_pump(conn))
			return;
	} while (reads && alive && ++n < READS_MOST && may_read_on(conn));
	if (!alive || PQstatus(conn->pq) == CONNECTION_BAD) {
		go_down(conn, PG_FAILURE_NETWORK, PQerrorMessage(conn->pq));
		return;
	}
	look_again_later(conn);
	if (events & UV_WRITABLE) {
		pg_conn_flush(conn);
		tell_flushed(conn);
	}
	tell_notifications(conn);
}

void pg_conn_pause(struct pg_conn *conn)
{
	conn->paused = true;
	pg_conn_flush(conn);
}

void pg_conn_resume(struct pg_conn *conn)
{
	if (!conn->paused)
		return;
	conn->paused = false;
	pg_conn_flush(conn);
	if (pg_calls_pump(conn))
		look_again_later(conn);
}

static PGconn *finish(PGconn *pq)
{
	if (pq)
		PQfinish(pq);
	return NULL;
}

void pg_conn_destroy(struct pg_conn *conn)
{
	pg_prepared_deinit(conn);
	conn->pq = finish(conn->pq);
	PQclear(conn->last_chunk);
	PQclear(conn->unheard);
	free(conn->answers);
	free(conn);
}

struct pg_conn *pg_conn_close(struct pg_conn *conn)
{
	if (!conn)
		return NULL;
	conn->state = PG_CONN_CLOSED;
	conn->resolution = pg_resolution_cancel(conn->resolution);
	close_poller(conn);
	pg_calls_abandon(conn);
	if (!conn->pumping)
		conn->pq = finish(conn->pq);
	if (conn->pumping || conn->cancel_done)
		conn->orphaned = true; /* whoever is at it frees it when it is through */
	else
		pg_conn_destroy(conn);
	return NULL;
}
