/* SPDX-License-Identifier: MIT */
/* `sidepool top` without a terminal and without a daemon: samples made by hand, a screen of characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <locale.h>

#include "ctl/text.h"
#include "ctl/top-layout.h"
#include "ctl/top-reason.h"

enum {
	LINES = 60,
	BYTES = 1024,
};

struct paper {
	char lines[LINES][BYTES];
	unsigned styles[LINES];
	size_t n, columns;
};

static void put(void *userdata, size_t line, size_t column, unsigned style, const char *text,
		size_t bytes)
{
	struct paper *p = userdata;
	size_t at = 0, width = 0, n;

	assert_true(line < p->n);
	assert_true(column + text_width(text, bytes) <= p->columns);
	for (; width < column && p->lines[line][at]; at += n) {
		n = text_char_bytes(p->lines[line] + at);
		width += text_width(p->lines[line] + at, n);
	}
	for (; width < column; width++)
		p->lines[line][at++] = ' ';
	memmove(p->lines[line] + at, text, bytes);
	memset(p->lines[line] + at + bytes, 0, BYTES - at - bytes);
	p->styles[line] |= style;
}

static void draw(struct paper *p, struct top_view *v, const struct top_sample *s, size_t lines,
		 size_t columns)
{
	struct top_sink sink = { put, p, lines, columns };
	struct top_now now = { .clock = "10:42:07" };

	*p = (struct paper){ .n = lines, .columns = columns };
	assert_true(top_layout(v, s, &now, &sink));
}

/* The first line that begins so; NULL: none. */
static const char *line_of(const struct paper *p, const char *begin)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strncmp(p->lines[i], begin, strlen(begin)))
			return p->lines[i];
	return NULL;
}

static void assert_has(const char *line, const char *word)
{
	if (!line || !strstr(line, word))
		fail_msg("'%s' is not in '%s'", word, line ? line : "(no line)");
}

/* Fields and values in turn, up to NULL. */
static void add(struct top_sample *s, enum top_section section, ...)
{
	struct top_row *row = top_sample_row(s, section);
	const char *field;
	va_list more;

	assert_non_null(row);
	va_start(more, section);
	while ((field = va_arg(more, const char *)))
		top_sample_set(s, section, row, field, va_arg(more, const char *));
	va_end(more);
}

static struct top_sample *new_sample(uint64_t now_us)
{
	struct top_sample *s = top_sample_new(now_us);

	assert_non_null(s);
	s->level = "degraded";
	return s;
}

static void add_pool(struct top_sample *s, const char *in_use, const char *limit,
		     const char *breaker, const char *paused)
{
	add(s, TOP_POOLS, "name", "main", "in_use", in_use, "limit_in_force", limit, "max_size",
	    "5", "breaker", breaker, "paused", paused, "queries_total", "100", NULL);
}

static void add_waiting(struct top_sample *s, const char *id, const char *application,
			const char *age_ms, const char *lease)
{
	add(s, TOP_WAITING, "request_id", id, "application", application, "pool", "main", "age_ms",
	    age_ms, "lease_id", lease, "statement", "SELECT 1", NULL);
}

static const char *why(const struct top_sample *s, enum top_section section, size_t row)
{
	return top_cell(&s->tables[section], &s->tables[section].rows[row], "WHY")->text;
}

