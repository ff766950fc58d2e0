/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An intrusive priority queue (a pairing heap: Fredman, Sedgewick, Sleator, Tarjan 1986). Nodes
 * live in their owners, so inserting allocates nothing; insert and peek are O(1), removing any node
 * is O(log n) amortised.
 */

#include <stdbool.h>
#include <stddef.h>

struct heap_node {
	struct heap_node *child; /* the first of those below */
	struct heap_node *next;  /* the sibling to the right */
	/* the sibling to the left, or the parent of a first child; itself when it is the root */
	struct heap_node *prev;
};

/* Whether `a` comes out before `b`. Must be a strict order; ties come out in any order. */
typedef bool (*heap_before_fn)(const struct heap_node *a, const struct heap_node *b);

struct heap {
	struct heap_node *root; /* borrowed, as are all nodes */
	heap_before_fn before;
};

static inline void heap_init(struct heap *h, heap_before_fn before)
{
	*h = (struct heap){ .before = before };
}

static inline struct heap_node *heap_peek(const struct heap *h)
{
	return h->root;
}

/* Whether the node is in a heap. A node starts out zeroed. */
static inline bool heap_linked(const struct heap_node *n)
{
	return n->prev != NULL;
}

/* `n` must not be linked. */
void heap_insert(struct heap *h, struct heap_node *n);

/* Takes `n` out; nothing happens if it is not linked. To change a key: remove, change, insert. */
void heap_remove(struct heap *h, struct heap_node *n);
