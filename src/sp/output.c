/* SPDX-License-Identifier: MIT */
/*
 * Small answers gather in one block, a large one gets a block of its own size; none is ever moved
 * to make room. The one copy is of a small answer for which far too much was reserved: it goes into
 * a small block, so that a peer that does not read cannot hold large blocks by small answers.
 *
 * Invariant: no block of the chain is empty.
 */
#include "sp/output.h"

#include <string.h>
#include <sys/uio.h>

#include "sp/pool.h"
#include "util/macro.h"

enum {
	CHUNK_FIRST_BYTES = 4096 - sizeof(struct sp_chunk),
	CHUNK_NEXT_BYTES = 16384 - sizeof(struct sp_chunk),
	SHRINK_BYTES = 4096,       /* the longest answer that is worth moving */
	SHRINK_FROM_BYTES = 65536, /* out of a block that is at least so large */
};

static struct sp_chunk *chunk_new(struct sp_output *o, struct sp_pool *pool, size_t n)
{
	size_t block_bytes;
	struct sp_chunk *c;

	n = MAX(n, o->first ? (size_t)CHUNK_NEXT_BYTES : (size_t)CHUNK_FIRST_BYTES);
	if (n > SIZE_MAX - sizeof(*c))
		return NULL;
	c = sp_pool_take(pool, sizeof(*c) + n, &block_bytes);
	if (!c)
		return NULL;
	*c = (struct sp_chunk){ .capacity = block_bytes - sizeof(*c), .block_bytes = block_bytes };
	return c;
}

static void push(struct sp_output *o, struct sp_chunk *c)
{
	if (o->last)
		o->last->next = c;
	else
		o->first = c;
	o->last = c;
	o->memory_bytes += c->block_bytes;
}

static void pop(struct sp_output *o, struct sp_pool *pool)
{
	struct sp_chunk *c = o->first;

	o->first = c->next;
	if (!o->first)
		o->last = NULL;
	o->memory_bytes -= c->block_bytes;
	sp_pool_give(pool, c, c->block_bytes);
}

uint8_t *sp_output_reserve(struct sp_output *o, struct sp_pool *pool, size_t n)
{
	struct sp_chunk *c = o->last;

	if (!c || c->capacity - c->end < n)
		c = o->fresh = chunk_new(o, pool, n);
	return c ? c->data + c->end : NULL;
}

/* A block that fits `n` bytes better than the fresh one; NULL: keep that. */
static struct sp_chunk *shrunk(struct sp_output *o, struct sp_pool *pool, size_t n)
{
	if (n > SHRINK_BYTES || o->fresh->block_bytes < SHRINK_FROM_BYTES)
		return NULL;
	if (o->last && o->last->capacity - o->last->end >= n)
		return o->last;
	return chunk_new(o, pool, n);
}

static void commit_fresh(struct sp_output *o, struct sp_pool *pool, size_t n)
{
	struct sp_chunk *to = n > 0 ? shrunk(o, pool, n) : NULL;
	struct sp_chunk *fresh = o->fresh;

	o->fresh = NULL;
	if (to)
		memcpy(to->data + to->end, fresh->data, n);
	else if (n > 0)
		to = fresh;
	if (to && to != o->last)
		push(o, to);
	if (to != fresh)
		sp_pool_give(pool, fresh, fresh->block_bytes);
}

void sp_output_commit(struct sp_output *o, struct sp_pool *pool, size_t n)
{
	if (o->fresh)
		commit_fresh(o, pool, n);
	if (n == 0)
		return;
	o->last->end += n;
	o->bytes += n;
}

unsigned sp_output_pieces(const struct sp_output *o, struct iovec *pieces, unsigned max,
			  size_t max_bytes)
{
	size_t bytes = 0;
	unsigned n = 0;

	for (struct sp_chunk *c = o->first; c && n < max && (n == 0 || bytes < max_bytes);
	     c = c->next) {
		pieces[n].iov_base = c->data + c->start;
		pieces[n].iov_len = c->end - c->start;
		bytes += pieces[n++].iov_len;
	}
	return n;
}

void sp_output_consume(struct sp_output *o, struct sp_pool *pool, size_t n)
{
	o->bytes -= n;
	while (n > 0) {
		size_t len = o->first->end - o->first->start;

		if (n < len) {
			o->first->start += n;
			return;
		}
		n -= len;
		pop(o, pool);
	}
}

void sp_output_deinit(struct sp_output *o, struct sp_pool *pool)
{
	if (o->fresh)
		sp_output_commit(o, pool, 0);
	while (o->first)
		pop(o, pool);
	o->bytes = 0;
}
