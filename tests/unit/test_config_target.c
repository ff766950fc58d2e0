/* SPDX-License-Identifier: MIT */
/* URLs and connection strings: what libpq gets of them, what becomes a setting, and that no password is ever shown. */
#include <stdio.h>

#include "config_fixture.h"

struct pair {
	const char *given;
	const char *expected;
};

static struct config *load_url(const char *url)
{
	char variable[1024];

	(void)snprintf(variable, sizeof(variable), "DATABASE_URL=%s", url);
	return load_silently(NULL, env(variable), NULL);
}

static void assert_url_told(const char *url, const char *expected)
{
	char variable[1024], told[1024];
	struct loaded l;

	(void)snprintf(variable, sizeof(variable), "DATABASE_URL=%s", url);
	(void)snprintf(told, sizeof(told), "environment DATABASE_URL: url: %s\n", expected);
	config_fixture_load(&l, NULL, env(variable), NULL);
	assert_true(l.result > 0);
	assert_string_equal(l.told, told);
	loaded_deinit(&l);
}

static void test_libpq_gets_what_it_knows(void **state)
{
	static const struct pair pairs[] = {
		{ "postgresql://", "postgresql://" },
		{ "postgres://u:p@h:1/db", "postgresql://u:p@h:1/db" },
		{ "postgresql+psycopg://u:p@h/db", "postgresql://u:p@h/db" },
		{ "postgres+asyncpg://h/db?ssl=require", "postgresql://h/db?sslmode=require" },
		{ "jdbc:postgresql://h/db?user=u&ssl=true",
		  "postgresql://h/db?user=u&sslmode=require" },
		{ "PostgreSQL://h", "postgresql://h" },
		{ "postgresql://a:1,b:2/db?target_session_attrs=read-write&sslmode=verify-full",
		  "postgresql://a:1,b:2/db?target_session_attrs=read-write&sslmode=verify-full" },
		{ "postgresql://u@[::1]:5432/db?", "postgresql://u@[::1]:5432/db" },
		{ "postgresql://h/db?connection_limit=5", "postgresql://h/db" },
		{ "postgresql://h/db?connection_limit=5&sslmode=require&pool_timeout=3",
		  "postgresql://h/db?sslmode=require" },
		{ "postgresql://h/db?a%70plication_name=x%26y",
		  "postgresql://h/db?a%70plication_name=x%26y" },
		{ "postgresql:///db?host=%2Fvar%2Frun&connect%5Ftimeout=3",
		  "postgresql:///db?host=%2Fvar%2Frun" },
		{ "postgresql://h/db?sslaccept=accept_invalid_certs&sslmode=require",
		  "postgresql://h/db?sslmode=require" },
		{ "postgresql://h/db?ssl=false", "postgresql://h/db?sslmode=disable" },
		{ "postgresql://h/db?schema=My%20\"a\"",
		  "postgresql://h/db?options=-c%20search_path%3D%22My%5C%20%22%22a%22%22%22" },
		{ "postgresql://h/db?schema=s&options=-c%20a%3Db",
		  "postgresql://h/db?options=-c%20a%3Db%20-c%20search_path%3D%22s%22" },
		{ "postgresql://u@h?dbname=db", "postgresql://u@h?dbname=db" },
		{ "host=h  connect_timeout = 3 user='a \\' b'", "host=h user='a \\' b'" },
		{ "connection_limit=4 service=s", "service=s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct config *c = load_url(pairs[i].given);

		assert_string_equal(c->pools[0].conninfo, pairs[i].expected);
		config_free(c);
	}
}

static void test_parameters_become_settings(void **state)
{
	struct config *c =
		load_url("postgresql://h/"
			 "db?connection_limit=5&pool_timeout=0&connect_timeout=3&socket_timeout=7&"
			 "max_connection_lifetime=60&max_idle_connection_lifetime=30&statement_"
			 "cache_size=12");

	(void)state;
	assert_int_equal(c->pools[0].max_size, 5);
	assert_int_equal(c->pools[0].acquire_timeout_us, USEC_NEVER);
	assert_int_equal(c->pools[0].connect_timeout_us, 3 * USEC_PER_SEC);
	assert_int_equal(c->timeouts.statement_us, 7 * USEC_PER_SEC);
	assert_int_equal(c->pools[0].max_lifetime_us, 60 * USEC_PER_SEC);
	assert_int_equal(c->pools[0].idle_timeout_us, 30 * USEC_PER_SEC);
	assert_int_equal(c->pools[0].max_prepared_statements, 12);
	config_free(c);
	c = load_url("postgresql://h/db?pgbouncer=true");
	assert_int_equal(c->pools[0].max_prepared_statements, 0);
	config_free(c);
	c = load_url("postgresql://h/db?pgbouncer=false&prepared_statement_cache_size=9");
	assert_int_equal(c->pools[0].max_prepared_statements, 9);
	config_free(c);
}

static void test_what_would_lose_its_meaning_is_refused(void **state)
{
	(void)state;
	assert_url_told("postgresql://h/db?sslaccept=strict",
			"libpq has no sslaccept=strict: write sslmode=verify-full, and "
			"sslrootcert=FILE where the authority is not "
			"the system's");
	assert_url_told("postgresql://h/db?sslidentity=x.p12",
			"libpq does not read the PKCS #12 file of sslidentity: write sslcert=FILE "
			"and sslkey=FILE");
	assert_told("[pool main]\n[pool two]\nurl = postgresql://h/db?socket_timeout=3\n",
		    "@3: url: socket_timeout is taken from the pool main alone: set "
		    "statement_timeout in [sidepool] or in "
		    "[application PATTERN]\n");
}

static void test_bad_parameters_are_named(void **state)
{
	struct loaded l;

	(void)state;
	config_fixture_load(
		&l, NULL,
		env("DATABASE_URL=postgresql://h/db?connection_limit=x&pool_timeout=soon"), NULL);
	assert_string_equal(l.told,
			    "environment DATABASE_URL: max_size: \"x\" is not a whole number\n"
			    "environment DATABASE_URL: acquire_timeout: \"soon\" is not a time: "
			    "write a whole number and us, ms, s, "
			    "min, h or d behind it, or off\n");
	loaded_deinit(&l);
}

static void test_targets_that_are_none_are_refused(void **state)
{
	static const char torn[] = "it does not come apart into user, password, host, port and "
				   "database: in a password, write @ as "
				   "%40, / as %2F, : as %3A and ? as %3F";

	(void)state;
	assert_url_told("mysql://u:hunter2@h/db",
			"it begins with mysql://: write postgresql://USER@HOST/DATABASE");
	assert_url_told("u:hunter2://h",
			"it begins with another scheme: write postgresql://USER@HOST/DATABASE");
	assert_url_told(
		"localhost",
		"it is neither a URL nor NAME=VALUE pairs: write postgresql://USER@HOST/DATABASE");
	assert_url_told(
		"postgresql:/u:hunter2@h/db",
		"it is neither a URL nor NAME=VALUE pairs: write postgresql://USER@HOST/DATABASE");
	assert_url_told("postgresql://u:hun/ter2@h/db", torn);
	assert_url_told("postgresql://u:hun@ter2@h/db", torn);
	assert_url_told("postgresql://u:hunter2/db", torn);
	assert_url_told("postgresql://u:1/2?3@h/db", torn);
	assert_url_told("postgresql://h/db?hosst=x", "invalid URI query parameter: \"hosst\"");
	assert_url_told("hosst=x", "invalid connection option \"hosst\"");
	assert_url_told("postgresql://u:p%zzw@h/db", "invalid percent-encoded token: \"***\"");
	assert_url_told("host=h password=my hunter2 user=u",
			"missing \"=\" after \"***\" in connection info string");
	assert_url_told("password=hunter2 hosst=x", "invalid connection option \"hosst\"");
	assert_url_told("host=h password='hunter2",
			"unterminated quoted string in connection info string");
}

static void test_passwords_are_masked(void **state)
{
	static const struct pair pairs[] = {
		{ "", "" },
		{ "postgresql://u@h/db", "postgresql://u@h/db" },
		{ "postgresql://u:hunter2@h:5432/db", "postgresql://u:***@h:5432/db" },
		{ "postgresql://u:@h/db", "postgresql://u:***@h/db" },
		{ "postgresql://u:%68unter2@h/db", "postgresql://u:***@h/db" },
		{ "postgresql://u:hun?ter2@h/db", "postgresql://u:***@h/db" },
		{ "postgresql+asyncpg://u:hunter2@a:1,b:2/db",
		  "postgresql+asyncpg://u:***@a:1,b:2/db" },
		{ "postgresql://h/db?password=hunter2&user=a@b",
		  "postgresql://h/db?password=***&user=a@b" },
		{ "postgresql://h/db?p%61ssword=hunter2", "postgresql://h/db?p%61ssword=***" },
		{ "postgresql://h/db?sslpassword=hunter2&passfile=/f",
		  "postgresql://h/db?sslpassword=***&passfile=/f" },
		{ "postgresql://h/db?password=hun&ter2", "postgresql://h/db?password=***&***" },
		{ "postgresql://[::1]:5432/db?user=a@b", "postgresql://[::1]:5432/db?user=a@b" },
		{ "postgresql://u:hun/ter2@h/db", "postgresql://u:***@h/db" },
		{ "postgresql://u:hun@ter2@h/db", "postgresql://u:***@h/db" },
		{ "postgresql://u@corp:hunter2@h/db", "postgresql://u@corp:***@h/db" },
		{ "postgresql://u:1/2?3@h/db", "postgresql://u:***@h/db" },
		{ "postgresql://u:1/2?x&3@h/db?password=hunter2",
		  "postgresql://u:***@h/db?password=***" },
		{ "postgresql://u:hunter2/db", "postgresql://u:***" },
		{ "postgresql://u:hunter2", "postgresql://u:***" },
		{ "mysql://u:hunter2@h/db", "mysql://u:***@h/db" },
		{ "host=h password=hunter2 user=u", "host=h password=*** user=u" },
		{ "password = 'hun \\' ter2' user=u", "password = *** user=u" },
		{ "password='hunter2", "password=***" },
		{ "password=hun\\ ter2 user=u", "password=*** user=u" },
		{ "password=my hunter2 user=u", "password=*** *** user=u" },
		{ "sslpassword=hunter2 passwrod=hunter2 PASSWORD=hunter2",
		  "sslpassword=*** passwrod=*** PASSWORD=***" },
		{ "host=h passfile=/f", "host=h passfile=/f" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char *masked = config_mask(pairs[i].given);

		assert_string_equal(masked, pairs[i].expected);
		free(masked);
	}
}

static void test_messages_on_a_target_are_masked(void **state)
{
	static const struct {
		const char *target;
		const char *message;
		const char *expected;
	} samples[] = {
		{ "host=h", "odd \"thing\" there", "odd \"thing\" there" },
		{ "password=a host=h", "odd \"host\" there", "odd \"host\" there" },
		{ "password=a host=h", "odd \"a\" there", "odd \"***\" there" },
		{ "password=a host=h", "odd \"a", "odd \"***\"" },
		{ "password=a\"b host=h", "odd \"a\"b\" there", "odd \"***\" there" },
		{ "password=a host=h", "no quotes", "no quotes" },
		{ "password=a host=h", "\"=\" and \"host\" and \"b\"",
		  "\"=\" and \"host\" and \"***\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		char *masked = config_mask_message(samples[i].message, samples[i].target);

		assert_string_equal(masked, samples[i].expected);
		free(masked);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libpq_gets_what_it_knows),
		cmocka_unit_test(test_parameters_become_settings),
		cmocka_unit_test(test_what_would_lose_its_meaning_is_refused),
		cmocka_unit_test(test_bad_parameters_are_named),
		cmocka_unit_test(test_targets_that_are_none_are_refused),
		cmocka_unit_test(test_passwords_are_masked),
		cmocka_unit_test(test_messages_on_a_target_are_masked),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
