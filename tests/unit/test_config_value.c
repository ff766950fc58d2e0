/* SPDX-License-Identifier: MIT */
/* Every type of value, as text and back, and what is said of a text that is none. */
#include <stdio.h>

#include "config/distance.h"
#include "config/settings.h"
#include "config_fixture.h"
#include "util/macro.h"

struct sample {
	const char *setting; /* of [sidepool] */
	const char *text;
	const char *expected; /* as it is written back, or the message */
};

static int parse(const char *name, struct config *c, const char *text, enum setting_dialect dialect,
		 char *message)
{
	const struct setting *s = setting_find(SETTING_SECTION_SIDEPOOL, name);

	assert_non_null(s);
	return setting_parse(s, c, text, dialect, message, 512);
}

static void assert_reads_as(const struct sample *sample, enum setting_dialect dialect)
{
	const struct setting *s = setting_find(SETTING_SECTION_SIDEPOOL, sample->setting);
	struct config c;
	char message[512] = "", *text;

	memset(&c, 0, sizeof(c));
	assert_int_equal(parse(sample->setting, &c, sample->text, dialect, message), 0);
	text = setting_format(s, &c);
	assert_string_equal(text, sample->expected);
	free(text);
	setting_clear(s, &c);
}

static void assert_refused(const struct sample *sample)
{
	struct config c, before;
	char message[512] = "";

	memset(&c, 0x5a, sizeof(c));
	before = c;
	assert_int_equal(parse(sample->setting, &c, sample->text, SETTING_NATIVE, message), 1);
	assert_string_equal(message, sample->expected);
	assert_memory_equal(&c, &before, sizeof(c));
}

