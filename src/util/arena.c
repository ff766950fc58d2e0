/* SPDX-License-Identifier: MIT */
#include "util/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

enum {
	ARENA_BLOCK_BYTES = 2048,
};

struct arena_block {
	struct arena_block *next; /* owned */
	size_t capacity;
	alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a, size_t limit_bytes)
{
	*a = (struct arena){ .limit_bytes = limit_bytes };
}

static struct arena_block *add_block(struct arena *a, size_t n)
{
	size_t capacity = MAX(n, ARENA_BLOCK_BYTES - sizeof(struct arena_block));
	struct arena_block *b;

	if (a->limit_bytes &&
	    (capacity > a->limit_bytes || a->total_bytes > a->limit_bytes - capacity))
		return NULL;
	b = malloc(sizeof(*b) + capacity);
	if (!b)
		return NULL;
	b->next = NULL;
	b->capacity = capacity;
	if (a->current)
		a->current->next = b;
	else
		a->first = b;
	a->current = b;
	a->used = 0;
	a->total_bytes += capacity;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!a->current || a->current->capacity - a->used < n)
		if (!add_block(a, n))
			return NULL;
	p = a->current->data + a->used;
	a->used += n;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

static void free_blocks(struct arena *a, struct arena_block *b)
{
	struct arena_block *next;

	for (; b; b = next) {
		next = b->next;
		a->total_bytes -= b->capacity;
		free(b);
	}
}

void arena_reset(struct arena *a)
{
	if (!a->first)
		return;
	/* A first block of unusual size came from one big request and would stay for ever. */
	if (a->first->capacity > ARENA_BLOCK_BYTES) {
		arena_deinit(a);
		return;
	}
	free_blocks(a, a->first->next);
	a->first->next = NULL;
	a->current = a->first;
	a->used = 0;
}

void arena_deinit(struct arena *a)
{
	free_blocks(a, a->first);
	*a = (struct arena){ .limit_bytes = a->limit_bytes };
}
