/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/json.h"
#include "http/series.h"
#include "http/text.h"
#include "util/hist.h"

static void assert_escaped(enum text_form form, const char *from, const char *to)
{
	struct text t = { .out_of_memory = false };

	text_escape(&t, form, from);
	text_put(&t, "%c", '\0');
	assert_string_equal((const char *)buf_at(&t.buf), to);
	text_deinit(&t);
}

/* What is UTF-8 passes, and each byte that is not becomes the replacement character. */
static void test_only_utf8_comes_out(void **state)
{
	(void)state;
	assert_escaped(TEXT_JSON, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		       "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_escaped(TEXT_JSON,
		       "\xff"
		       "a",
		       "\xef\xbf\xbd"
		       "a");
	assert_escaped(TEXT_JSON, "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"); /* longer than needed */
	assert_escaped(TEXT_JSON, "\xed\xa0\x80",
		       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
	assert_escaped(TEXT_JSON, "\xf4\x90\x80\x80",
		       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_escaped(TEXT_LABEL, "x\xe2\x82", "x\xef\xbf\xbd\xef\xbf\xbd"); /* cut off */
}

static void test_each_form_has_its_escapes(void **state)
{
	(void)state;
	assert_escaped(TEXT_JSON, "\"\\\n\t\x7f", "\\\"\\\\\\n\\u0009\\u007f");
	assert_escaped(TEXT_LABEL, "\"\\\n\t\x7f", "\\\"\\\\\\n\t\x7f");
}

/* Longer than what is printed on the stack first. */
static void test_a_long_text_is_put_whole(void **state)
{
	struct text t = { .out_of_memory = false };
	char word[1000];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	text_put(&t, "<%s>", word);
	assert_int_equal(buf_len(&t.buf), sizeof(word) + 1);
	assert_int_equal(buf_at(&t.buf)[sizeof(word)], '>');
	text_deinit(&t);
}

static void test_json_has_its_commas(void **state)
{
	struct text t = { .out_of_memory = false };
	struct json j = { .text = &t };

	(void)state;
	json_open(&j, NULL, '{');
	json_open(&j, "empty", '[');
	json_close(&j, ']');
	json_int(&j, "n", -1);
	json_open(&j, "list", '[');
	json_uint(&j, NULL, 1);
	json_bool(&j, NULL, true);
	json_tenths(&j, NULL, 2.25);
	json_close(&j, ']');
	json_string(&j, "s", "\"");
	json_close(&j, '}');
	text_put(&t, "%c", '\0');
	assert_string_equal((const char *)buf_at(&t.buf),
			    "{\"empty\":[],\"n\":-1,\"list\":[1,true,2.2],\"s\":\"\\\"\"}");
	text_deinit(&t);
}

static void test_a_histogram_is_told_in_seconds(void **state)
{
	struct text t = { .out_of_memory = false };
	struct series s = series_of(&t, "x", "main");
	struct hist h = { .count = 0 };
	const char *text;

	(void)state;
	hist_add(&h, 90);
	hist_add(&h, 2000000);
	series_put_times(&s, &h);
	text_put(&t, "%c", '\0');
	text = (const char *)buf_at(&t.buf);
	assert_non_null(strstr(text, "x_bucket{pool=\"main\",le=\"0.0001\"} 1\n"));
	assert_non_null(strstr(text, "x_bucket{pool=\"main\",le=\"1\"} 1\n"));
	assert_non_null(strstr(text, "x_bucket{pool=\"main\",le=\"2.5\"} 2\n"));
	assert_non_null(strstr(text, "x_bucket{pool=\"main\",le=\"+Inf\"} 2\n"));
	assert_non_null(strstr(text, "x_count{pool=\"main\"} 2\nx_sum{pool=\"main\"} 2.000090\n"));
	text_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_utf8_comes_out),
		cmocka_unit_test(test_each_form_has_its_escapes),
		cmocka_unit_test(test_a_long_text_is_put_whole),
		cmocka_unit_test(test_json_has_its_commas),
		cmocka_unit_test(test_a_histogram_is_told_in_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
