/* SPDX-License-Identifier: MIT */
/*
 * Each class is four times the one before it; the largest has room for a chunk of 1 MiB and what is
 * written around it. Larger blocks come from malloc and go back there. What the lists keep is
 * bounded, so that a burst is not remembered for ever.
 */
#include "sp/pool.h"

#include <stdlib.h>

#include "util/macro.h"

struct sp_pool_free {
	struct sp_pool_free *next; /* sp_pool::free */
};

static const size_t class_bytes[SP_POOL_CLASSES] = {
	1024, 4096, 16384, 65536, 262144, 1048576 + 65536,
};

void sp_pool_init(struct sp_pool *p, size_t keep_bytes)
{
	*p = (struct sp_pool){ .keep_bytes = keep_bytes };
}

/* SP_POOL_CLASSES: none. */
static size_t class_for(size_t n)
{
	size_t i = 0;

	while (i < SP_POOL_CLASSES && class_bytes[i] < n)
		i++;
	return i;
}

void *sp_pool_take(struct sp_pool *p, size_t n, size_t *ret_size)
{
	size_t i = class_for(n);
	size_t size = i < SP_POOL_CLASSES ? class_bytes[i] : n;
	struct sp_pool_free *block = i < SP_POOL_CLASSES ? p->free[i] : NULL;

	if (block) {
		p->free[i] = block->next;
		p->kept_bytes -= size;
	} else {
		block = malloc(size);
		if (!block)
			return NULL;
	}
	*ret_size = size;
	return block;
}

void sp_pool_give(struct sp_pool *p, void *block, size_t size)
{
	size_t i = class_for(size);
	struct sp_pool_free *b = block;

	if (!b)
		return;
	if (i == SP_POOL_CLASSES || p->kept_bytes + size > p->keep_bytes) {
		free(b);
		return;
	}
	b->next = p->free[i];
	p->free[i] = b;
	p->kept_bytes += size;
}

void sp_pool_deinit(struct sp_pool *p)
{
	for (size_t i = 0; i < SP_POOL_CLASSES; i++) {
		while (p->free[i]) {
			struct sp_pool_free *b = p->free[i];

			p->free[i] = b->next;
			free(b);
		}
	}
	p->kept_bytes = 0;
}
