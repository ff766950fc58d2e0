/* SPDX-License-Identifier: MIT */
/*
 * Row after row, value after value: a little-endian 32 bit length and as many bytes; the length of
 * NULL is -1. So a value can get its zero byte in place: it goes where the next value's length was,
 * which has been read by then.
 */
#include "rows.h"

#include <endian.h>

#include "sidepool-request.h"

enum {
	LENGTH_BYTES = 4,
};

static size_t value_bytes(const struct sidepool_params *p, size_t i)
{
	if (!p->values[i])
		return 0;
	return p->lengths ? p->lengths[i] : strlen(p->values[i]);
}

size_t rows_params_bytes(const struct sidepool_params *p)
{
	size_t sum = 0;

	for (size_t i = 0; i < p->count; i++)
		sum += LENGTH_BYTES + value_bytes(p, i);
	return sum;
}

bool rows_put_params(struct bytes *b, const struct sidepool_params *p)
{
	for (size_t i = 0; i < p->count; i++) {
		size_t len = value_bytes(p, i);
		uint32_t prefix;

		if (len > INT32_MAX)
			return false;
		prefix = htole32(p->values[i] ? (uint32_t)len : UINT32_MAX);
		bytes_put(b, &prefix, sizeof(prefix));
		bytes_put(b, p->values[i], len);
	}
	return true;
}

/* The length in front of `at`, and whether it fits into what is left. */
static bool read_length(const uint8_t *at, size_t left, int32_t *ret_length)
{
	uint32_t raw;
	int32_t length;

	if (left < LENGTH_BYTES)
		return false;
	memcpy(&raw, at, sizeof(raw));
	length = (int32_t)le32toh(raw);
	if (length < -1 || (length > 0 && left - LENGTH_BYTES < (size_t)length))
		return false;
	*ret_length = length;
	return true;
}

bool rows_index(uint8_t *rows, size_t len, uint64_t n, struct bytes *cells)
{
	struct cell *cell;
	size_t at = 0;
	uint8_t *last = NULL;

	if (n > len / LENGTH_BYTES || len > UINT32_MAX)
		return false;
	if (!bytes_reserve(cells, n * sizeof(*cell)))
		return true;
	cell = (struct cell *)(void *)(cells->data + cells->len);
	for (uint64_t i = 0; i < n; i++, cell++) {
		if (!read_length(rows + at, len - at, &cell->length))
			return false;
		if (last)
			*last = '\0';
		at += LENGTH_BYTES;
		cell->offset = (uint32_t)at;
		at += cell->length > 0 ? (size_t)cell->length : 0;
		last = rows + at;
	}
	if (at != len)
		return false;
	if (last)
		*last = '\0';
	cells->len += n * sizeof(*cell);
	return true;
}
