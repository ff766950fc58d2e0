/* SPDX-License-Identifier: MIT */
/*
 * The framing against any bytes, cut anywhere, with pauses: the same input must give the same
 * requests, the same bodies and the same end as when it comes in one piece, from memory of its own
 * so that the sanitizer sees every step outside. The first byte of the input seeds the cuts; the
 * rest is the stream.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sp/frame.h"
#include "util/macro.h"

enum {
	MAX_BODY_BYTES = 40000,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* What came out of a stream, in one number, and how it ended. */
struct outcome {
	uint64_t hash;
	size_t n_messages;
	enum sp_frame_result last;
};

static void mix(struct outcome *o, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		o->hash = (o->hash ^ p[i]) * UINT64_C(0x100000001b3);
	o->hash = (o->hash ^ len) * UINT64_C(0x100000001b3);
}

static void check_message(struct outcome *o, struct sp_frame_message *m)
{
	const struct sp_request *r = &m->request;

	check(r->n_words >= 1 && r->n_words <= SP_REQUEST_WORDS_MAX);
	for (uint32_t i = 0; i < r->n_words; i++)
		check(!!(ntohl(r->words[i]) & SP_REQUEST_ID_BIT) == (i + 1 == r->n_words));
	check(m->len + sp_request_bytes(r) <= MAX_BODY_BYTES);
	mix(o, r->words, sp_request_bytes(r));
	mix(o, m->body, m->len);
	/* An owner may write into a body. */
	memset(m->body, 0xa5, m->len);
	o->n_messages++;
}

static bool is_over(const struct outcome *o)
{
	return o->last > SP_FRAME_MESSAGE;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* Takes out what is complete; with a seed it stops and parks in between. */
static void drain(struct sp_frame *f, struct outcome *o, uint32_t *seed)
{
	struct sp_frame_message m;

	for (;;) {
		if (*seed && next_random(seed) % 4 == 0)
			check(sp_frame_park(f) == 0);
		o->last = sp_frame_next(f, MAX_BODY_BYTES, &m);
		if (o->last == SP_FRAME_MESSAGE)
			check_message(o, &m);
		else if (o->last == SP_FRAME_GREETED)
			mix(o, "greeted", 7);
		else
			return;
	}
}

/* Hands in at most `n` bytes, as a reader would. Returns how many. */
static size_t feed(struct sp_frame *f, struct outcome *o, const uint8_t *data, size_t n,
		   uint32_t *seed)
{
	size_t space_len;
	uint8_t *space = sp_frame_space(f, &space_len);
	uint8_t *copy = NULL;

	if (space) {
		check(space_len > 0);
		n = MIN(n, space_len);
	} else {
		space = copy = malloc(n);
		check(copy);
	}
	memcpy(space, data, n);
	sp_frame_feed(f, space, n);
	drain(f, o, seed);
	free(copy);
	return n;
}

static struct outcome run(const uint8_t *data, size_t size, uint32_t seed)
{
	struct outcome o = { .hash = UINT64_C(0xcbf29ce484222325) };
	struct sp_frame f;
	size_t fed = 0;

	sp_frame_init(&f);
	while (fed < size && !is_over(&o)) {
		size_t n = seed ? 1 + next_random(&seed) % (1U << next_random(&seed) % 14) : size;

		fed += feed(&f, &o, data + fed, MIN(n, size - fed), &seed);
		/* What is held is at most twice what has come, whatever was announced. */
		if (!is_over(&o))
			check(sp_frame_memory(&f) <= 2 * fed + 512);
	}
	if (o.last == SP_FRAME_MORE && size > 0)
		mix(&o, &(bool){ sp_frame_is_partial(&f) }, sizeof(bool));
	sp_frame_deinit(&f);
	check(sp_frame_memory(&f) == 0);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;

	if (size < 1)
		return 0;
	whole = run(data + 1, size - 1, 0);
	for (uint32_t i = 1; i <= 3; i++) {
		cut = run(data + 1, size - 1, data[0] * 7U + i);
		check(cut.hash == whole.hash && cut.n_messages == whole.n_messages &&
		      cut.last == whole.last);
	}
	return 0;
}
