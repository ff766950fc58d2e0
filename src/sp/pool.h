/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory blocks of a few sizes, shared by all connections of a server: an idle connection has none,
 * and a busy one finds what another has just given back.
 */

#include <stddef.h>

enum {
	SP_POOL_CLASSES = 6,
};

struct sp_pool_free;

struct sp_pool {
	struct sp_pool_free *free[SP_POOL_CLASSES]; /* owned */
	size_t kept_bytes;                          /* in the lists */
	size_t keep_bytes;                          /* the most that is kept there */
};

void sp_pool_init(struct sp_pool *p, size_t keep_bytes);

/* A block of at least `n` bytes, and how large it is. NULL without memory. */
void *sp_pool_take(struct sp_pool *p, size_t n, size_t *ret_size);

/* `size` is what sp_pool_take() said. */
void sp_pool_give(struct sp_pool *p, void *block, size_t size);

void sp_pool_deinit(struct sp_pool *p);
