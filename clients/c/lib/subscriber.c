/* SPDX-License-Identifier: MIT */
/*
 * The greeting is sent at once and the daemon's is looked for in front of the first message. To be
 * certain that the daemon knows of the connection, something must have come: each Listen that is
 * answered makes it publish a mark, so Listen is repeated until anything is there to be read.
 */
#include "subscriber.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "handle.h"

enum {
	GREETING_BYTES = 8,
	HEAD_BYTES = 9,
	READ_BYTES = 65536,
	MESSAGE_MOST = 1024 * 1024, /* a notification has at most 8000 bytes */
	LISTEN_AGAIN_MS = 200,
};

static const uint8_t sub_greeting[GREETING_BYTES] = { 0, 'S', 'P', 0, 0, 0x21, 0, 0 };
static const uint8_t pub_greeting[GREETING_BYTES] = { 0, 'S', 'P', 0, 0, 0x20, 0, 0 };

/* ---- opening and closing ---- */

static int parse_url(const char *url, struct sockaddr_un *sa)
{
	static const char scheme[] = "ipc://";
	size_t skip = sizeof(scheme) - 1, n;

	if (!url || strncmp(url, scheme, skip) != 0)
		return SIDEPOOL_E_INVALID_ARGUMENT;
	n = strlen(url + skip);
	if (n == 0 || n >= sizeof(sa->sun_path))
		return SIDEPOOL_E_INVALID_ARGUMENT;
	memcpy(sa->sun_path, url + skip, n + 1);
	return 0;
}

/* The socket takes a greeting without waiting: nothing else is in it. */
static int connect_to(int fd, const struct sockaddr_un *sa)
{
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ||
	    send(fd, sub_greeting, GREETING_BYTES, MSG_NOSIGNAL) != GREETING_BYTES)
		return SIDEPOOL_E_DAEMON_UNREACHABLE;
	return 0;
}

int sidepool_subscriber_open(const char *url, struct sidepool_subscriber **ret_subscriber)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct sidepool_subscriber *s;
	int r = parse_url(url, &sa);

	if (r != 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return SIDEPOOL_E_OUT_OF_MEMORY;
	replies_init(&s->replies, READ_BYTES);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = s->fd < 0 ? SIDEPOOL_E_DAEMON_UNREACHABLE : connect_to(s->fd, &sa);
	if (r != 0) {
		sidepool_subscriber_close(s);
		return r;
	}
	*ret_subscriber = s;
	return 0;
}

struct sidepool_subscriber *sidepool_subscriber_close(struct sidepool_subscriber *s)
{
	if (!s)
		return NULL;
	if (s->fd >= 0)
		(void)close(s->fd);
	for (size_t i = 0; i < s->n_prefixes; i++)
		free(s->prefixes[i].bytes);
	free(s->prefixes);
	bytes_deinit(&s->in);
	counted_deinit(&s->topics);
	replies_deinit(&s->replies);
	free(s);
	return NULL;
}

int sidepool_subscriber_fd(const struct sidepool_subscriber *s)
{
	return s->fd;
}

/* ---- what is wanted ---- */

static bool is_prefix(const struct prefix *p, const uint8_t *body, size_t n)
{
	return p->n <= n && memcmp(p->bytes, body, p->n) == 0;
}

int sidepool_subscriber_add(struct sidepool_subscriber *s, const void *prefix, size_t n)
{
	struct prefix *grown;
	uint8_t *copy;

	for (size_t i = 0; i < s->n_prefixes; i++)
		if (s->prefixes[i].n == n && is_prefix(&s->prefixes[i], prefix, n))
			return 0;
	grown = reallocarray(s->prefixes, s->n_prefixes + 1, sizeof(*grown));
	if (!grown)
		return SIDEPOOL_E_OUT_OF_MEMORY;
	s->prefixes = grown;
	copy = malloc(n + 1);
	if (!copy)
		return SIDEPOOL_E_OUT_OF_MEMORY;
	if (n > 0)
		memcpy(copy, prefix, n);
	s->prefixes[s->n_prefixes++] = (struct prefix){ .n = n, .bytes = copy };
	return 0;
}

static bool is_wanted(const struct sidepool_subscriber *s, const uint8_t *body, size_t n)
{
	for (size_t i = 0; i < s->n_prefixes; i++)
		if (is_prefix(&s->prefixes[i], body, n))
			return true;
	return false;
}

/* ---- listening ---- */

/* A channel's topic is one; of the events it is the beginning of many. */
static int take_answer(struct sidepool_subscriber *s, const struct sidepool_reply *reply)
{
	const struct sidepool_result *r = sidepool_result(reply, 0);
	int topic = sidepool_fnumber(r, "topic"), sequence = sidepool_fnumber(r, "sequence");
	const char *name;
	size_t n;

	if (topic < 0 || sequence < 0)
		return SIDEPOOL_E_PROTOCOL_VIOLATION;
	name = sidepool_value(r, 0, (size_t)topic);
	n = sidepool_length(r, 0, (size_t)topic);
	if (n > 0 && name[n - 1] == '\0' &&
	    counted_begin(&s->topics, name,
			  strtoull(sidepool_value(r, 0, (size_t)sequence), NULL, 10)) < 0)
		return SIDEPOOL_E_OUT_OF_MEMORY;
	return sidepool_subscriber_add(s, name, n);
}

