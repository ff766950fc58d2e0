/* SPDX-License-Identifier: MIT */
#pragma once
/* A growable run of bytes that is filled at its end and consumed at its start. */

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned; NULL while empty and never grown */
	size_t start;  /* first byte not consumed yet */
	size_t end;    /* one past the last byte */
	size_t capacity;
};

#define BUF_NULL                                                                                   \
	(struct buf)                                                                               \
	{                                                                                          \
		.data = NULL                                                                       \
	}

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline uint8_t *buf_at(const struct buf *b)
{
	return b->data + b->start;
}

/*
 * Makes room for `n` more bytes and gives where to write them; buf_added() counts what was written.
 * What is consumed is given back first. Growth doubles, so that appending is linear. Returns NULL
 * without memory: the content is unharmed.
 */
uint8_t *buf_reserve(struct buf *b, size_t n);

static inline void buf_added(struct buf *b, size_t n)
{
	b->end += n;
}

/* Appends a copy. Returns 0, or -ENOMEM with the content unharmed. */
int buf_append(struct buf *b, const void *data, size_t n);

/* Drops `n` bytes from the front. */
static inline void buf_consume(struct buf *b, size_t n)
{
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

/* Empties it and keeps its memory, unless that is more than `keep_bytes`. */
void buf_reset(struct buf *b, size_t keep_bytes);

void buf_deinit(struct buf *b);
