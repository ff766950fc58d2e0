/* SPDX-License-Identifier: MIT */
/*
 * NONE -> (WAITING <->) GREETING -> HELLO -> READY, and from each of them back to NONE, or on to
 * WAITING when something is queued and there is still time to try again. From READY it may also be
 * left (leaving.h), and is READY still until the daemon closes it. A Unix socket connects at
 * once or not at all: EAGAIN means that the daemon's backlog is full, ECONNREFUSED and ENOENT that
 * nobody listens, which is how a daemon looks that restarts. Greeting and Hello leave together, so
 * that all of it takes one round trip.
 *
 * The socket itself blocks; what must not block says MSG_DONTWAIT. So sidepool_wait() sleeps in the
 * receiving call itself.
 */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "answer.h"
#include "handle.h"
#include "hello.h"
#include "outbox.h"
#include "util/macro.h"

enum {
	READS_MAX = 16, /* in one dispatch: others of the same loop want their turn */
	BACKOFF_FIRST_US = 1000,
	BACKOFF_MAX_US = 100000,
	MESSAGE_BYTES_DEFAULT = 16 << 20,
};

static const uint64_t HANDSHAKE_US = 10 * USEC_PER_SEC;
static const char NOT_ASKED[] = "an answer came that nobody had asked for";

static const uint8_t our_greeting[8] = { 0x00, 'S', 'P', 0x00, 0x00, 0x30, 0x00, 0x00 };
static const uint8_t their_greeting[8] = { 0x00, 'S', 'P', 0x00, 0x00, 0x31, 0x00, 0x00 };

struct connection *connection_new(void)
{
	struct connection *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct connection){ .fd = -1, .max_message_bytes = MESSAGE_BYTES_DEFAULT };
	list_init(&c->queued);
	return c;
}

static bool is_current(const struct sidepool *sp, const struct connection *c)
{
	return c == sp->connection;
}

struct list *connection_queue(struct sidepool *sp, struct connection *c)
{
	return is_current(sp, c) ? &sp->requests.queued : &c->queued;
}

static bool is_it(const struct connection *c, uint64_t number)
{
	return c->state == CONNECTION_READY && c->number == number;
}

struct connection *connection_find(struct sidepool *sp, uint64_t number)
{
	if (is_it(sp->connection, number))
		return sp->connection;
	for (size_t i = 0; i < sp->leaving.count; i++)
		if (is_it(sp->leaving.left[i], number))
			return sp->leaving.left[i];
	return NULL;
}

/* A loop may still watch the socket, so it stays open until the next dispatch. */
static void drop_socket(struct sidepool *sp, struct connection *c)
{
	if (c->fd >= 0) {
		watch_remove(sp, c);
		watch_close_later(&sp->watch, c->fd);
	}
	c->fd = -1;
	c->full = false;
	inbox_reset(&c->inbox);
	bytes_deinit(&c->rest);
	streams_clear(&c->streams);
	if (c->hello)
		request_free(&sp->requests, c->hello);
	c->hello = NULL;
}

struct connection *connection_free(struct sidepool *sp, struct connection *c)
{
	if (!c)
		return NULL;
	drop_socket(sp, c);
	inbox_deinit(&c->inbox);
	hello_free(c);
	free(c);
	return NULL;
}

static void fail_queued(struct sidepool *sp, int code, const char *why)
{
	sp->connection->state = CONNECTION_NONE;
	answer_queued(sp, code, "%s: %s", sp->settings.address.sun_path, why);
}

/* This attempt failed, in a way that time may mend. */
static void try_later(struct sidepool *sp, const char *why)
{
	struct connection *c = sp->connection;
	uint64_t now = sp->now_us();

	if (now >= c->give_up_us) {
		fail_queued(sp, SIDEPOOL_E_DAEMON_UNREACHABLE, why);
		return;
	}
	c->backoff_us =
		MIN(MAX(c->backoff_us * 2, (uint32_t)BACKOFF_FIRST_US), (uint32_t)BACKOFF_MAX_US);
	c->timer_us = MIN(now + c->backoff_us, c->give_up_us);
	c->state = CONNECTION_WAITING;
}