static bool has_come(const struct sidepool_subscriber *s)
{
	return s->heard || s->in.len - s->at > (s->greeted ? 0 : GREETING_BYTES);
}

static int fill(struct sidepool_subscriber *s);

/* Whether anything but the greeting has come, waiting a little for it. */
static int await(struct sidepool_subscriber *s, bool *ret_come)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	int r = 0;

	if (!has_come(s) && poll(&p, 1, LISTEN_AGAIN_MS) > 0)
		r = fill(s);
	*ret_come = has_come(s);
	/* The greeting alone is no reason to ask again. */
	if (r == 0 && !*ret_come && s->in.len == GREETING_BYTES && poll(&p, 1, LISTEN_AGAIN_MS) > 0)
		r = fill(s);
	*ret_come = has_come(s);
	return r;
}

int sidepool_subscriber_listen(struct sidepool_subscriber *s, struct sidepool *sp,
			       const char *channel, const struct sidepool_call *call,
			       struct sidepool_reply **ret_reply)
{
	struct sidepool_reply *reply = NULL;
	bool come = false;
	int r = 0;

	while (r == 0 && !come) {
		sidepool_reply_free(reply);
		reply = sidepool_wait(sp, sidepool_listen(sp, channel, call));
		r = sidepool_code(reply);
		if (r == 0)
			r = take_answer(s, reply);
		if (r == 0)
			r = await(s, &come);
	}
	if (ret_reply)
		*ret_reply = reply;
	else
		sidepool_reply_free(reply);
	return r;
}

/* ---- reading ---- */

static void make_room(struct sidepool_subscriber *s)
{
	size_t left = s->in.len - s->at;

	if (s->at == 0)
		return;
	memmove(s->in.data, s->in.data + s->at, left);
	s->in.len = left;
	s->at = 0;
}

/* Reads what is there. Returns 0, also when nothing is, or the code of what went wrong. */
static int fill(struct sidepool_subscriber *s)
{
	ssize_t n;

	make_room(s);
	if (!bytes_reserve(&s->in, READ_BYTES)) {
		s->in.failed = false;
		return SIDEPOOL_E_OUT_OF_MEMORY;
	}
	do {
		n = recv(s->fd, s->in.data + s->in.len, READ_BYTES, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : SIDEPOOL_E_DAEMON_LOST;
	s->in.len += (size_t)n;
	return n == 0 ? SIDEPOOL_E_DAEMON_LOST : 0;
}

static int take_greeting(struct sidepool_subscriber *s)
{
	if (s->greeted || s->in.len - s->at < GREETING_BYTES)
		return 0;
	if (memcmp(s->in.data + s->at, pub_greeting, GREETING_BYTES) != 0)
		return SIDEPOOL_E_PROTOCOL_VIOLATION;
	s->at += GREETING_BYTES;
	s->greeted = true;
	return 0;
}

/* The next body that is there as a whole; `*ret_body` is NULL if none is. */
static int take_message(struct sidepool_subscriber *s, const uint8_t **ret_body, size_t *ret_n)
{
	const uint8_t *head = s->in.data + s->at;
	size_t left = s->in.len - s->at;
	uint64_t n;

	*ret_body = NULL;
	if (!s->greeted || left < HEAD_BYTES)
		return 0;
	memcpy(&n, head + 1, sizeof(n));
	n = be64toh(n);
	if (head[0] != 1 || n > MESSAGE_MOST)
		return SIDEPOOL_E_PROTOCOL_VIOLATION;
	if (left < HEAD_BYTES + n)
		return 0;
	s->heard = true;
	*ret_body = head + HEAD_BYTES;
	*ret_n = (size_t)n;
	s->at += HEAD_BYTES + (size_t)n;
	return 0;
}

/* The next event that is wanted, of those that are there; NULL: none. */
static int next_there(struct sidepool_subscriber *s, struct sidepool_reply **ret_event)
{
	const uint8_t *body;
	size_t n;
	int r = take_greeting(s);

	*ret_event = NULL;
	while (r == 0) {
		r = take_message(s, &body, &n);
		if (r != 0 || !body)
			break;
		if (is_wanted(s, body, n))
			r = event_new(s, body, n, ret_event);
		if (*ret_event)
			break;
	}
	return r;
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until there is something to read, or the time is over. */
static bool wait_for_input(const struct sidepool_subscriber *s, int timeout_ms, int64_t until)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	int64_t left = until - now_ms();

	if (timeout_ms > 0 && left <= 0)
		return false;
	return poll(&p, 1, timeout_ms > 0 ? (int)left : timeout_ms) != 0;
}

int sidepool_subscriber_next(struct sidepool_subscriber *s, int timeout_ms,
			     struct sidepool_reply **ret_event)
{
	int64_t until = now_ms() + timeout_ms;
	int r;

	*ret_event = NULL;
	for (;;) {
		r = next_there(s, ret_event);
		if (r != 0 || *ret_event || !wait_for_input(s, timeout_ms, until))
			return r;
		r = fill(s);
		if (r != 0)
			return r;
	}
}
