/* SPDX-License-Identifier: MIT */
/*
 * NONE -> (WAITING <->) GREETING -> HELLO -> READY, and from each of them back to NONE, or on to
 * WAITING when something is queued and there is still time to try again. A Unix socket connects at
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

static const uint8_t our_greeting[8] = { 0x00, 'S', 'P', 0x00, 0x00, 0x30, 0x00, 0x00 };
static const uint8_t their_greeting[8] = { 0x00, 'S', 'P', 0x00, 0x00, 0x31, 0x00, 0x00 };

void connection_init(struct connection *c)
{
	*c = (struct connection){ .fd = -1,
				  .dying_fd = -1,
				  .max_message_bytes = MESSAGE_BYTES_DEFAULT };
}

void connection_bury(struct connection *c)
{
	if (c->dying_fd >= 0)
		close(c->dying_fd);
	c->dying_fd = -1;
}

/* A loop may still watch the socket, so it stays open until the next dispatch. */
static void drop_socket(struct sidepool *sp)
{
	struct connection *c = &sp->connection;

	connection_bury(c);
	c->dying_fd = c->fd;
	c->fd = -1;
	c->full = false;
	inbox_reset(&c->inbox);
	if (c->hello)
		request_free(&sp->requests, c->hello);
	c->hello = NULL;
}

void connection_deinit(struct sidepool *sp)
{
	struct connection *c = &sp->connection;

	drop_socket(sp);
	connection_bury(c);
	inbox_deinit(&c->inbox);
	hello_free(c);
	c->state = CONNECTION_NONE;
}

static void fail_queued(struct sidepool *sp, int code, const char *why)
{
	sp->connection.state = CONNECTION_NONE;
	answer_queued(sp, code, "%s: %s", sp->settings.address.sun_path, why);
}

/* This attempt failed, in a way that time may mend. */
static void try_later(struct sidepool *sp, const char *why)
{
	struct connection *c = &sp->connection;
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
		sp->connection.hello = hello;
		return fd;
	}
	request_free(&sp->requests, hello);
	if (fd >= 0)
		close(fd);
	return r;
}

