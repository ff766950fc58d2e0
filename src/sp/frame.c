/* SPDX-License-Identifier: MIT */
/*
 * Messages that arrive whole are given out where they lie in the reader's buffer. Only one that is
 * cut is copied: its first bytes are held until the rest has come, and a long rest is read straight
 * behind them (sp_frame_space). What is held grows with what has come, at most twice that, never
 * with what a header announces: an announcement costs nothing.
 *
 * Invariant: `held` contains bytes of exactly one message, or of none; what follows it is in `in`.
 * `in` is empty while the reader reads into the frame's own space.
 */
#include "sp/frame.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/macro.h"

enum {
	HELD_FIRST_BYTES = 256,
	SPACE_LEAST_BYTES = 16384, /* a shorter rest is copied, with what follows it */
};

const uint8_t sp_greeting_rep[SP_GREETING_BYTES] = { 0, 'S', 'P', 0, 0, 0x31, 0, 0 };
const uint8_t sp_greeting_req[SP_GREETING_BYTES] = { 0, 'S', 'P', 0, 0, 0x30, 0, 0 };

static const char *const result_names[] = {
	[SP_FRAME_MORE] = "incomplete",
	[SP_FRAME_GREETED] = "greeted",
	[SP_FRAME_MESSAGE] = "message",
	[SP_FRAME_E_GREETING] = "not the greeting of an SP REQ peer",
	[SP_FRAME_E_TYPE] = "not an SP message",
	[SP_FRAME_E_LENGTH] = "a message longer than the limit",
	[SP_FRAME_E_NO_ID] = "a message without a request id",
	[SP_FRAME_E_HOPS] = "a message that passed too many devices",
	[SP_FRAME_E_MEMORY] = "no memory for an unfinished message",
};

const char *sp_frame_result_to_string(enum sp_frame_result r)
{
	return (unsigned)r < ARRAY_LEN(result_names) ? result_names[r] : "unknown";
}

void sp_frame_init(struct sp_frame *f)
{
	*f = (struct sp_frame){ .held = NULL };
}

static void release_held(struct sp_frame *f)
{
	free(f->held);
	f->held = NULL;
	f->held_len = f->held_capacity = f->need = 0;
	f->handed = false;
}

static void release_parked(struct sp_frame *f)
{
	free(f->parked);
	f->parked = NULL;
	f->parked_bytes = 0;
}

void sp_frame_deinit(struct sp_frame *f)
{
	release_held(f);
	release_parked(f);
	f->in = NULL;
	f->in_len = 0;
}

bool sp_frame_is_partial(const struct sp_frame *f)
{
	return f->greeted < SP_GREETING_BYTES || (f->held_len > 0 && !f->handed);
}

/*
 * Room for more behind what is held: for `incoming` bytes that are here, or as much again as has
 * come, up to `most`.
 */
static int grow(struct sp_frame *f, size_t incoming, size_t most)
{
	size_t capacity = MAX(f->held_len * 2, f->held_len + incoming);
	uint8_t *held;

	if (f->held_capacity > f->held_len)
		return 0;
	capacity = MIN(MAX(capacity, (size_t)HELD_FIRST_BYTES), most);
	held = realloc(f->held, capacity);
	if (!held)
		return err_raise(-ENOMEM);
	f->held = held;
	f->held_capacity = capacity;
	return 0;
}

/* Moves input behind what is held until that is `until` bytes long or the input is used up. */
static int hold(struct sp_frame *f, size_t until)
{
	while (f->held_len < until && f->in_len > 0) {
		size_t n = MIN(until - f->held_len, f->in_len);
		int r = grow(f, n, MAX(until, (size_t)HELD_FIRST_BYTES));

		if (r < 0)
			return err_forward(r);
		n = MIN(n, f->held_capacity - f->held_len);
		memcpy(f->held + f->held_len, f->in, n);
		f->held_len += n;
		f->in += n;
		f->in_len -= n;
	}
	return 0;
}

uint8_t *sp_frame_space(struct sp_frame *f, size_t *ret_len)
{
	if (f->need == 0 || f->handed || f->need - f->held_len < SPACE_LEAST_BYTES)
		return NULL;
	if (grow(f, 0, f->need) < 0)
		return NULL;
	*ret_len = f->held_capacity - f->held_len;
	return f->held + f->held_len;
}

void sp_frame_feed(struct sp_frame *f, uint8_t *data, size_t len)
{
	if (f->held && data == f->held + f->held_len) {
		f->held_len += len;
		return;
	}
	f->in = data;
	f->in_len = len;
}

