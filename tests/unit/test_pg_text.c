/* SPDX-License-Identifier: MIT */
/* The table of statements, and packed parameters on their way to libpq. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg/conn.h"
#include "pg/packed.h"
#include "pg/text.h"
#include "util/macro.h"

static struct pg_text *get(struct pg_texts *texts, const char *sql)
{
	struct pg_text *t;

	assert_int_equal(pg_texts_get(texts, sql, strlen(sql), NULL, 0, &t), 0);
	return t;
}

static void test_the_same_text_is_one_entry(void **state)
{
	static const uint32_t types[] = { 23 };
	struct pg_texts *texts;
	struct pg_text *a, *b, *typed;

	(void)state;
	assert_int_equal(pg_texts_new(&texts, 1 << 20, 1), 0);
	a = get(texts, "SELECT 1");
	b = get(texts, "SELECT 1");
	assert_ptr_equal(a, b);
	assert_int_equal(a->uses, 2);
	assert_int_equal(pg_texts_get(texts, "SELECT 1", 8, types, 1, &typed), 0);
	assert_ptr_not_equal(a, typed);
	assert_true(a->id != 0 && a->id != typed->id);
	pg_text_unref(a);
	pg_text_unref(b);
	pg_text_unref(typed);
	texts = pg_texts_free(texts);
	assert_null(texts);
}

static void test_an_id_finds_its_text_and_no_other(void **state)
{
	struct pg_texts *texts;
	struct pg_text *a, *found;

	(void)state;
	assert_int_equal(pg_texts_new(&texts, 1 << 20, 2), 0);
	a = get(texts, "SELECT 1");
	found = pg_texts_by_id(texts, a->id);
	assert_ptr_equal(found, a);
	assert_null(pg_texts_by_id(texts, a->id + 1));
	pg_text_unref(found);
	pg_text_unref(a);
	pg_texts_free(texts);
}

static void test_the_table_is_bounded_and_keeps_what_is_used(void **state)
{
	struct pg_texts *texts;
	struct pg_text *kept, *t;
	uint64_t dropped;
	char sql[64];

	(void)state;
	assert_int_equal(pg_texts_new(&texts, 16384, 3), 0);
	kept = get(texts, "SELECT 'in use'");
	t = get(texts, "SELECT 'the first'");
	dropped = t->id;
	pg_text_unref(t);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(sql, sizeof(sql), "SELECT %d", i);
		t = get(texts, sql);
		pg_text_unref(t);
	}
	assert_null(pg_texts_by_id(texts, dropped));
	t = pg_texts_by_id(texts, kept->id);
	assert_ptr_equal(t, kept);
	pg_text_unref(t);
	pg_text_unref(kept);
	pg_texts_free(texts);
}

static void test_run_times_are_learnt(void **state)
{
	struct pg_text t = { .uses = 0 };

	(void)state;
	assert_int_equal(pg_text_expected_us(&t), 0);
	for (int i = 0; i < 100; i++)
		pg_text_ran(&t, 1000, 10);
	assert_in_range(pg_text_expected_us(&t), 1000, 1100);
	for (int i = 0; i < 100; i++)
		pg_text_ran(&t, 100, 10);
	assert_in_range(pg_text_expected_us(&t), 100, 200);
	assert_int_equal(t.max_result_bytes, 10);
}

static void test_what_is_slow_once_in_a_hundred_times_is_not_short(void **state)
{
	struct pg_text t = { .uses = 0 };

	(void)state;
	assert_true(pg_text_is_short(&t, 5000));
	for (int i = 0; i < 20000; i++)
		pg_text_ran(&t, i % 500 == 0 ? 20000 : 200, 10);
	assert_true(pg_text_is_short(&t, 5000));
	for (int i = 0; i < 20000; i++)
		pg_text_ran(&t, i % 100 == 0 ? 20000 : 200, 10);
	assert_in_range(pg_text_expected_us(&t), 200, 5000);
	assert_false(pg_text_is_short(&t, 5000));
	for (int i = 0; i < 20000; i++)
		pg_text_ran(&t, 200, 10);
	assert_true(pg_text_is_short(&t, 5000));
}

static void test_parameters_are_handed_over_set_by_set(void **state)
{
	/* Two sets of ("ab", NULL, ""), and the byte behind them that is ours. */
	uint8_t bytes[] = { 2, 0, 0, 0,   'a', 'b', 255, 255, 255, 255, 0, 0, 0, 0, 2,
			    0, 0, 0, 'c', 'd', 255, 255, 255, 255, 0,   0, 0, 0, 9 };
	static const char *const first[] = { "ab", "cd" };
	struct pg_text text = { .n_types = 0 };
	struct pg_statement s = {
		.text = &text,
		.n_params = 3,
		.params = bytes,
		.params_bytes = sizeof(bytes) - 1,
		.n_sets = 2,
	};
	struct pg_params p;

	(void)state;
	assert_int_equal(pg_params_init(&p, &s), 0);
	for (int set = 0; set < 2; set++) {
		pg_params_next(&p);
		assert_string_equal(p.values[0], first[set]);
		assert_null(p.values[1]);
		assert_string_equal(p.values[2], "");
		assert_int_equal(p.lengths[0], 2);
	}
	pg_params_deinit(&p);
}

static void test_parameters_that_do_not_add_up_are_refused(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t n;
		uint32_t n_params;
		uint32_t format;
		int expected;
	} cases[] = {
		{ { 2, 0, 0, 0, 'a', 'b' }, 6, 1, 0, 0 },
		{ { 2, 0, 0, 0, 'a' }, 5, 1, 0, PG_CALL_E_PARAMETERS },         /* too short */
		{ { 2, 0, 0, 0, 'a', 'b', 0 }, 7, 1, 0, PG_CALL_E_PARAMETERS }, /* too long */
		/* half a length */
		{ { 2, 0, 0 }, 3, 1, 0, PG_CALL_E_PARAMETERS },
		{ { 254, 255, 255, 255 }, 4, 1, 0, PG_CALL_E_PARAMETERS }, /* length -2 */
		/* length of 2 GiB */
		{ { 255, 255, 255, 127 }, 4, 1, 0, PG_CALL_E_PARAMETERS },
		/* zero byte in a text */
		{ { 2, 0, 0, 0, 'a', 0 }, 6, 1, 0, PG_CALL_E_PARAMETERS },
		/* ... but not in a binary */
		{ { 2, 0, 0, 0, 'a', 0 }, 6, 1, 1, 0 },
		{ { 0 }, 0, 0, 0, 0 },
		{ { 0 }, 0, 1, 0, PG_CALL_E_PARAMETERS },
	};
	struct pg_text text = { .n_types = 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t copy[9] = { 0 };
		struct pg_statement s = {
			.text = &text,
			.n_params = cases[i].n_params,
			.formats = &cases[i].format,
			.n_formats = 1,
			.params = copy,
			.params_bytes = cases[i].n,
			.n_sets = 1,
		};

		memcpy(copy, cases[i].bytes, sizeof(cases[i].bytes));
		assert_int_equal(pg_params_check(&s), cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_text_is_one_entry),
		cmocka_unit_test(test_an_id_finds_its_text_and_no_other),
		cmocka_unit_test(test_the_table_is_bounded_and_keeps_what_is_used),
		cmocka_unit_test(test_run_times_are_learnt),
		cmocka_unit_test(test_what_is_slow_once_in_a_hundred_times_is_not_short),
		cmocka_unit_test(test_parameters_are_handed_over_set_by_set),
		cmocka_unit_test(test_parameters_that_do_not_add_up_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