static void attempt(struct sidepool *sp)
{
	struct connection *c = &sp->connection;
	int fd = greet(sp);

	if (fd >= 0) {
		c->fd = fd;
		c->state = CONNECTION_GREETING;
		c->timer_us = sp->now_us() + HANDSHAKE_US;
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

static void start(struct sidepool *sp)
{
	struct connection *c = &sp->connection;
	const struct settings *s = &sp->settings;
	uint64_t wait_ms = c->number > 0 ? s->reconnect_wait_ms : s->connect_wait_ms;

	c->started_us = sp->now_us();
	c->give_up_us = c->started_us + wait_ms * USEC_PER_MS;
	c->backoff_us = 0;
	attempt(sp);
}

void connection_start(struct sidepool *sp)
{
	if (sp->connection.state == CONNECTION_BROKEN)
		answer_queued(sp, sp->connection.broken_code, "%s: the connection was lost",
			      sp->settings.address.sun_path);
	else if (sp->connection.state == CONNECTION_NONE)
		start(sp);
}

/* Before it was ready: nothing but our own Hello can have been sent. */
static void lost_in_handshake(struct sidepool *sp, const char *why)
{
	drop_socket(sp);
	try_later(sp, why);
}

static void lost(struct sidepool *sp, int code, const char *why)
{
	struct connection *c = &sp->connection;

	drop_socket(sp);
	c->state = CONNECTION_NONE;
	answer_lost(sp, code, why);
	if (!sp->settings.reconnect) {
		c->state = CONNECTION_BROKEN;
		c->broken_code = code;
	}
	if (!list_empty(&sp->requests.queued))
		connection_start(sp);
}

static void fail(struct sidepool *sp, int code, const char *why)
{
	if (sp->connection.state == CONNECTION_READY) {
		lost(sp, code, why);
	} else if (code == SIDEPOOL_E_DAEMON_LOST) {
		lost_in_handshake(sp, why);
	} else {
		drop_socket(sp);
		fail_queued(sp, code, why);
	}
}

static void check_greeting(struct sidepool *sp)
{
	struct connection *c = &sp->connection;
	uint8_t greeting[sizeof(their_greeting)];

	if (inbox_greeting(&c->inbox, greeting) != 0)
		return;
	if (memcmp(greeting, their_greeting, sizeof(greeting)) != 0) {
		fail(sp, SIDEPOOL_E_PROTOCOL_VIOLATION, "what listens there is not sidepoold");
		return;
	}
	c->state = CONNECTION_HELLO;
}

/* Takes the reply. */
static void take_hello(struct sidepool *sp, struct sidepool_reply *reply, size_t len)
{
	struct connection *c = &sp->connection;
	int r = hello_take(sp, reply, len);

	if (r == HELLO_E_LATER) {
		lost_in_handshake(sp, "the daemon is shutting down");
	} else if (r == HELLO_E_REFUSED) {
		drop_socket(sp);
		c->state = CONNECTION_NONE;
		hello_refuse(sp, reply);
	} else if (r != 0) {
		fail(sp, SIDEPOOL_E_PROTOCOL_VIOLATION, "the answer to Hello is not a HelloReply");
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
static void take_message(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, size_t len)
{
	struct request *q = requests_find(&sp->requests, id);

	if (q && q == sp->connection.hello) {
		take_hello(sp, reply, len);
	} else if (q && (q->state == REQUEST_ABANDONED || q->owed)) {
		q->owed = false;
		if (q->state == REQUEST_ABANDONED)
			request_free(&sp->requests, q);
		sidepool_reply_free(reply);
	} else if (!q || q->state != REQUEST_SENT) {
		sidepool_reply_free(reply);
		fail(sp, SIDEPOOL_E_PROTOCOL_VIOLATION, "an answer came that nobody had asked for");
	} else if (!answer_message(sp, q, reply, len)) {
		fail(sp, SIDEPOOL_E_PROTOCOL_VIOLATION, "an answer could not be read");
	}
}

static void take_messages(struct sidepool *sp)
{
	struct connection *c = &sp->connection;
	struct sidepool_reply *reply;
	uint32_t id;
	size_t len;
	int r;

	while (c->state == CONNECTION_HELLO || c->state == CONNECTION_READY) {
		r = inbox_next(&c->inbox, &sp->replies, &id, &reply, &len);
		if (r == INBOX_E_MORE)
			return;
		if (r < 0)
			fail(sp, SIDEPOOL_E_OUT_OF_MEMORY, "no memory for an answer");
		else if (r == INBOX_E_BROKEN)
			fail(sp, SIDEPOOL_E_PROTOCOL_VIOLATION, "what came is not a message");
		else
			take_message(sp, id, reply, len);
	}
}

static bool is_open(const struct sidepool *sp)
{
	return sp->connection.fd >= 0;
}

/* Returns whether more may be there. */
static bool read_once(struct sidepool *sp, bool wait)
{
	struct connection *c = &sp->connection;
	long n = inbox_read(&c->inbox, c->fd, wait);

	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		fail(sp, n == -ENOMEM ? SIDEPOOL_E_OUT_OF_MEMORY : SIDEPOOL_E_DAEMON_LOST,
		     n == 0 ? "the daemon closed it" : strerror((int)-n));
		return false;
	}
	if (c->state == CONNECTION_GREETING)
		check_greeting(sp);
	take_messages(sp);
	return c->inbox.filled;
}

void connection_read(struct sidepool *sp, bool wait)
{
	for (int i = 0; i < READS_MAX && is_open(sp); i++)
		if (!read_once(sp, wait && i == 0))
			return;
}

/* What the daemon still said before it closed is read first: it may have answered. */
static void send_failed(struct sidepool *sp, int error)
{
	int fd = sp->connection.fd;

	connection_read(sp, false);
	if (sp->connection.fd == fd) /* a new one has another number: the old is still open */
		fail(sp, SIDEPOOL_E_DAEMON_LOST, strerror(error));
}

void connection_flush(struct sidepool *sp)
{
	struct connection *c = &sp->connection;
	int r;

	if (c->state != CONNECTION_READY)
		return;
	r = outbox_flush(sp, &sp->requests.queued);
	c->full = r == OUTBOX_E_FULL;
	if (r < 0)
		send_failed(sp, -r);
}

uint64_t connection_due_us(const struct sidepool *sp)
{
	switch (sp->connection.state) {
	case CONNECTION_WAITING:
	case CONNECTION_GREETING:
	case CONNECTION_HELLO:
		return sp->connection.timer_us;
	default:
		return USEC_NEVER;
	}
}

void connection_tick(struct sidepool *sp)
{
	uint64_t due = connection_due_us(sp);

	if (due == USEC_NEVER || sp->now_us() < due)
		return;
	if (sp->connection.state == CONNECTION_WAITING)
		attempt(sp);
	else
		fail(sp, SIDEPOOL_E_DAEMON_LOST, "the daemon does not answer the greeting");
}
