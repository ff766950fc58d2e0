/* SPDX-License-Identifier: MIT */
/* Growth doubles, so that appending is linear; a buffer that once was large is given back by
 * bytes_reset(). */
#include "bytes.h"

#include <stdlib.h>

enum {
	BYTES_FIRST = 256,
};

bool bytes_reserve_slow(struct bytes *b, size_t n)
{
	size_t capacity = b->capacity ? b->capacity : BYTES_FIRST;
	uint8_t *data;

	if (b->failed || n > SIZE_MAX / 4 - b->len)
		goto failed;
	while (capacity - b->len < n)
		capacity *= 2;
	data = realloc(b->data, capacity);
	if (!data)
		goto failed;
	b->data = data;
	b->capacity = capacity;
	return true;

failed:
	b->failed = true;
	return false;
}

void bytes_reset(struct bytes *b, size_t keep)
{
	if (b->capacity > keep)
		bytes_deinit(b);
	b->len = 0;
	b->failed = false;
}

void bytes_deinit(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){ .data = NULL };
}