static int open_socket(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	/* O_NONBLOCK is all that a new socket has of what F_SETFL changes. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    fcntl(fd, F_SETFL, 0) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* A new socket has room for both. */
static int say_hello(struct sidepool *sp, int fd, struct request *hello)
{
	struct iovec iov[2] = {
		{ .iov_base = (void *)our_greeting, .iov_len = sizeof(our_greeting) },
		{ .iov_len = request_seal(hello, sp->now_us()) },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	iov[1].iov_base = hello->frame.data + hello->start;
	n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if ((size_t)n != iov[0].iov_len + iov[1].iov_len)
		return -EAGAIN;
	hello->sent = iov[1].iov_len;
	request_mark_sent(&sp->requests, hello);
	return 0;
}

/* Returns the descriptor, or a negative errno. */
static int greet(struct sidepool *sp)
{
	struct request *hello = hello_request(sp);
	int fd, r;

	if (!hello)
		return -ENOMEM;
	fd = open_socket(&sp->settings.address);
	r = fd < 0 ? fd : say_hello(sp, fd, hello);
	if (r == 0) {
		sp->connection->hello = hello;
		return fd;
	}
	request_free(&sp->requests, hello);
	if (fd >= 0)
		close(fd);
	return r;
}

static void begin_handshake(struct sidepool *sp, int fd)
{
	struct connection *c = sp->connection;
	int r;

	c->fd = fd;
	c->state = CONNECTION_GREETING;
	c->timer_us = sp->now_us() + HANDSHAKE_US;
	r = watch_add(sp, c);
	if (r == 0)
		return;
	drop_socket(sp, c);
	fail_queued(sp, SIDEPOOL_E_DAEMON_UNREACHABLE, strerror(-r));
}

static void attempt(struct sidepool *sp)
{
	struct connection *c = sp->connection;
	int fd = greet(sp);

	if (fd >= 0) {
		begin_handshake(sp, fd);
		return;
	}
	if (fd == -EAGAIN)
		c->give_up_us = MAX(c->give_up_us, c->started_us + HANDSHAKE_US);
	if (fd == -EAGAIN || fd == -ECONNREFUSED || fd == -ENOENT || fd == -EPIPE ||
	    fd == -ECONNRESET)
		try_later(sp, strerror(-fd));
	else if (fd == -ENOMEM)
		fail_queued(sp, SIDEPOOL_E_OUT_OF_MEMORY, "no memory to connect");
	else
		fail_queued(sp, SIDEPOOL_E_DAEMON_UNREACHABLE, strerror(-fd));
}

/* From now on it may take so long. */
static void start_clock(struct sidepool *sp)
{
	struct connection *c = sp->connection;
	const struct settings *s = &sp->settings;
	uint64_t wait_ms = c->number > 0 ? s->reconnect_wait_ms : s->connect_wait_ms;

	c->started_us = sp->now_us();
	c->give_up_us = c->started_us + wait_ms * USEC_PER_MS;
	c->backoff_us = 0;
}

void connection_start(struct sidepool *sp)
{
	if (sp->connection->state == CONNECTION_BROKEN)
		answer_queued(sp, sp->connection->broken_code, "%s: the connection was lost",
			      sp->settings.address.sun_path);
	else if (sp->connection->state == CONNECTION_NONE) {
		start_clock(sp);
		attempt(sp);
	}
}

void connection_start_later(struct sidepool *sp, uint64_t delay_us)
{
	struct connection *c = sp->connection;

	if (c->state != CONNECTION_NONE)
		return;
	start_clock(sp);
	c->timer_us = c->started_us + MIN(delay_us, (uint64_t)BACKOFF_MAX_US);
	c->state = CONNECTION_WAITING;
}

/* Before it was ready: nothing but our own Hello can have been sent. */
static void lost_in_handshake(struct sidepool *sp, const char *why)
{
	drop_socket(sp, sp->connection);
	try_later(sp, why);
}

static void lost(struct sidepool *sp, struct connection *c, int code, const char *why)
{
	drop_socket(sp, c);
	c->state = CONNECTION_NONE;
	answer_lost(sp, c, code, why);
	if (!sp->settings.reconnect) { /* then no connection is ever left, and it is the only one */
		c->state = CONNECTION_BROKEN;
		c->broken_code = code;
	}
	if (!list_empty(&sp->requests.queued))
		connection_start(sp);
}

static void fail(struct sidepool *sp, struct connection *c, int code, const char *why)
{
	if (c->state == CONNECTION_READY) {
		lost(sp, c, code, why);
	} else if (code == SIDEPOOL_E_DAEMON_LOST) {
		lost_in_handshake(sp, why);
	} else {
		drop_socket(sp, c);
		fail_queued(sp, code, why);
	}
}

static void check_greeting(struct sidepool *sp)
{
	struct connection *c = sp->connection;
	uint8_t greeting[sizeof(their_greeting)];

	if (inbox_greeting(&c->inbox, greeting) != 0)
		return;
	if (memcmp(greeting, their_greeting, sizeof(greeting)) != 0) {
		fail(sp, c, SIDEPOOL_E_PROTOCOL_VIOLATION, "what listens there is not sidepoold");
		return;
	}
	c->state = CONNECTION_HELLO;
}

/* Takes the reply. */
static void take_hello(struct sidepool *sp, struct sidepool_reply *reply, size_t len)
{
	struct connection *c = sp->connection;
	int r = hello_take(sp, reply, len);

	if (r == HELLO_E_LATER) {
		lost_in_handshake(sp, "the daemon is shutting down");
	} else if (r == HELLO_E_REFUSED) {
		drop_socket(sp, c);
		c->state = CONNECTION_NONE;
		hello_refuse(sp, reply);
	} else if (r != 0) {
		fail(sp, c, SIDEPOOL_E_PROTOCOL_VIOLATION,
		     "the answer to Hello is not a HelloReply");
	} else {
		request_free(&sp->requests, c->hello);
		c->hello = NULL;
		c->number++;
		c->state = CONNECTION_READY;
		hello_answer(sp);
	}
	sidepool_reply_free(reply);
}

/* Takes the reply. */
static void take_message(struct sidepool *sp, struct connection *c, uint32_t id,
			 struct sidepool_reply *reply, size_t len)
{
	struct request *q = requests_find(&sp->requests, id);

	if (q && q == c->hello) {
		take_hello(sp, reply, len);
	} else if (!q || q->on != c->number) {
		sidepool_reply_free(reply);
		fail(sp, c, SIDEPOOL_E_PROTOCOL_VIOLATION, NOT_ASKED);
	} else if (q->state == REQUEST_ABANDONED || q->owed) {
		q->owed = false;
		if (q->state == REQUEST_ABANDONED)
			request_free(&sp->requests, q);
		sidepool_reply_free(reply);
	} else if (q->state != REQUEST_SENT) {
		sidepool_reply_free(reply);
		fail(sp, c, SIDEPOOL_E_PROTOCOL_VIOLATION, NOT_ASKED);
	} else if (!answer_message(sp, c, q, reply, len)) {
		fail(sp, c, SIDEPOOL_E_PROTOCOL_VIOLATION, "an answer could not be read");
	}
}

static void take_messages(struct sidepool *sp, struct connection *c)
{
	struct sidepool_reply *reply;
	uint32_t id;
	size_t len;
	int r;

	while (c->state == CONNECTION_HELLO || c->state == CONNECTION_READY) {
		r = inbox_next(&c->inbox, &sp->replies, &id, &reply, &len);
		if (r == INBOX_E_MORE)
			return;
		if (r < 0)
			fail(sp, c, SIDEPOOL_E_OUT_OF_MEMORY, "no memory for an answer");
		else if (r == INBOX_E_BROKEN)
			fail(sp, c, SIDEPOOL_E_PROTOCOL_VIOLATION, "what came is not a message");
		else
			take_message(sp, c, id, reply, len);
	}
}

/* Returns whether more may be there. */
static bool read_once(struct sidepool *sp, struct connection *c, bool wait)
{
	long n = inbox_read(&c->inbox, c->fd, wait);

	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		fail(sp, c, n == -ENOMEM ? SIDEPOOL_E_OUT_OF_MEMORY : SIDEPOOL_E_DAEMON_LOST,
		     n == 0 ? "the daemon closed it" : strerror((int)-n));
		return false;
	}
	if (c->state == CONNECTION_GREETING)
		check_greeting(sp);
	take_messages(sp, c);
	return c->inbox.filled;
}

void connection_read(struct sidepool *sp, struct connection *c, bool wait)
{
	for (int i = 0; i < READS_MAX && c->fd >= 0; i++)
		if (!read_once(sp, c, wait && i == 0))
			return;
}

/* What the daemon still said before it closed is read first: it may have answered. */
static void send_failed(struct sidepool *sp, struct connection *c, int error)
{
	int fd = c->fd;

	connection_read(sp, c, false);
	if (c->fd == fd) /* a new one has another number: the old is still open */
		fail(sp, c, SIDEPOOL_E_DAEMON_LOST, strerror(error));
}

void connection_flush(struct sidepool *sp, struct connection *c)
{
	int r;

	if (c->state != CONNECTION_READY)
		return;
	r = outbox_flush(sp, c, connection_queue(sp, c));
	c->full = r == OUTBOX_E_FULL;
	if (r < 0)
		send_failed(sp, c, -r);
}

uint64_t connection_due_us(const struct sidepool *sp)
{
	switch (sp->connection->state) {
	case CONNECTION_WAITING:
	case CONNECTION_GREETING:
	case CONNECTION_HELLO:
		return sp->connection->timer_us;
	default:
		return USEC_NEVER;
	}
}

void connection_tick(struct sidepool *sp)
{
	uint64_t due = connection_due_us(sp);

	if (due == USEC_NEVER || sp->now_us() < due)
		return;
	if (sp->connection->state == CONNECTION_WAITING)
		attempt(sp);
	else
		fail(sp, sp->connection, SIDEPOOL_E_DAEMON_LOST,
		     "the daemon does not answer the greeting");
}
