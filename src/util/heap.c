/* SPDX-License-Identifier: MIT */
/*
 * Pairing heap. Invariant: a linked node's `prev` is never NULL (the root points to itself), so
 * that membership can be asked of the node alone and removing twice is harmless.
 */
#include "util/heap.h"

#include <assert.h>

static struct heap_node *meld(struct heap *h, struct heap_node *a, struct heap_node *b)
{
	struct heap_node *t;

	if (h->before(b, a)) {
		t = a;
		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* Two passes: meld neighbours from left to right, then the results from right to left. */
static struct heap_node *merge_siblings(struct heap *h, struct heap_node *first)
{
	struct heap_node *pairs = NULL, *a, *b, *root = NULL;

	while (first) {
		a = first;
		b = a->next;
		first = b ? b->next : NULL;
		a->next = NULL;
		if (b) {
			b->next = NULL;
			a = meld(h, a, b);
		}
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		a = pairs;
		pairs = a->next;
		a->next = NULL;
		root = root ? meld(h, root, a) : a;
	}
	return root;
}

static void set_root(struct heap *h, struct heap_node *n)
{
	h->root = n;
	if (n) {
		n->prev = n;
		n->next = NULL;
	}
}

void heap_insert(struct heap *h, struct heap_node *n)
{
	assert(!heap_linked(n));

	*n = (struct heap_node){ .prev = n };
	set_root(h, h->root ? meld(h, h->root, n) : n);
}

static void cut(struct heap_node *n)
{
	if (n->prev->child == n)
		n->prev->child = n->next;
	else
		n->prev->next = n->next;
	if (n->next)
		n->next->prev = n->prev;
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	struct heap_node *below;

	if (!heap_linked(n))
		return;
	if (n != h->root)
		cut(n);
	below = merge_siblings(h, n->child);
	if (n == h->root)
		set_root(h, below);
	else if (below)
		set_root(h, meld(h, h->root, below));
	*n = (struct heap_node){ .prev = NULL };
}
