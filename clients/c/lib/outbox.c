/* SPDX-License-Identifier: MIT */
/*
 * A frame is sealed when its first byte is about to leave, since only then is it known how much of
 * its time is left. Once a part of it is out it stays as it is.
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
static bool seal(struct sidepool *sp, struct request *q, uint64_t now)
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
	if (len - BODY_AT > sp->connection.max_message_bytes) {
		answer_error(sp, q, SIDEPOOL_E_MESSAGE_TOO_LARGE, SIDEPOOL_OUTCOME_NOT_SENT,
			     "the request has %zu bytes, and the daemon takes %u", len - BODY_AT,
			     sp->connection.max_message_bytes);
		return false;
	}
	return true;
}

static size_t gather(struct sidepool *sp, struct list *queue, struct iovec *iov, uint64_t now)
{
	struct list *l, *next;
	size_t n = 0;

	for (l = queue->next; l != queue && n < OUTBOX_IOV; l = next) {
		struct request *q = container_of(l, struct request, link);

		next = l->next;
		if (!seal(sp, q, now))
			continue;
		iov[n++] = (struct iovec){
			.iov_base = q->frame.data + q->start + q->sent,
			.iov_len = frame_left(q),
		};
	}
	return n;
}

/* Takes off the queue what is out. */
static void account(struct sidepool *sp, struct list *queue, size_t n)
{
	while (n > 0) {
		struct request *q = container_of(queue->next, struct request, link);
		size_t left = frame_left(q);

		if (n < left) {
			q->sent += n;
			return;
		}
		n -= left;
		q->sent += left;
		request_mark_sent(&sp->requests, q);
	}
}

int outbox_flush(struct sidepool *sp, struct list *queue)
{
	struct iovec iov[OUTBOX_IOV];
	struct msghdr msg = { .msg_iov = iov };
	uint64_t now = list_empty(queue) ? 0 : sp->now_us();
	ssize_t n;

	while (!list_empty(queue)) {
		msg.msg_iovlen = gather(sp, queue, iov, now);
		if (msg.msg_iovlen == 0)
			continue;
		n = sendmsg(sp->connection.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return OUTBOX_E_FULL;
		if (n < 0)
			return -errno;
		account(sp, queue, (size_t)n);
	}
	return 0;
}
