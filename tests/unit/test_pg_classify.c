/* SPDX-License-Identifier: MIT */
/* What pg_classify() tells of a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pg/builtin.h"
#include "pg/classify.h"
#include "util/macro.h"

static struct pg_class classify(const char *sql)
{
	return pg_classify(sql, strlen(sql));
}

static void test_plain_reads_may_share_a_connection(void **state)
{
	static const char *const texts[] = {
		"SELECT 1",
		"  -- why\n select abalance from pgbench_accounts where aid = $1",
		"/* a /* nested */ comment */ VALUES (1), (2)",
		"TABLE t",
		"WITH x AS (SELECT count(*) FROM t) SELECT max(count) FROM x",
		"SELECT coalesce(a, 'set') FROM t WHERE b IN (1, 2) AND c LIKE '%nextval(%'",
		"SELECT $$ BEGIN; SET x = 1 $$, $tag$ $$ ; LISTEN $tag$",
		"SELECT E'it\\'s; SET' , 'it''s; SET'",
		"SELECT \"set\" FROM \"select\"",
		"SELECT 1;",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct pg_class class = classify(texts[i]);

		if (!class.simple_read)
			fail_msg("not a simple read: %s", texts[i]);
		assert_int_equal(class.touch, 0);
		assert_null(class.session_word);
		assert_false(class.several);
	}
}