static enum sp_frame_result greet(struct sp_frame *f)
{
	while (f->in_len > 0 && f->greeted < SP_GREETING_BYTES) {
		if (*f->in != sp_greeting_req[f->greeted])
			return SP_FRAME_E_GREETING;
		f->greeted++;
		f->in++;
		f->in_len--;
	}
	return f->greeted == SP_GREETING_BYTES ? SP_FRAME_GREETED : SP_FRAME_MORE;
}

/* The whole length of the message whose header is at `at`. */
static enum sp_frame_result read_header(const uint8_t *at, size_t max_body_bytes, size_t *ret_need)
{
	uint64_t len;

	if (at[0] != SP_MESSAGE_TYPE)
		return SP_FRAME_E_TYPE;
	memcpy(&len, at + 1, sizeof(len));
	len = be64toh(len);
	if (len > max_body_bytes)
		return SP_FRAME_E_LENGTH;
	if (len < sizeof(uint32_t))
		return SP_FRAME_E_NO_ID;
	*ret_need = SP_HEADER_BYTES + (size_t)len;
	return SP_FRAME_MESSAGE;
}

/* Takes the request ids off a whole message. */
static enum sp_frame_result read_message(uint8_t *at, size_t need, struct sp_frame_message *m)
{
	uint32_t n = 0;
	uint32_t word;

	at += SP_HEADER_BYTES;
	need -= SP_HEADER_BYTES;
	do {
		if (n == SP_REQUEST_WORDS_MAX)
			return SP_FRAME_E_HOPS;
		if (need < sizeof(word))
			return SP_FRAME_E_NO_ID;
		memcpy(&word, at, sizeof(word));
		m->request.words[n++] = word;
		at += sizeof(word);
		need -= sizeof(word);
	} while (!(ntohl(word) & SP_REQUEST_ID_BIT));
	m->request.n_words = n;
	m->body = at;
	m->len = need;
	return SP_FRAME_MESSAGE;
}

/* Goes on with the message that was cut. */
static enum sp_frame_result next_held(struct sp_frame *f, size_t max_body_bytes,
				      struct sp_frame_message *m)
{
	enum sp_frame_result r;

	if (hold(f, SP_HEADER_BYTES) < 0)
		return SP_FRAME_E_MEMORY;
	if (f->held_len < SP_HEADER_BYTES)
		return SP_FRAME_MORE;
	if (f->need == 0) {
		r = read_header(f->held, max_body_bytes, &f->need);
		if (r != SP_FRAME_MESSAGE)
			return r;
	}
	if (hold(f, f->need) < 0)
		return SP_FRAME_E_MEMORY;
	if (f->held_len < f->need)
		return SP_FRAME_MORE;
	f->handed = true;
	return read_message(f->held, f->need, m);
}

/* A message that begins in the input. */
static enum sp_frame_result next_in(struct sp_frame *f, size_t max_body_bytes,
				    struct sp_frame_message *m)
{
	enum sp_frame_result r;
	uint8_t *at = f->in;
	size_t need;

	if (f->in_len == 0)
		return SP_FRAME_MORE;
	if (f->in_len < SP_HEADER_BYTES)
		return next_held(f, max_body_bytes, m);
	r = read_header(at, max_body_bytes, &need);
	if (r != SP_FRAME_MESSAGE)
		return r;
	if (f->in_len < need)
		return next_held(f, max_body_bytes, m);
	f->in += need;
	f->in_len -= need;
	return read_message(at, need, m);
}

enum sp_frame_result sp_frame_next(struct sp_frame *f, size_t max_body_bytes,
				   struct sp_frame_message *ret_message)
{
	enum sp_frame_result r;

	if (f->greeted < SP_GREETING_BYTES)
		return greet(f);
	if (f->handed)
		release_held(f);
	r = f->held_len > 0 ? next_held(f, max_body_bytes, ret_message)
			    : next_in(f, max_body_bytes, ret_message);
	if (r == SP_FRAME_MORE && f->parked)
		release_parked(f);
	return r;
}

int sp_frame_park(struct sp_frame *f)
{
	if (f->handed)
		release_held(f);
	if (f->in_len == 0 || f->parked)
		return 0;
	f->parked = malloc(f->in_len);
	if (!f->parked)
		return err_raise(-ENOMEM);
	f->parked_bytes = f->in_len;
	f->in = memcpy(f->parked, f->in, f->in_len);
	return 0;
}

size_t sp_frame_write_header(uint8_t *at, const struct sp_request *request, size_t body_len)
{
	uint64_t len = htobe64(sp_request_bytes(request) + body_len);

	at[0] = SP_MESSAGE_TYPE;
	memcpy(at + 1, &len, sizeof(len));
	memcpy(at + SP_HEADER_BYTES, request->words, sp_request_bytes(request));
	return sp_frame_header_bytes(request);
}
