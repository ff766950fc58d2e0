/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory that lives as long as one request: taken piece by piece, given back at once. The first
 * block stays with the arena across resets, so that a request of ordinary size allocates nothing.
 */

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *first; /* owned: kept across resets */
	struct arena_block *current;
	size_t used;        /* bytes taken from `current` */
	size_t total_bytes; /* bytes of all blocks: what the arena costs its owner */
	size_t limit_bytes; /* total_bytes never exceeds it; 0: no limit */
};

void arena_init(struct arena *a, size_t limit_bytes);

/* `n` bytes aligned for any type, valid until the reset. NULL without memory or past the limit. */
void *arena_alloc(struct arena *a, size_t n);

/* A copy of `n` bytes and a NUL behind them. NULL without memory. */
char *arena_strndup(struct arena *a, const char *s, size_t n);

/* Gives everything back but the first block. */
void arena_reset(struct arena *a);

void arena_deinit(struct arena *a);