static void test_why_a_request_waits(void **state)
{
	static const struct {
		const char *in_use, *limit, *breaker, *paused, *max, *held, *lease, *why;
	} cases[] = {
		{ "5", "5", "closed", "f", "0", "1", "0", "all 5 in use" },
		{ "3", "3", "closed", "f", "0", "1", "0", "all 3 in use, the limit now" },
		{ "3", "5", "closed", "f", "2", "2", "0", "api has its max, 2" },
		{ "3", "5", "open", "f", "2", "2", "0", "breaker of main: open" },
		{ "3", "5", "half_open", "t", "2", "2", "0", "main is paused" },
		{ "5", "5", "closed", "t", "2", "2", "9", "its lease 9 is busy" },
		{ "1", "5", "closed", "f", "2", "1", "0", "next to come" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct top_sample *s = new_sample(1);

		add_pool(s, cases[i].in_use, cases[i].limit, cases[i].breaker, cases[i].paused);
		add(s, TOP_APPLICATIONS, "name", "api", "in_use", cases[i].held, "max",
		    cases[i].max, "waiting", "1", NULL);
		add_waiting(s, "7", "api", "40", cases[i].lease);
		top_reason(s, NULL);
		assert_string_equal(why(s, TOP_WAITING, 0), cases[i].why);
		assert_string_equal(why(s, TOP_APPLICATIONS, 0), cases[i].why);
		top_sample_free(s);
	}
}

/* Its share may bear a pattern, or be the one of all that have none. */
static void test_a_share_need_not_bear_the_name_of_its_application(void **state)
{
	struct top_sample *s = new_sample(1);

	(void)state;
	add_pool(s, "3", "5", "closed", "f");
	add(s, TOP_APPLICATIONS, "name", "others", "in_use", "1", "max", "1", "waiting", "1", NULL);
	add(s, TOP_APPLICATIONS, "name", "seed-*", "in_use", "2", "max", "2", "waiting", "1", NULL);
	add(s, TOP_APPLICATIONS, "name", "seed-1", "in_use", "0", "max", "2", "waiting", "1", NULL);
	add_waiting(s, "7", "seed-users", "40", "0");
	add_waiting(s, "8", "seed-1", "40", "0");
	add_waiting(s, "9", "nobody", "40", "0");
	top_reason(s, NULL);
	assert_string_equal(why(s, TOP_WAITING, 0), "seed-* has its max, 2");
	assert_string_equal(why(s, TOP_APPLICATIONS, 1), "seed-* has its max, 2");
	assert_string_equal(why(s, TOP_WAITING, 1), "next to come");
	assert_string_equal(why(s, TOP_APPLICATIONS, 2), "next to come");
	assert_string_equal(why(s, TOP_WAITING, 2), "others has its max, 1");
	assert_string_equal(why(s, TOP_APPLICATIONS, 0), "others has its max, 1");
	top_sample_free(s);
}

/* The pool is full: who has had one for longest is named. */
static void test_the_longest_lease_is_blamed(void **state)
{
	struct top_sample *s = new_sample(1);

	(void)state;
	add_pool(s, "5", "5", "closed", "f");
	add(s, TOP_LEASES, "lease_id", "3", "pool", "main", "application", "api", "held_ms", "2000",
	    NULL);
	add(s, TOP_LEASES, "lease_id", "4", "pool", "main", "application", "cron", "held_ms",
	    "61000", "state", "idle in transaction", "state_ms", "60000", "call_site", "a.ts:8",
	    "blame", "pid 4 cron a.ts:8 idle in transaction 60 s, 6 of api waiting", NULL);
	add(s, TOP_LEASES, "lease_id", "5", "pool", "other", "application", "x", "held_ms", "99000",
	    NULL);
	add_waiting(s, "7", "api", "40", "0");
	top_reason(s, NULL);
	assert_string_equal(why(s, TOP_WAITING, 0), "all 5 in use; cron has one for 1m01s");
	assert_string_equal(why(s, TOP_LEASES, 1), "6 of api waiting, a.ts:8");
	assert_int_equal(s->tables[TOP_LEASES].rows[0].level, TOP_GOOD);
	assert_int_equal(s->tables[TOP_LEASES].rows[1].level, TOP_BAD);
	top_sample_free(s);
}

static void test_rates_are_by_the_second_and_survive_a_restart(void **state)
{
	static const struct {
		uint64_t before_us;
		const char *queries;
		uint64_t tenths;
	} cases[] = { { 1000000, "50", 250 }, { 2000000, "100", 0 }, { 1000000, "900", 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct top_sample *before = new_sample(cases[i].before_us);
		struct top_sample *s = new_sample(3000000);
		const struct top_table *t = &s->tables[TOP_POOLS];

		add(before, TOP_POOLS, "name", "main", "queries_total", cases[i].queries, NULL);
		add_pool(s, "1", "5", "closed", "f");
		top_reason(s, before);
		assert_int_equal(top_cell(t, &t->rows[0], "QUERIES/s")->number, cases[i].tenths);
		top_sample_free(before);
		top_sample_free(s);
	}
}

static void test_troubles_stand_worst_first_and_are_bounded(void **state)
{
	struct top_sample *s = new_sample(1);

	(void)state;
	top_reason_check(s, "healthy", "All is well.", "");
	assert_int_equal(s->n_troubles, 0);
	for (int i = 0; i < 40; i++)
		top_reason_check(s, i == 30 ? "unhealthy" : "degraded", i ? "More." : "First.",
				 "Do.");
	assert_int_equal(s->n_troubles, 16);
	assert_int_equal(s->troubles[0].level, TOP_BAD);
	assert_string_equal(s->troubles[1].text, "First. Do.");
	top_sample_free(s);
}

static struct top_sample *busy(void)
{
	static const char *const names[] = { "b", "c", "a" };
	struct top_sample *s = new_sample(1);
	char id[16], age[16];

	add_pool(s, "5", "5", "closed", "f");
	for (int i = 0; i < 30; i++) {
		snprintf(id, sizeof(id), "%d", 100 + i);
		snprintf(age, sizeof(age), "%d", i % 2 ? 1000 + i : 500);
		add_waiting(s, id, names[i % 3], age, "0");
	}
	add(s, TOP_LEASES, "lease_id", "16827609566341496834", "application",
	    "b\xc3\xbc"
	    "cher-\xe6\x97\xa5\xe6\x9c\xac-of-a-very-long-name-indeed",
	    "pool", "main", "held_ms", "90000000", "state", "idle", "call_site", "x\x1b[31m\ny.c:1",
	    NULL);
	top_reason(s, NULL);
	return s;
}

static void press(struct top_view *v, const struct top_sample *s, const char *keys)
{
	while (*keys)
		top_view_key(v, s, (unsigned char)*keys++);
}

/* Ids of all rows that wait, one behind the other. */
static const char *order(const struct top_view *v, const struct top_sample *s, size_t most)
{
	static char text[512];
	size_t n, len = 0;
	const struct top_row **rows = top_view_rows(v, s, TOP_WAITING, &n);

	text[0] = '\0';
	for (size_t i = 0; i < n && i < most; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ",
					rows[i]->cells[0].text);
	free(rows);
	return text;
}

static void test_rows_are_sorted_both_ways_and_ties_keep_their_order(void **state)
{
	struct top_sample *s = busy();
	struct top_view v;

	(void)state;
	top_view_init(&v, 2000);
	assert_string_equal(order(&v, s, 3), "129 127 125 ");
	press(&v, s, "5r");
	assert_string_equal(order(&v, s, 3), "100 102 104 ");
	press(&v, s, "<<<");
	assert_string_equal(order(&v, s, 12), "102 105 108 111 114 117 120 123 126 129 100 103 ");
	press(&v, s, "r");
	assert_string_equal(order(&v, s, 3), "101 104 107 ");
	top_sample_free(s);
}

static void test_the_filter_is_typed_and_taken_away(void **state)
{
	struct top_sample *s = busy();
	struct top_view v;

	(void)state;
	top_view_init(&v, 2000);
	press(&v, s, "/B\xc3\xbc");
	assert_string_equal(order(&v, s, 99), "");
	top_view_key(&v, s, TOP_KEY_BACKSPACE);
	assert_string_equal(v.filter, "B");
	top_view_key(&v, s, TOP_KEY_ENTER);
	assert_string_equal(order(&v, s, 2), "127 121 "); /* the case does not count */
	assert_false(v.quit);
	top_view_key(&v, s, TOP_KEY_ESCAPE);
	assert_string_equal(v.filter, "");
	press(&v, s, "/");
	for (int i = 0; i < 200; i++)
		press(&v, s, "q");
	assert_int_equal(strlen(v.filter), TOP_NAME_MAX - 1);
	assert_false(v.quit);
	top_sample_free(s);
}

/* It follows its row, and stays where it was when that has gone. */
static void test_the_selection_follows_its_row(void **state)
{
	struct top_sample *s = busy();
	const struct top_row **rows;
	struct top_view v;
	size_t n;

	(void)state;
	top_view_init(&v, 2000);
	press(&v, s, "5");
	top_view_key(&v, s, TOP_KEY_DOWN);
	assert_string_equal(v.looks[TOP_WAITING].selected, "127");
	press(&v, s, "r");
	rows = top_view_rows(&v, s, TOP_WAITING, &n);
	assert_string_equal(rows[top_view_selected(&v, TOP_WAITING, rows, n)]->cells[0].text,
			    "127");
	assert_int_equal(top_view_selected(&v, TOP_WAITING, rows, 3), 1);
	assert_int_equal(top_view_selected(&v, TOP_WAITING, rows, 1), 0);
	assert_int_equal(top_view_selected(&v, TOP_WAITING, rows, 0), 0);
	free(rows);
	top_view_key(&v, s, TOP_KEY_END);
	top_view_key(&v, s, TOP_KEY_DOWN);
	top_view_key(&v, s, TOP_KEY_PAGE_UP);
	top_view_key(&v, s, TOP_KEY_HOME);
	assert_int_equal(v.looks[TOP_WAITING].at, 0);
	top_sample_free(s);
}

static void test_the_interval_has_round_steps_and_ends(void **state)
{
	struct top_view v;

	(void)state;
	top_view_init(&v, 1500);
	press(&v, NULL, "+");
	assert_int_equal(v.interval_ms, 2000);
	press(&v, NULL, "++++++++++++");
	assert_int_equal(v.interval_ms, TOP_INTERVAL_MAX_MS);
	press(&v, NULL, "----------------");
	assert_int_equal(v.interval_ms, TOP_INTERVAL_MIN_MS);
}

/* put() holds each text to the screen. */
static void test_it_keeps_to_any_screen(void **state)
{
	struct top_sample *s = busy(), *empty = new_sample(1);
	struct top_view v;
	struct paper p;

	(void)state;
	top_view_init(&v, 2000);
	for (size_t lines = 0; lines <= LINES; lines += lines < 30 ? 1 : 10)
		for (size_t columns = 1; columns <= 200; columns += columns < 40 ? 1 : 13)
			for (int kind = 0; kind < 6; kind++) {
				v.alone = kind == 1;
				v.help = kind == 2;
				v.filtering = kind == 3;
				draw(&p, &v,
				     kind == 4   ? NULL
				     : kind == 5 ? empty
						 : s,
				     lines, columns);
			}
	top_sample_free(s);
	top_sample_free(empty);
}

static void test_what_is_on_80_by_24(void **state)
{
	struct top_sample *s = busy();
	struct top_view v;
	struct paper p;

	(void)state;
	top_view_init(&v, 2000);
	draw(&p, &v, s, 24, 80);
	assert_has(p.lines[0], "degraded  10:42:07");
	assert_has(line_of(&p, "main"), "5/5/5");
	assert_has(line_of(&p, "WAITING 1-"), "/30 APPLICATION");
	assert_has(line_of(&p, "129"), "all 5 in use; ");
	assert_has(line_of(&p, "1682"), "…");
	assert_has(line_of(&p, "1682"), "x\\x1B[31m y.c:1");
	assert_has(line_of(&p, "1682"), "1d01h");
	assert_has(line_of(&p, "sidepool revoke"), "16827609566341496834");
	assert_has(p.lines[23], "q quit");
	top_sample_free(s);
}

/* A narrow screen loses columns, and never the last part of a number. */
static void test_numbers_are_never_cut(void **state)
{
	struct top_sample *s = busy();
	struct top_view v;
	struct paper p;

	(void)state;
	top_view_init(&v, 2000);
	press(&v, s, "5");
	draw(&p, &v, s, 20, 46);
	assert_has(line_of(&p, "WAITING"), "AGE▼");
	assert_null(strstr(line_of(&p, "WAITING"), "PID"));
	assert_has(line_of(&p, "129"), " 1.0s all 5");
	top_sample_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_why_a_request_waits),
		cmocka_unit_test(test_a_share_need_not_bear_the_name_of_its_application),
		cmocka_unit_test(test_the_longest_lease_is_blamed),
		cmocka_unit_test(test_rates_are_by_the_second_and_survive_a_restart),
		cmocka_unit_test(test_troubles_stand_worst_first_and_are_bounded),
		cmocka_unit_test(test_rows_are_sorted_both_ways_and_ties_keep_their_order),
		cmocka_unit_test(test_the_filter_is_typed_and_taken_away),
		cmocka_unit_test(test_the_selection_follows_its_row),
		cmocka_unit_test(test_the_interval_has_round_steps_and_ends),
		cmocka_unit_test(test_it_keeps_to_any_screen),
		cmocka_unit_test(test_what_is_on_80_by_24),
		cmocka_unit_test(test_numbers_are_never_cut),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
