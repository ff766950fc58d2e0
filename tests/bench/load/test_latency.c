/* SPDX-License-Identifier: MIT */
/* The histogram against sorted values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "latency.h"
#include "random.h"
#include "util/macro.h"

enum {
	VALUES = 20000,
};

static const double quantiles[] = { 0, 0.01, 0.5, 0.9, 0.99, 0.999, 1 };

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of any size, small ones as often as large ones. */
static void fill(uint64_t *values, struct latency *l, uint64_t seed)
{
	for (unsigned i = 0; i < VALUES; i++) {
		values[i] = random_next(&seed) >> (24 + random_upto(&seed, 39));
		latency_record(l, values[i]);
	}
	qsort(values, VALUES, sizeof(*values), compare);
}

static void test_a_quantile_is_at_most_a_step_too_high(void **state)
{
	static uint64_t values[VALUES];
	static struct latency l;

	(void)state;
	fill(values, &l, 7);
	for (unsigned i = 0; i < ARRAY_LEN(quantiles); i++) {
		size_t rank = (size_t)(quantiles[i] * VALUES);
		uint64_t exact = values[rank > 0 ? rank - 1 : 0];
		uint64_t found = latency_quantile_ns(&l, quantiles[i]);

		assert_true(found >= exact);
		assert_true(found <= exact + exact / LATENCY_STEPS + 1);
	}
	assert_int_equal(latency_quantile_ns(&l, 1), values[VALUES - 1]);
}

static void test_merged_is_as_if_recorded_in_one(void **state)
{
	static uint64_t values[VALUES];
	static struct latency one, a, b;

	(void)state;
	fill(values, &one, 1);
	fill(values, &one, 2);
	fill(values, &a, 1);
	fill(values, &b, 2);
	latency_merge(&a, &b);
	assert_int_equal(a.count, one.count);
	assert_int_equal(a.max_ns, one.max_ns);
	assert_memory_equal(a.buckets, one.buckets, sizeof(one.buckets));
	assert_true(latency_mean_ns(&a) / latency_mean_ns(&one) > 0.999999);
	assert_true(latency_mean_ns(&a) / latency_mean_ns(&one) < 1.000001);
}

static void test_mean_and_deviation(void **state)
{
	static struct latency l;

	(void)state;
	assert_true(latency_mean_ns(&l) == 0 && latency_deviation_ns(&l) == 0);
	assert_int_equal(latency_quantile_ns(&l, 0.99), 0);
	latency_record(&l, 10);
	latency_record(&l, 30);
	assert_true(latency_mean_ns(&l) == 20);
	assert_true(latency_deviation_ns(&l) == 10);
}

static void test_what_is_longer_than_the_longest_counts_there(void **state)
{
	static struct latency l;

	(void)state;
	latency_record(&l, UINT64_MAX);
	latency_record(&l, (UINT64_C(1) << LATENCY_OCTAVES) - 1);
	assert_int_equal(l.buckets[LATENCY_BUCKETS - 1], 2);
	assert_true(latency_quantile_ns(&l, 1) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_quantile_is_at_most_a_step_too_high),
		cmocka_unit_test(test_merged_is_as_if_recorded_in_one),
		cmocka_unit_test(test_mean_and_deviation),
		cmocka_unit_test(test_what_is_longer_than_the_longest_counts_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
