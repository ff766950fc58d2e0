/* SPDX-License-Identifier: MIT */
/* Heap, arena, buffer, histogram, pace. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core_fixture.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/heap.h"
#include "util/hist.h"
#include "util/pace.h"

enum {
	NODES = 500,
};

struct node {
	uint32_t key;
	struct heap_node node;
};

static bool before(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct node, node)->key < container_of(b, struct node, node)->key;
}

static uint32_t chance(void)
{
	static uint32_t x = 1;

	return x = x * 1103515245 + 12345;
}

static void test_a_heap_gives_the_first_whatever_was_taken_out(void **state)
{
	static struct node nodes[NODES];
	struct heap h;

	(void)state;
	memset(nodes, 0, sizeof(nodes));
	heap_init(&h, before);
	for (int round = 0; round < 20000; round++) {
		struct node *n = &nodes[chance() >> 16 & 0x1ff ? (chance() >> 16) % NODES : 0];
		const struct node *top, *least = NULL;

		if (heap_linked(&n->node)) {
			heap_remove(&h, &n->node);
			assert_false(heap_linked(&n->node));
			heap_remove(&h, &n->node);
		} else {
			n->key = chance() >> 20;
			heap_insert(&h, &n->node);
		}
		if (round % 50)
			continue;
		for (int i = 0; i < NODES; i++)
			if (heap_linked(&nodes[i].node) && (!least || nodes[i].key < least->key))
				least = &nodes[i];
		top = container_of_or_null(heap_peek(&h), struct node, node);
		assert_int_equal(top != NULL, least != NULL);
		if (top && least)
			assert_int_equal(top->key, least->key);
	}
}

static void test_a_heap_sorts(void **state)
{
	static struct node nodes[NODES];
	uint32_t last = 0, n = 0;
	struct heap h;

	(void)state;
	memset(nodes, 0, sizeof(nodes));
	heap_init(&h, before);
	assert_null(heap_peek(&h));
	for (int i = 0; i < NODES; i++) {
		nodes[i].key = chance() >> 8;
		heap_insert(&h, &nodes[i].node);
	}
	while (heap_peek(&h)) {
		struct node *first = container_of_or_null(heap_peek(&h), struct node, node);

		assert_true(first->key >= last);
		last = first->key;
		heap_remove(&h, &first->node);
		n++;
	}
	assert_int_equal(n, NODES);
}

static void test_an_arena_keeps_its_first_block(void **state)
{
	struct arena a;
	void *first;

	(void)state;
	arena_init(&a, 0);
	first = arena_alloc(&a, 100);
	assert_non_null(first);
	for (int i = 0; i < 100; i++)
		memset(arena_alloc(&a, 1000), 1, 1000);
	assert_true(a.total_bytes > 100000);
	arena_reset(&a);
	assert_true(a.total_bytes < 4096);
	fixture_fail_malloc(0);
	assert_ptr_equal(arena_alloc(&a, 100), first);
	assert_int_equal(fixture_fail_malloc(0), 0);
	arena_deinit(&a);
	arena_deinit(&a);
	assert_int_equal(a.total_bytes, 0);
}

static void test_what_an_arena_gives_is_aligned_and_apart(void **state)
{
	struct arena a;
	char *last = NULL;

	(void)state;
	arena_init(&a, 0);
	for (size_t n = 1; n < 300; n++) {
		char *p = arena_alloc(&a, n);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		memset(p, (int)n, n);
		if (last)
			assert_int_equal((unsigned char)*last, (n - 1) & 0xff);
		last = p;
	}
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	arena_deinit(&a);
}

static void test_an_arena_keeps_its_limit(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 10000);
	assert_null(arena_alloc(&a, 10001));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX / 2));
	assert_non_null(arena_alloc(&a, 8000));
	while (arena_alloc(&a, 500))
		assert_true(a.total_bytes <= 10000);
	/* A large first block is not kept. */
	arena_reset(&a);
	assert_int_equal(a.total_bytes, 0);
	assert_non_null(arena_alloc(&a, 500));
	fixture_fail_malloc(1);
	assert_null(arena_alloc(&a, 5000));
	fixture_fail_malloc(0);
	assert_null(arena_strndup(&a, "abc", 20000));
	arena_deinit(&a);
}

static void test_a_buffer_gives_back_what_was_put_in(void **state)
{
	struct buf b = BUF_NULL;
	uint8_t written = 0, read = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t n = chance() >> 16 & 0x3ff;
		uint8_t *at = buf_reserve(&b, n);

		assert_non_null(at);
		for (size_t i = 0; i < n; i++)
			at[i] = written++;
		buf_added(&b, n);
		n = chance() >> 16 & 0x3ff;
		n = MIN(n, buf_len(&b));
		for (size_t i = 0; i < n; i++)
			assert_int_equal(buf_at(&b)[i], read++);
		buf_consume(&b, n);
	}
	assert_true(b.capacity < 1 << 20);
	buf_deinit(&b);
	buf_deinit(&b);
}

static void test_a_buffer_without_memory_is_unharmed(void **state)
{
	struct buf b = BUF_NULL;
	static const char large[5000];

	(void)state;
	assert_int_equal(buf_append(&b, "", 0), 0);
	assert_int_equal(buf_append(&b, "abc", 3), 0);
	fixture_fail_malloc(1);
	assert_int_equal(buf_append(&b, large, sizeof(large)), -ENOMEM);
	fixture_fail_malloc(0);
	assert_null(buf_reserve(&b, SIZE_MAX - 1));
	assert_int_equal(buf_len(&b), 3);
	assert_memory_equal(buf_at(&b), "abc", 3);
	assert_int_equal(buf_append(&b, large, sizeof(large)), 0);
	buf_reset(&b, 100000);
	assert_true(b.capacity > 5000 && buf_len(&b) == 0);
	buf_reset(&b, 100);
	assert_int_equal(b.capacity, 0);
}