static void test_statements_that_change_the_session_need_one(void **state)
{
	static const struct {
		const char *sql;
		const char *word;
		unsigned touch;
	} cases[] = {
		{ "SET work_mem = '1MB'", "set", PG_TOUCH_SETTINGS },
		{ "set role nobody", "set", PG_TOUCH_SETTINGS | PG_TOUCH_ROLE },
		{ "SET SESSION AUTHORIZATION x", "set", PG_TOUCH_SETTINGS | PG_TOUCH_ROLE },
		{ "SET LOCAL work_mem = '1MB'", "set", 0 },
		{ "SET LOCAL ROLE nobody", "set", 0 },
		{ "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "set", 0 },
		{ "SET CONSTRAINTS ALL DEFERRED", "set", 0 },
		{ "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "set",
		  PG_TOUCH_SETTINGS },
		{ "SET LOCAL a.b = 1; SET c.d = 2", "set", PG_TOUCH_SETTINGS },
		{ "BEGIN", "begin", 0 },
		{ "LISTEN x", "listen", PG_TOUCH_LISTEN },
		{ "PREPARE p AS SELECT 1", "prepare", PG_TOUCH_PREPARED },
		{ "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "declare", PG_TOUCH_CURSORS },
		{ "CREATE TEMP TABLE t (a int)", "TEMPORARY", PG_TOUCH_TEMP },
		{ "CREATE LOCAL TEMPORARY TABLE t (a int)", "TEMPORARY", PG_TOUCH_TEMP },
		{ "SELECT 1 INTO TEMP t", "TEMPORARY", PG_TOUCH_TEMP },
		{ "CREATE TABLE pg_temp.t (a int)", "pg_temp", PG_TOUCH_TEMP },
		{ "SELECT pg_advisory_lock(1)", "pg_advisory_lock()", PG_TOUCH_LOCKS },
		{ "SELECT pg_catalog.pg_advisory_lock (1)", "pg_advisory_lock()", PG_TOUCH_LOCKS },
		{ "SELECT SET_CONFIG('a', 'b', false)", "set_config()",
		  PG_TOUCH_SETTINGS | PG_TOUCH_ROLE },
		{ "SELECT \"set_config\"('a', 'b', false)", "set_config()",
		  PG_TOUCH_SETTINGS | PG_TOUCH_ROLE },
		{ "SELECT 1; SET x = 1", "set", PG_TOUCH_SETTINGS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pg_class class = classify(cases[i].sql);

		if (!class.session_word || strcmp(class.session_word, cases[i].word) != 0)
			fail_msg("%s: told \"%s\"", cases[i].sql,
				 class.session_word ? class.session_word : "nothing");
		if (class.touch != cases[i].touch)
			fail_msg("%s: touches %x, not %x", cases[i].sql, class.touch,
				 cases[i].touch);
		assert_false(class.simple_read);
	}
}

static void test_what_is_not_known_counts_as_anything(void **state)
{
	(void)state;
	assert_int_equal(classify("SELECT my_function(1)").touch, PG_TOUCH_UNKNOWN);
	assert_int_equal(classify("SELECT public.my_function(1)").touch, PG_TOUCH_UNKNOWN);
	assert_int_equal(classify("SELECT query_to_xml('set x = 1', true, true, '')").touch,
			 PG_TOUCH_UNKNOWN);
	assert_int_equal(classify("DO $$ begin end $$").touch, PG_TOUCH_UNKNOWN);
	assert_int_equal(classify("FROBNICATE x").touch, PG_TOUCH_UNKNOWN);
	assert_false(classify("SELECT my_function(1)").simple_read);
}

static void test_tables_with_column_lists_are_no_calls(void **state)
{
	(void)state;
	assert_int_equal(
		classify("INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING").touch,
		0);
	assert_int_equal(classify("INSERT INTO public.t (a) VALUES (1) RETURNING (a)").touch, 0);
	assert_int_equal(classify("WITH x (a) AS (SELECT 1) SELECT a FROM x").touch, 0);
	assert_int_equal(classify("SELECT * FROM unnest(ARRAY[1]) AS u (a)").touch, 0);
	assert_int_equal(classify("CREATE INDEX ON t (lower(a))").touch, 0);
}

static void test_writes_are_no_reads(void **state)
{
	(void)state;
	assert_false(classify("INSERT INTO t VALUES (1)").reads_only);
	assert_false(classify("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x").reads_only);
	assert_false(classify("SELECT * FROM t FOR UPDATE").reads_only);
	assert_false(classify("SELECT * INTO u FROM t").reads_only);
	assert_false(classify("EXPLAIN ANALYZE DELETE FROM t").reads_only);
	assert_false(classify("SELECT nextval('s')").reads_only);
	assert_true(classify("EXPLAIN SELECT 1").reads_only);
	assert_int_equal(classify("SELECT nextval('s')").touch, PG_TOUCH_SEQUENCES);
	assert_true(classify("SELECT currval('s')").reads_sequence);
}

static void test_transaction_verbs_are_told(void **state)
{
	(void)state;
	assert_int_equal(classify("begin isolation level serializable").verb, PG_VERB_BEGIN);
	assert_int_equal(classify("START TRANSACTION").verb, PG_VERB_BEGIN);
	assert_int_equal(classify("COMMIT").verb, PG_VERB_COMMIT);
	assert_int_equal(classify("PREPARE TRANSACTION 'x'").verb, PG_VERB_COMMIT);
	assert_int_equal(classify("ROLLBACK").verb, PG_VERB_ROLLBACK);
	assert_int_equal(classify("ROLLBACK TO SAVEPOINT x").verb, PG_VERB_SAVEPOINT);
	assert_int_equal(classify("ROLLBACK WORK TO x").verb, PG_VERB_SAVEPOINT);
	assert_int_equal(classify("COMMIT PREPARED 'x'").verb, PG_VERB_NONE);
}

static void test_several_statements_and_none_are_told(void **state)
{
	(void)state;
	assert_true(classify("").empty);
	assert_true(classify(" -- nothing\n;; /* */").empty);
	assert_true(classify("SELECT 1; SELECT 2").several);
	assert_false(classify("SELECT ';'; -- ; \n").several);
	assert_true(classify("COPY t FROM STDIN").copy);
	assert_true(classify("COPY (SELECT 1) TO STDOUT (FORMAT binary)").copy);
	assert_false(classify("COPY t FROM '/tmp/x'").copy);
}

static void test_broken_texts_end(void **state)
{
	static const char *const texts[] = { "'", "\"",   "$a$", "$",  "/*",  "--", "E'\\",
					     "e", "\"\"", "$1$", "a.", "(((", "/**" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		(void)classify(texts[i]);
}

static void test_the_list_of_builtins_can_be_searched(void **state)
{
	(void)state;
	assert_true(pg_is_builtin("abs"));
	assert_true(pg_is_builtin("count"));
	assert_true(pg_is_builtin("now"));
	assert_true(pg_is_builtin("xmltable"));
	assert_false(pg_is_builtin("set_config"));
	assert_false(pg_is_builtin("pg_advisory_lock"));
	assert_false(pg_is_builtin(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_reads_may_share_a_connection),
		cmocka_unit_test(test_statements_that_change_the_session_need_one),
		cmocka_unit_test(test_what_is_not_known_counts_as_anything),
		cmocka_unit_test(test_tables_with_column_lists_are_no_calls),
		cmocka_unit_test(test_writes_are_no_reads),
		cmocka_unit_test(test_transaction_verbs_are_told),
		cmocka_unit_test(test_several_statements_and_none_are_told),
		cmocka_unit_test(test_broken_texts_end),
		cmocka_unit_test(test_the_list_of_builtins_can_be_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
