/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the stream through sidepool and its counterpart through libpq have in common, so that
 * both are sure to do the same: the statement, and what becomes of each value.
 */

#include <stdint.h>

#define STREAM_SQL "SELECT * FROM bench_stream"

enum {
	STREAM_ROWS = 1000000,
	STREAM_COLUMNS = 5,
};

struct options;

/* What a program does at the least: it looks at each value. */
struct stream_sum {
	uint64_t rows;
	uint64_t bytes;
	uint64_t nulls;
	uint64_t first_bytes; /* the sum of the values' first bytes */
};

static inline void stream_add(struct stream_sum *s, const char *value, uint64_t length)
{
	if (!value) {
		s->nulls++;
		return;
	}
	s->bytes += length;
	s->first_bytes += (unsigned char)*value;
}

/* The same rows without sidepool. Returns the exit status. */
int stream_libpq(const struct options *o);
