/* SPDX-License-Identifier: MIT */
/*
 * A frame is sealed when its first byte is about to leave, since only then is it known how much of
 * its time is left. Once a part of it is out it stays as it is, and the rest of it goes next.
 */
#include "outbox.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "answer.h"
#include "handle.h"
#include "util/macro.h"

enum {
	OUTBOX_IOV = 64,
	BODY_AT = 9, /* type and length are not part of what max_message_bytes limits */
};

static size_t frame_left(const struct request *q)
{
	return q->frame.len - q->start - q->sent;
}

/* Whether the request may go out. If not, it has ended. */
static bool seal(struct sidepool *sp, const struct connection *c, struct request *q, uint64_t now)
{
	size_t len;

	if (q->sent > 0)
		return true;
	len = request_seal(q, now);
	if (len == 0) {
		answer_error(sp, q, SIDEPOOL_E_DEADLINE_UNREACHABLE, SIDEPOOL_OUTCOME_NOT_SENT,
			     "the deadline passed before the request could be sent to %s",
			     sp->settings.address.sun_path);
		return false;
	}
	if (len - BODY_AT > c->max_message_bytes) {
		answer_error(sp, q, SIDEPOOL_E_MESSAGE_TOO_LARGE, SIDEPOOL_OUTCOME_NOT_SENT,
			     "the request has %zu bytes, and the daemon takes %u", len - BODY_AT,
			     c->max_message_bytes);
		return false;
	}
	return true;
}

static size_t gather(struct sidepool *sp, const struct connection *c, struct list *queue,
		     struct iovec *iov, uint64_t now)
{
	struct list *l, *next;
	size_t n = 0;

	for (l = queue->next; l != queue && n < OUTBOX_IOV; l = next) {
		struct request *q = container_of(l, struct request, link);

		next = l->next;
		if (!seal(sp, c, q, now))
			continue;
		iov[n++] = (struct iovec){
			.iov_base = q->frame.data + q->start + q->sent,
			.iov_len = frame_left(q),
		};
	}
	return n;
}

/* Takes off the queue what is out. */
static void account(struct sidepool *sp, const struct connection *c, struct list *queue, size_t n)
{
	while (n > 0) {
		struct request *q = container_of(queue->next, struct request, link);
		size_t left = frame_left(q);

		q->on = c->number;
		if (n < left) {
			q->sent += n;
			return;
		}
		n -= left;
		q->sent += left;
		request_mark_sent(&sp->requests, q);
	}
}

/* Returns as outbox_flush(). */
static int send_rest(struct connection *c)
{
	if (c->rest.len == 0)
		return 0;
	while (c->rest.len > c->rest_at) {
		ssize_t n = send(c->fd, c->rest.data + c->rest_at, c->rest.len - c->rest_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			c->rest_at += (size_t)n;
		else if (errno == EAGAIN)
			return OUTBOX_E_FULL;
		else if (errno != EINTR)
			return -errno;
	}
	bytes_deinit(&c->rest);
	c->rest_at = 0;
	return 0;
}

bool outbox_keep_rest(struct sidepool *sp, struct request *q)
{
	struct connection *c;

	if (q->state != REQUEST_QUEUED || q->sent == 0)
		return false;
	c = connection_find(sp, q->on); /* one that were gone would have set `sent` to 0 */
	c->rest = q->frame;
	c->rest_at = q->start + q->sent;
	q->frame = (struct bytes){ .data = NULL };
	q->owed = true;
	return true;
}

int outbox_flush(struct sidepool *sp, struct connection *c, struct list *queue)
{
	struct iovec iov[OUTBOX_IOV];
	struct msghdr msg = { .msg_iov = iov };
	uint64_t now = list_empty(queue) ? 0 : sp->now_us();
	ssize_t n;
	int r = send_rest(c);

	while (r == 0 && !list_empty(queue)) {
		msg.msg_iovlen = gather(sp, c, queue, iov, now);
		if (msg.msg_iovlen == 0)
			continue;
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return OUTBOX_E_FULL;
		if (n < 0)
			return -errno;
		account(sp, c, queue, (size_t)n);
	}
	return r;
}
