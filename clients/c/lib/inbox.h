/* SPDX-License-Identifier: MIT */
#pragma once
/* From a socket's bytes to messages: small ones are copied out of one buffer, large ones received
 * where they stay. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replies;
struct sidepool_reply;

enum {
	INBOX_BYTES = 32768,
};

struct inbox {
	uint8_t *data; /* owned, INBOX_BYTES; NULL until the first read */
	size_t at;
	size_t end;
	bool filled; /* the last read took all the room there was: more may be there */
	struct sidepool_reply *large; /* owned: a message that does not fit into `data` */
	size_t large_have;
	size_t large_need;
	uint32_t large_id;
};

enum {
	INBOX_E_MORE = 1, /* no whole message is there */
	INBOX_E_BROKEN,   /* what is there is not a message */
};

/* Reads once. Returns the number of bytes, 0 at the end of the stream, -EAGAIN, or another negative
 * errno. */
long inbox_read(struct inbox *in, int fd, bool wait);

/* The next 8 bytes, as the greeting wants them. Returns 0 or INBOX_E_MORE. */
int inbox_greeting(struct inbox *in, uint8_t ret_greeting[8]);

/*
 * The next message: its request id, and a reply, the caller's, with `*ret_len` bytes in it. Returns
 * 0, one of the codes above, or -ENOMEM.
 */
int inbox_next(struct inbox *in, struct replies *replies, uint32_t *ret_id,
	       struct sidepool_reply **ret_reply, size_t *ret_len);

void inbox_reset(struct inbox *in);
void inbox_deinit(struct inbox *in);
