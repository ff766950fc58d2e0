/* SPDX-License-Identifier: MIT */
/* The command line of sidepoold. */
#include "config_fixture.h"

/* argv is written to, so each test has its own copy of it. */
#define ARGV(...)                                                                                  \
	char *argv[] = { strdup("sidepoold"), __VA_ARGS__, NULL };                                 \
	struct arguments a = { .config = "unchanged" };                                            \
	char message[256] = "";                                                                    \
	int r = arguments_parse(&a, (int)ARRAY_LEN(argv) - 1, argv, message, sizeof(message));     \
	(void)state

static void drop(char **argv)
{
	for (; *argv; argv++)
		free(*argv);
}

static void test_options_and_url_are_taken(void **state)
{
	ARGV(strdup("--config"), strdup("a.conf"), strdup("postgresql://u@h/db"),
	     strdup("--socket=/s"), strdup("--check"));

	assert_int_equal(r, 0);
	assert_string_equal(a.config, "a.conf");
	assert_string_equal(a.socket, "/s");
	assert_string_equal(a.url, "postgresql://u@h/db");
	assert_int_equal(a.action, ARGUMENTS_CHECK);
	arguments_deinit(&a);
	drop(argv);
}

static void test_nothing_is_fine(void **state)
{
	ARGV(strdup("--"));

	assert_int_equal(r, 0);
	assert_null(a.config);
	assert_null(a.socket);
	assert_null(a.url);
	assert_int_equal(a.action, ARGUMENTS_RUN);
	arguments_deinit(&a);
	drop(argv);
}

static void test_every_action_has_its_option(void **state)
{
	static const struct {
		const char *option;
		enum arguments_action action;
	} samples[] = {
		{ "--check", ARGUMENTS_CHECK },     { "--print-config", ARGUMENTS_PRINT_CONFIG },
		{ "--help", ARGUMENTS_HELP },       { "--print-example", ARGUMENTS_PRINT_EXAMPLE },
		{ "-h", ARGUMENTS_HELP },           { "--print-man", ARGUMENTS_PRINT_MAN },
		{ "--version", ARGUMENTS_VERSION }, { "-V", ARGUMENTS_VERSION },
	};

	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		ARGV(strdup(samples[i].option));

		assert_int_equal(r, 0);
		assert_int_equal(a.action, samples[i].action);
		arguments_deinit(&a);
		drop(argv);
	}
}

static void test_the_password_leaves_argv(void **state)
{
	ARGV(strdup("postgresql://u:hunter2@h/db"));

	assert_int_equal(r, 0);
	assert_string_equal(a.url, "postgresql://u:hunter2@h/db");
	assert_string_equal(argv[1], "postgresql://u:***@h/db");
	for (size_t i = 0; i < strlen("postgresql://u:hunter2@h/db") - 7; i++)
		assert_memory_not_equal(argv[1] + i, "hunter2", 7);
	arguments_deinit(&a);
	drop(argv);
}

static void test_a_password_shorter_than_its_mask_fits(void **state)
{
	ARGV(strdup("postgresql://u:p@h"));

	assert_int_equal(r, 0);
	assert_memory_equal(argv[1], "postgresql://u:***", 18);
	assert_int_equal(argv[1][18], '\0');
	arguments_deinit(&a);
	drop(argv);
}

static void assert_refused(char *first, char *second, const char *expected)
{
	void **state = NULL;

	ARGV(first, second);
	assert_int_equal(r, -1);
	assert_string_equal(message, expected);
	assert_string_equal(a.config, "unchanged");
	drop(argv);
}

static void test_mistakes_are_told(void **state)
{
	(void)state;
	assert_refused(strdup("--confg"), strdup("x"),
		       "unknown option \"--confg\": did you mean --config?");
	assert_refused(strdup("--sokcet=/x"), strdup("x"),
		       "unknown option \"--sokcet\": did you mean --socket?");
	assert_refused(strdup("--frobnicate"), strdup("x"),
		       "unknown option \"--frobnicate\"; see --help");
	assert_refused(strdup("-x"), strdup("x"), "unknown option \"-x\"; see --help");
	assert_refused(strdup("--check"), strdup("--config"), "--config needs a value; see --help");
	assert_refused(strdup("a"), strdup("b"),
		       "there can be one URL only; further databases are [pool NAME] sections of "
		       "the file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_and_url_are_taken),
		cmocka_unit_test(test_nothing_is_fine),
		cmocka_unit_test(test_every_action_has_its_option),
		cmocka_unit_test(test_the_password_leaves_argv),
		cmocka_unit_test(test_a_password_shorter_than_its_mask_fits),
		cmocka_unit_test(test_mistakes_are_told),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
