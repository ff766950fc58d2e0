/* SPDX-License-Identifier: MIT */
/*
 * A message that fits into the buffer is copied from it: a hundred bytes cost less than a system
 * call of their own. One that does not is received into its reply's memory; the same system call
 * fills the buffer with what follows.
 */
#include "inbox.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "reply.h"
#include "request.h"

/*
 * The longest message that is taken: what PostgreSQL can put into one row, and its surroundings.
 */
static const uint64_t MESSAGE_MAX = UINT64_C(1) << 31;

static void make_room(struct inbox *in)
{
	if (in->at == in->end) {
		in->at = in->end = 0;
	} else if (in->at > 0 && in->end == INBOX_BYTES) {
		memmove(in->data, in->data + in->at, in->end - in->at);
		in->end -= in->at;
		in->at = 0;
	}
}

/* Deals out what a read brought: first to the large message, the rest to the buffer. */
static void account(struct inbox *in, size_t n)
{
	size_t large = in->large ? in->large_need - in->large_have : 0;

	if (large > n)
		large = n;
	in->large_have += large;
	in->end += n - large;
}

long inbox_read(struct inbox *in, int fd, bool wait)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	if (!in->data)
		in->data = malloc(INBOX_BYTES);
	if (!in->data)
		return -ENOMEM;
	make_room(in);
	if (in->large)
		iov[msg.msg_iovlen++] = (struct iovec){
			.iov_base = in->large->body.data + in->large_have,
			.iov_len = in->large_need - in->large_have,
		};
	iov[msg.msg_iovlen++] = (struct iovec){
		.iov_base = in->data + in->end,
		.iov_len = INBOX_BYTES - in->end,
	};
	do {
		n = recvmsg(fd, &msg, wait ? 0 : MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	in->filled = (size_t)n == iov[0].iov_len + (msg.msg_iovlen > 1 ? iov[1].iov_len : 0);
	account(in, (size_t)n);
	return n;
}

int inbox_greeting(struct inbox *in, uint8_t ret_greeting[8])
{
	if (in->end - in->at < 8)
		return INBOX_E_MORE;
	memcpy(ret_greeting, in->data + in->at, 8);
	in->at += 8;
	return 0;
}

static struct sidepool_reply *make_reply(struct replies *replies, size_t len)
{
	struct sidepool_reply *reply = reply_new(replies);

	if (reply && !reply_reserve(reply, len))
		reply = sidepool_reply_free(reply);
	return reply;
}

static int finish_large(struct inbox *in, uint32_t *ret_id, struct sidepool_reply **ret_reply,
			size_t *ret_len)
{
	if (in->large_have < in->large_need)
		return INBOX_E_MORE;
	*ret_id = in->large_id;
	*ret_reply = in->large;
	*ret_len = in->large_need;
	in->large = NULL;
	return 0;
}

static int begin_large(struct inbox *in, struct replies *replies, uint32_t id, size_t len)
{
	size_t have = in->end - in->at - REQUEST_HEADER;

	in->large = make_reply(replies, len);
	if (!in->large)
		return -ENOMEM;
	memcpy(in->large->body.data, in->data + in->at + REQUEST_HEADER, have);
	in->at = in->end;
	in->large_have = have;
	in->large_need = len;
	in->large_id = id;
	return INBOX_E_MORE;
}

/* The header in front: type, length of id and message, id. */
static int read_header(const struct inbox *in, uint32_t *ret_id, uint64_t *ret_len)
{
	const uint8_t *at = in->data + in->at;
	uint64_t len;
	uint32_t id;

	if (in->end - in->at < REQUEST_HEADER)
		return INBOX_E_MORE;
	memcpy(&len, at + 1, sizeof(len));
	memcpy(&id, at + 9, sizeof(id));
	*ret_len = be64toh(len) - sizeof(id);
	*ret_id = be32toh(id);
	if (at[0] != 1 || be64toh(len) < sizeof(id) || *ret_len > MESSAGE_MAX || *ret_id >> 31 == 0)
		return INBOX_E_BROKEN;
	return 0;
}

int inbox_next(struct inbox *in, struct replies *replies, uint32_t *ret_id,
	       struct sidepool_reply **ret_reply, size_t *ret_len)
{
	struct sidepool_reply *reply;
	uint64_t len;
	uint32_t id;
	int r;

	if (in->large)
		return finish_large(in, ret_id, ret_reply, ret_len);
	r = read_header(in, &id, &len);
	if (r != 0)
		return r;
	if (in->end - in->at - REQUEST_HEADER < len) {
		if (len + REQUEST_HEADER <= INBOX_BYTES)
			return INBOX_E_MORE;
		return begin_large(in, replies, id, len);
	}
	reply = make_reply(replies, len);
	if (!reply)
		return -ENOMEM;
	memcpy(reply->body.data, in->data + in->at + REQUEST_HEADER, len);
	in->at += REQUEST_HEADER + len;
	*ret_id = id;
	*ret_reply = reply;
	*ret_len = len;
	return 0;
}

void inbox_reset(struct inbox *in)
{
	in->large = sidepool_reply_free(in->large);
	in->at = in->end = 0;
	in->filled = false;
}

void inbox_deinit(struct inbox *in)
{
	inbox_reset(in);
	free(in->data);
	in->data = NULL;
}
