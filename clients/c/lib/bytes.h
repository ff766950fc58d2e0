/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A growable run of bytes whose failure is sticky: what is appended after memory ran out is
 * dropped, and `failed` says so at the end, so that an encoder needs one check and not one for each
 * field.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	uint8_t *data; /* owned */
	size_t len;
	size_t capacity;
	bool failed;
};

/* Makes room for `n` more. Returns whether there is. */
bool bytes_reserve_slow(struct bytes *b, size_t n);

static inline bool bytes_reserve(struct bytes *b, size_t n)
{
	return b->capacity - b->len >= n || bytes_reserve_slow(b, n);
}

static inline void bytes_put(struct bytes *b, const void *data, size_t n)
{
	if (n == 0 || !bytes_reserve(b, n))
		return;
	memcpy(b->data + b->len, data, n);
	b->len += n;
}

static inline void bytes_put_byte(struct bytes *b, uint8_t byte)
{
	if (!bytes_reserve(b, 1))
		return;
	b->data[b->len++] = byte;
}

/* Empties it for the next use; memory beyond `keep` bytes is given back. */
void bytes_reset(struct bytes *b, size_t keep);

void bytes_deinit(struct bytes *b);
