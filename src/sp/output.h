/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The answers of one connection that the kernel has not taken yet: a chain of blocks, written where
 * they were encoded.
 */

#include <stddef.h>
#include <stdint.h>

struct iovec;
struct sp_pool;

struct sp_chunk {
	struct sp_chunk *next; /* sp_output::first */
	size_t start;          /* first byte not written */
	size_t end;            /* one past the last byte */
	size_t capacity;       /* of data */
	size_t block_bytes;    /* what the pool gave */
	uint8_t data[];
};

struct sp_output {
	struct sp_chunk *first; /* owned; NULL while there is nothing */
	struct sp_chunk *last;
	struct sp_chunk *fresh; /* owned: reserved, and not in the chain before its commit */
	size_t bytes;           /* not written yet */
	size_t memory_bytes;    /* of all blocks */
};

/* Contiguous room for `n` bytes at the end; a commit must follow. NULL without memory. */
uint8_t *sp_output_reserve(struct sp_output *o, struct sp_pool *pool, size_t n);

/* Where the room begins that was reserved last. */
static inline uint8_t *sp_output_reserved(const struct sp_output *o)
{
	return o->fresh ? o->fresh->data : o->last->data + o->last->end;
}

/* The first `n` bytes of what was reserved last belong to the output now; 0 forgets it. */
void sp_output_commit(struct sp_output *o, struct sp_pool *pool, size_t n);

/*
 * Describes up to `max` pieces and `max_bytes` (but at least one piece) from the front. Returns how
 * many.
 */
unsigned sp_output_pieces(const struct sp_output *o, struct iovec *pieces, unsigned max,
			  size_t max_bytes);

/* Drops `n` bytes from the front, and the blocks that are done with. */
void sp_output_consume(struct sp_output *o, struct sp_pool *pool, size_t n);

void sp_output_deinit(struct sp_output *o, struct sp_pool *pool);
