/* SPDX-License-Identifier: MIT */
#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/macro.h"

enum {
	BUF_FIRST_BYTES = 512,
};

static void compact(struct buf *b)
{
	size_t len = buf_len(b);

	if (b->start == 0)
		return;
	/* What has a start has data: NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	memmove(b->data, b->data + b->start, len);
	b->start = 0;
	b->end = len;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t capacity = MAX(b->capacity, (size_t)BUF_FIRST_BYTES);
	uint8_t *data;

	if (b->capacity - b->end >= n && b->data)
		return b->data + b->end;
	if (n > SIZE_MAX / 2 - buf_len(b))
		return NULL;
	/* Moving is cheaper than growing as long as it frees at least half. */
	if (b->data && b->start >= b->capacity / 2 && b->capacity - buf_len(b) >= n) {
		compact(b);
		return b->data + b->end;
	}
	while (capacity - buf_len(b) < n)
		capacity *= 2;
	compact(b);
	data = realloc(b->data, capacity);
	if (!data)
		return NULL;
	b->data = data;
	b->capacity = capacity;
	return b->data + b->end;
}

int buf_append(struct buf *b, const void *data, size_t n)
{
	uint8_t *at;

	if (n == 0)
		return 0;
	at = buf_reserve(b, n);
	if (!at)
		return err_raise(-ENOMEM);
	memcpy(at, data, n);
	buf_added(b, n);
	return 0;
}

void buf_reset(struct buf *b, size_t keep_bytes)
{
	b->start = b->end = 0;
	if (b->capacity > keep_bytes)
		buf_deinit(b);
}

void buf_deinit(struct buf *b)
{
	free(b->data);
	*b = BUF_NULL;
}