static void test_quantiles_are_off_by_an_eighth_at_most(void **state)
{
	static struct hist h;

	(void)state;
	memset(&h, 0, sizeof(h));
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	for (uint64_t i = 1; i <= 100000; i++)
		hist_add(&h, i);
	for (double q = 0.01; q < 1; q += 0.01) {
		double exact = q * 100000, got = (double)hist_quantile(&h, q);

		assert_true(got >= exact - 1 && got <= exact * (1 + 1.0 / HIST_STEPS) + 1);
	}
	assert_int_equal(hist_quantile(&h, 1), 100000);
	assert_int_equal(h.max, 100000);
	assert_int_equal(h.count, 100000);
	assert_int_equal(h.sum, UINT64_C(100000) * 100001 / 2);
	assert_true(hist_count_to(&h, 50000) >= 50000 && hist_count_to(&h, 50000) < 57000);
	assert_int_equal(hist_count_to(&h, UINT64_MAX), 100000);
}

static void test_every_value_has_a_bucket_that_holds_it(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 64; shift++)
		for (int off = -1; off <= 1; off++) {
			uint64_t v = (UINT64_C(1) << shift) + (uint64_t)off;
			struct hist h = { .count = 0 };

			hist_add(&h, v);
			assert_int_equal(hist_quantile(&h, 0.5), v);
			assert_int_equal(hist_count_to(&h, v), 1);
			if (v > 1 && v < UINT64_C(1) << HIST_OCTAVES)
				assert_int_equal(
					hist_count_to(&h, v - MAX(v / HIST_STEPS, UINT64_C(1)) - 1),
					0);
		}
}

static void test_histograms_add_up_and_fade(void **state)
{
	static struct hist a, b;

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	for (int i = 0; i < 100; i++)
		hist_add(&a, 10);
	hist_add(&b, 1000000);
	hist_merge(&a, &b);
	assert_int_equal(a.count, 101);
	assert_int_equal(a.max, 1000000);
	hist_halve(&a);
	assert_int_equal(a.count, 50);
	assert_int_equal(a.max, 10);
	assert_int_equal(hist_quantile(&a, 0.99), 10);
}

static void test_what_came_since_a_copy(void **state)
{
	static struct hist h, before, since;

	(void)state;
	memset(&h, 0, sizeof(h));
	for (int i = 0; i < 100; i++)
		hist_add(&h, 1000000);
	before = h;
	hist_since(&h, &before, &since);
	assert_int_equal(since.count, 0);
	assert_int_equal(hist_quantile(&since, 0.99), 0);
	for (int i = 0; i < 10; i++)
		hist_add(&h, 7);
	hist_since(&h, &before, &since);
	assert_int_equal(since.count, 10);
	assert_int_equal(since.sum, 70);
	assert_int_equal(since.max, 7);
	assert_int_equal(hist_quantile(&since, 0.99), 7);
}

static void note_often(struct pace *p, unsigned times, usec waited)
{
	while (times-- > 0)
		pace_note(p, waited, 50);
}

static void test_short_waits_make_the_pace_quick(void **state)
{
	struct pace p = { 0 };

	(void)state;
	assert_false(pace_is_quick(&p));
	pace_note(&p, 49, 50);
	assert_true(pace_is_quick(&p));
	pace_note(&p, 50, 50);
	assert_false(pace_is_quick(&p));
}

/* As when answers come soon and the next question late: half of the polling would be in vain. */
static void test_every_other_wait_being_long_is_not_quick(void **state)
{
	struct pace p = { 0 };

	(void)state;
	note_often(&p, 1000, 1);
	for (unsigned i = 0; i < PACE_MOST; i++) {
		pace_note(&p, 1000, 50);
		pace_note(&p, 1, 50);
	}
	assert_false(pace_is_quick(&p));
}

static void test_the_past_is_forgotten_soon(void **state)
{
	struct pace p = { 0 };

	(void)state;
	note_often(&p, 1000000, 1000);
	note_often(&p, PACE_MOST + 1, 1);
	assert_true(pace_is_quick(&p));
	note_often(&p, 1000000, 1);
	note_often(&p, PACE_MOST / 2, 1000);
	assert_false(pace_is_quick(&p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_heap_gives_the_first_whatever_was_taken_out),
		cmocka_unit_test(test_a_heap_sorts),
		cmocka_unit_test(test_an_arena_keeps_its_first_block),
		cmocka_unit_test(test_what_an_arena_gives_is_aligned_and_apart),
		cmocka_unit_test(test_an_arena_keeps_its_limit),
		cmocka_unit_test(test_a_buffer_gives_back_what_was_put_in),
		cmocka_unit_test(test_a_buffer_without_memory_is_unharmed),
		cmocka_unit_test(test_quantiles_are_off_by_an_eighth_at_most),
		cmocka_unit_test(test_every_value_has_a_bucket_that_holds_it),
		cmocka_unit_test(test_histograms_add_up_and_fade),
		cmocka_unit_test(test_what_came_since_a_copy),
		cmocka_unit_test(test_short_waits_make_the_pace_quick),
		cmocka_unit_test(test_every_other_wait_being_long_is_not_quick),
		cmocka_unit_test(test_the_past_is_forgotten_soon),
	};

	return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
