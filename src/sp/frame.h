/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a REQ peer sends, cut into requests: the greeting, then type, length, request ids and body
 * of each message. Works on bytes alone, in whatever pieces they come.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sp/request.h"

enum {
	SP_GREETING_BYTES = 8,
	SP_HEADER_BYTES = 9, /* type and length */
	SP_MESSAGE_TYPE = 1,
};

/* What a REP sends and what it expects. */
extern const uint8_t sp_greeting_rep[SP_GREETING_BYTES];
extern const uint8_t sp_greeting_req[SP_GREETING_BYTES];

enum sp_frame_result {
	SP_FRAME_MORE, /* everything fed is used up */
	SP_FRAME_GREETED,
	SP_FRAME_MESSAGE,
	SP_FRAME_E_GREETING, /* not the greeting of a REQ peer */
	SP_FRAME_E_TYPE,     /* not a message */
	SP_FRAME_E_LENGTH,   /* longer than the limit */
	SP_FRAME_E_NO_ID,    /* too short for a request id, or made of hops only */
	SP_FRAME_E_HOPS,     /* more than SP_HOPS_MAX */
	SP_FRAME_E_MEMORY,   /* no memory for an unfinished message */
	SP_FRAME_N,
};

const char *sp_frame_result_to_string(enum sp_frame_result r);

struct sp_frame {
	uint8_t *held; /* owned: the first bytes of a message whose rest has not come; NULL: none */
	size_t held_len;
	size_t held_capacity;
	size_t need;     /* length of the held message with its header; 0: not known yet */
	uint8_t *parked; /* owned: what `in` points into while a reader has paused */
	size_t parked_bytes;
	uint8_t *in; /* borrowed from sp_frame_feed, or in `parked`: not used up yet */
	size_t in_len;
	unsigned greeted; /* bytes of the greeting that have come */
	bool handed;      /* the held message is complete and was given out */
};

struct sp_frame_message {
	struct sp_request request;
	uint8_t *body; /* borrowed: until the next call on the frame */
	size_t len;
};

void sp_frame_init(struct sp_frame *f);

/*
 * Where the next bytes should be read to, when there is a better place than the reader's own
 * buffer: the rest of a long message. NULL: no such place, or no memory.
 */
uint8_t *sp_frame_space(struct sp_frame *f, size_t *ret_len);

/*
 * Gives `len` bytes in, borrowed until sp_frame_next() says MORE or an error, or until
 * sp_frame_park().
 */
void sp_frame_feed(struct sp_frame *f, uint8_t *data, size_t len);

/*
 * The next thing that is complete. After an error nothing further may be asked of the frame.
 * `max_body_bytes` is the longest body with its request ids.
 */
enum sp_frame_result sp_frame_next(struct sp_frame *f, size_t max_body_bytes,
				   struct sp_frame_message *ret_message);

/*
 * Copies what was fed and is not used up, so that the reader's buffer is free again. Returns 0 or
 * -ENOMEM.
 */
int sp_frame_park(struct sp_frame *f);

/* Whether a message or the greeting has begun and is not complete. */
bool sp_frame_is_partial(const struct sp_frame *f);

/* Memory that the frame owns. */
static inline size_t sp_frame_memory(const struct sp_frame *f)
{
	return f->held_capacity + f->parked_bytes;
}

void sp_frame_deinit(struct sp_frame *f);

/*
 * Writes type, length and request ids of a message with `body_len` bytes of body. Returns how many
 * bytes that is.
 */
size_t sp_frame_write_header(uint8_t *at, const struct sp_request *request, size_t body_len);

static inline size_t sp_frame_header_bytes(const struct sp_request *request)
{
	return SP_HEADER_BYTES + sp_request_bytes(request);
}
