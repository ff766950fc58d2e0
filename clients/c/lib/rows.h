/* SPDX-License-Identifier: MIT */
#pragma once
/* The packed rows of the wire (proto/WIRE.md, "Packed rows"): parameters out, rows in. Nothing else
 * knows the layout. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

struct sidepool_params;

/* Where a value stands. */
struct cell {
	uint32_t offset; /* from the beginning of the rows */
	int32_t length;  /* -1: NULL */
};

/* The bytes that a set of parameters takes; the values' own zero bytes do not count. */
size_t rows_params_bytes(const struct sidepool_params *params);

/* Appends a set. Returns false where a value is longer than the layout can say; lack of memory
 * shows in `b`. */
bool rows_put_params(struct bytes *b, const struct sidepool_params *params);

/*
 * Finds the values of `n` cells and puts a zero byte behind each: the memory must have one byte to
 * spare behind the rows, and cannot be indexed again. `cells` gets room for them. Returns false
 * where they do not fill the rows exactly; lack of memory shows in `cells`.
 */
bool rows_index(uint8_t *rows, size_t len, uint64_t n, struct bytes *cells);
