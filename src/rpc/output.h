/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The results of a request, packed as they come in: finished ones as bytes, the one in progress in
 * parts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

struct pg_result;
struct failure;

enum {
	/* PostgreSQL sends as many as it likes; those beyond are dropped */
	OUTPUT_NOTICES_MOST_BYTES = 65536,
};

struct output {
	struct buf results; /* complete `results` fields of a Response */
	/* The Result in progress. */
	bool open;
	struct buf columns; /* complete `columns` fields */
	struct buf rows;    /* packed rows */
	struct buf notices; /* complete `notices` fields */
	uint32_t row_count;
	uint32_t statement_index;
	uint32_t set_index;
	uint64_t columns_id;
	uint64_t statement_id;
	uint64_t affected_rows;
	uint32_t format;
	bool columns_told; /* in an earlier chunk, or known to the client */
	char tag[64];
	uint64_t bytes_total; /* of rows, over all chunks */
	bool copy;            /* `rows` is data of a COPY */
	bool out_of_memory;
};

/* What the client has asked for a statement. */
struct output_statement {
	uint32_t index;
	uint32_t set; /* only where each set has a Result of its own */
	uint64_t statement_id;
	uint64_t known_columns_id;
};

void output_deinit(struct output *o);
/* Empties it, for the next chunk or another run; `keep_bytes` of memory stay. */
void output_reset(struct output *o, size_t keep_bytes);

/*
 * Rows, and columns where they are the first. Begins a Result where none is open for this
 * statement.
 */
void output_rows(struct output *o, const struct output_statement *s, const struct pg_result *rows);

/* The end of a statement: its tag and count are added to the Result in progress. */
void output_complete(struct output *o, const struct output_statement *s,
		     const struct pg_result *result);

/* The end of a statement whose answer was lost, but not what it did. */
void output_tag(struct output *o, const struct output_statement *s, const char *tag);

/* Dropped where the chunk has OUTPUT_NOTICES_MOST_BYTES of them. */
void output_notice(struct output *o, const struct pg_result *notice);

/* A failed statement of a batch that is not atomic. */
void output_failed(struct output *o, const struct output_statement *s, const struct failure *f);

/* A piece of a COPY TO STDOUT. */
void output_copy_data(struct output *o, const char *data, size_t n);

/* The chunk was sent: what is open goes on in the next one. */
void output_next_chunk(struct output *o);

/* Bytes of rows and results that are held. */
static inline size_t output_bytes(const struct output *o)
{
	return buf_len(&o->results) + buf_len(&o->rows);
}

/*
 * Bytes that it takes in a Response, and packing it there. `more`: this is not the last chunk, the
 * rows of the open Result go on in the next.
 */
size_t output_packed_bytes(const struct output *o, bool more);
uint8_t *output_pack(const struct output *o, uint8_t *out, bool more);