static void test_good_values_are_read_and_written_back(void **state)
{
	static const struct sample samples[] = {
		{ "log_statements", "on", "on" },
		{ "log_statements", "YES", "on" },
		{ "log_statements", "true", "on" },
		{ "log_statements", "1", "on" },
		{ "log_statements", "off", "off" },
		{ "log_statements", "no", "off" },
		{ "log_statements", "False", "off" },
		{ "log_statements", "0", "off" },
		{ "budget", "1", "1" },
		{ "budget", "10000", "10000" },
		{ "budget", "007", "7" },
		{ "max_message_bytes", "65536", "64KiB" },
		{ "max_message_bytes", "1GiB", "1GiB" },
		{ "max_message_bytes", "100000", "100000" },
		{ "max_message_bytes", "2 MiB", "2MiB" },
		{ "idempotency_max_bytes", "0", "0" },
		{ "shutdown_timeout", "0s", "0s" },
		{ "shutdown_timeout", "250ms", "250ms" },
		{ "shutdown_timeout", "60s", "1min" },
		{ "shutdown_timeout", "90s", "90s" },
		{ "shutdown_timeout", "24h", "1d" },
		{ "shutdown_timeout", "7 us", "7us" },
		{ "slow_query", "off", "off" },
		{ "slow_query", "OFF", "off" },
		{ "degraded_usage", "80%", "80%" },
		{ "degraded_usage", "0.8", "80%" },
		{ "degraded_usage", "12.5%", "12.5%" },
		{ "degraded_usage", "100%", "100%" },
		{ "log_level", "Debug", "debug" },
		{ "log_format", "json", "json" },
		{ "socket_mode", "0600", "0600" },
		{ "socket_mode", "777", "0777" },
		{ "admin_users", "a, b  c,", "a b c" },
		{ "admin_users", "", "" },
		{ "socket", "/x y", "/x y" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		assert_reads_as(&samples[i], SETTING_NATIVE);
}

static void test_bad_values_are_refused_with_what_to_write(void **state)
{
	static const struct sample samples[] = {
		{ "log_statements", "maybe", "\"maybe\" is neither on nor off" },
		{ "log_statements", "", "\"\" is neither on nor off" },
		{ "budget", "many", "\"many\" is not a whole number" },
		{ "budget", "", "\"\" is not a whole number" },
		{ "budget", "5 ", "\"5 \" is not a whole number" },
		{ "budget", "+5", "\"+5\" is not a whole number" },
		{ "budget", "5.0", "\"5.0\" is not a whole number" },
		{ "budget", "0", "0 is out of range: 1 to 10000" },
		{ "budget", "-1", "-1 is out of range: 1 to 10000" },
		{ "budget", "10001", "10001 is out of range: 1 to 10000" },
		{ "budget", "99999999999999999999999",
		  "99999999999999999999999 is out of range: 1 to 10000" },
		{ "max_message_bytes", "16MB", "\"16MB\" is not a size: write 16MiB" },
		{ "max_message_bytes", "16 m", "\"16 m\" is not a size: write 16MiB" },
		{ "max_message_bytes", "64kib", "\"64kib\" is not a size: write 64KiB" },
		{ "max_message_bytes", "big",
		  "\"big\" is not a size: write a whole number of bytes, or with KiB, MiB, GiB or "
		  "TiB behind it" },
		{ "max_message_bytes", "1KiB", "1KiB is out of range: 64KiB to 1GiB" },
		{ "max_message_bytes", "99999999999999TiB",
		  "99999999999999TiB is out of range: 64KiB to 1GiB" },
		{ "statement_timeout", "30", "\"30\" has no unit: write 30s or 30ms" },
		{ "statement_timeout", "0", "\"0\" has no unit: write off to switch it off" },
		{ "shutdown_timeout", "0", "\"0\" has no unit: write 0s or 0ms" },
		{ "statement_timeout", "5m", "\"5m\" is not a time: write 5min or 5ms" },
		{ "statement_timeout", "5 sec", "\"5 sec\" is not a time: write 5s" },
		{ "statement_timeout", "2Hours", "\"2Hours\" is not a time: write 2h" },
		{ "statement_timeout", "1.5s",
		  "\"1.5s\" is not a time: write a whole number and us, ms, s, min, h or d behind "
		  "it, or off" },
		{ "shutdown_timeout", "-1s",
		  "\"-1s\" is not a time: write a whole number and us, ms, s, min, h or d behind "
		  "it" },
		{ "statement_timeout", "8d", "8d is out of range: 1ms to 7d, off" },
		{ "statement_timeout", "99999999999999999d",
		  "99999999999999999d is out of range: 1ms to 7d, off" },
		{ "statement_timeout", "inherit",
		  "\"inherit\" is not a time: write a whole number and us, ms, s, min, h or d "
		  "behind it, or off" },
		{ "cancel_timeout", "off", "off is out of range: 10ms to 1h" },
		{ "degraded_usage", "80", "\"80\" is not a percentage: write for example 80%" },
		{ "degraded_usage", "nan", "\"nan\" is not a percentage: write for example 80%" },
		{ "degraded_usage", "-1%", "\"-1%\" is not a percentage: write for example 80%" },
		{ "degraded_usage", "101%", "101% is out of range: 0.1% to 100%" },
		{ "degraded_usage", "0", "0 is out of range: 0.1% to 100%" },
		{ "log_level", "loud",
		  "\"loud\" is not one of error, warning, notice, info, debug" },
		{ "log_format", "xml", "\"xml\" is not one of text, json" },
		{ "socket_mode", "rw", "\"rw\" is not an octal mode: write for example 0660" },
		{ "socket_mode", "0888", "\"0888\" is not an octal mode: write for example 0660" },
		{ "socket_mode", "7777", "\"7777\" is not an octal mode: write for example 0660" },
		{ "socket", "", "it must not be empty" },
		{ "socket",
		  "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
		  "0123456789/0123456789/12345678",
		  "it is 108 bytes long: at most 107 can be" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		assert_refused(&samples[i]);
}

static void test_other_pools_values_are_understood(void **state)
{
	static const struct sample samples[] = {
		{ "acquire_timeout", "30", "30s" },
		{ "acquire_timeout", "0.25", "250ms" },
		{ "acquire_timeout", "0", "off" },
		{ "acquire_timeout", "-1", "off" },
		{ "acquire_timeout", "1min", "1min" },
		{ "shutdown_timeout", "0", "0s" },
		{ "log_statements", "debug", "on" },
		{ "budget", "-1", "10000" },
		{ "budget", "5", "5" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		assert_reads_as(&samples[i], SETTING_ALIEN);
}

/* Parses `text` into a section of the setting's kind and gives how it is written back. */
static char *round_trip(const struct setting *s, const char *text)
{
	union {
		struct config config;
		struct config_pool pool;
		struct config_application application;
	} object;
	char message[512] = "", *written;

	memset(&object, 0, sizeof(object));
	assert_int_equal(setting_parse(s, &object, text, SETTING_NATIVE, message, sizeof(message)),
			 0);
	written = setting_format(s, &object);
	assert_non_null(written);
	setting_clear(s, &object);
	return written;
}

static void test_every_default_is_written_as_it_is_read(void **state)
{
	(void)state;
	for (enum setting_section kind = 0; kind < SETTING_SECTION_N; kind++) {
		size_t n;
		const struct setting *table = setting_table(kind, &n);

		assert_true(n > 10);
		for (size_t i = 0; i < n; i++) {
			char *written = round_trip(&table[i], table[i].fallback);

			assert_string_equal(written, table[i].fallback);
			free(written);
		}
	}
}

static void test_both_ends_of_every_range_are_in_it(void **state)
{
	(void)state;
	for (enum setting_section kind = 0; kind < SETTING_SECTION_N; kind++) {
		size_t n;
		const struct setting *table = setting_table(kind, &n);

		for (size_t i = 0; i < n; i++) {
			char range[96], *to, *comma, *least, *most;

			setting_range(&table[i], range, sizeof(range));
			to = strstr(range, " to ");
			if (!to)
				continue;
			*to = '\0';
			comma = strchr(to + 4, ',');
			if (comma)
				*comma = '\0';
			least = round_trip(&table[i], range);
			most = round_trip(&table[i], to + 4);
			assert_string_equal(least, range);
			assert_string_equal(most, to + 4);
			free(least);
			free(most);
		}
	}
}

static void test_names_are_unique_and_explained(void **state)
{
	(void)state;
	for (enum setting_section kind = 0; kind < SETTING_SECTION_N; kind++) {
		size_t n;
		const struct setting *table = setting_table(kind, &n);

		for (size_t i = 0; i < n; i++) {
			assert_ptr_equal(setting_find(kind, table[i].name), &table[i]);
			assert_int_equal(setting_index(&table[i]), i);
			assert_int_equal(table[i].help[strlen(table[i].help) - 1], '.');
		}
	}
}

static void test_distance_is_the_same_within_a_limit(void **state)
{
	static const char *const words[] = { "",       "a",       "budget", "bugdet",
					     "kitten", "sitting", "ab",     "queue_limit" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		for (size_t j = 0; j < ARRAY_LEN(words); j++)
			for (size_t limit = 0; limit < 13; limit++) {
				size_t d = distance(words[i], words[j]);

				assert_int_equal(distance_within(words[i], words[j], limit),
						 d < limit ? d : SIZE_MAX);
			}
}

static void test_distance_counts_slips(void **state)
{
	(void)state;
	assert_int_equal(distance("", ""), 0);
	assert_int_equal(distance("", "abc"), 3);
	assert_int_equal(distance("budget", "budget"), 0);
	assert_int_equal(distance("Budget", "bUDGET"), 0);
	assert_int_equal(distance("bugdet", "budget"), 1);
	assert_int_equal(distance("budgt", "budget"), 1);
	assert_int_equal(distance("bbudget", "budget"), 1);
	assert_int_equal(distance("kitten", "sitting"), 3);
	assert_int_equal(
		distance("0123456789012345678901234567890123456789012345678901234567890123", "a"),
		SIZE_MAX);
}

static void test_a_name_of_another_pool_leads_to_ours(void **state)
{
	(void)state;
	assert_string_equal(setting_guess(SETTING_SECTION_POOL, "maximumPoolSize")->name,
			    "max_size");
	assert_string_equal(setting_guess(SETTING_SECTION_POOL, "server_lifetime")->name,
			    "max_lifetime");
	assert_string_equal(setting_guess(SETTING_SECTION_SIDEPOOL, "max_client_conn")->name,
			    "max_clients");
	assert_null(setting_guess(SETTING_SECTION_SIDEPOOL, "colour"));
}

static void test_variables_follow_the_names(void **state)
{
	char name[64];

	(void)state;
	setting_variable(setting_find(SETTING_SECTION_SIDEPOOL, "budget"), "", name, sizeof(name));
	assert_string_equal(name, "SIDEPOOL_BUDGET");
	setting_variable(setting_find(SETTING_SECTION_POOL, "max_size"), "main", name,
			 sizeof(name));
	assert_string_equal(name, "SIDEPOOL_POOL_MAX_SIZE");
	setting_variable(setting_find(SETTING_SECTION_POOL, "max_size"), "re-ports", name,
			 sizeof(name));
	assert_string_equal(name, "SIDEPOOL_POOL_RE_PORTS_MAX_SIZE");
	setting_variable(setting_find(SETTING_SECTION_APPLICATION, "max"), "api", name,
			 sizeof(name));
	assert_string_equal(name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_values_are_read_and_written_back),
		cmocka_unit_test(test_bad_values_are_refused_with_what_to_write),
		cmocka_unit_test(test_other_pools_values_are_understood),
		cmocka_unit_test(test_every_default_is_written_as_it_is_read),
		cmocka_unit_test(test_both_ends_of_every_range_are_in_it),
		cmocka_unit_test(test_names_are_unique_and_explained),
		cmocka_unit_test(test_distance_counts_slips),
		cmocka_unit_test(test_distance_is_the_same_within_a_limit),
		cmocka_unit_test(test_a_name_of_another_pool_leads_to_ours),
		cmocka_unit_test(test_variables_follow_the_names),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
