/* SPDX-License-Identifier: MIT */
/* The file: what is read from it, and every mistake that can be made in it, word for word. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_fixture.h"

static void test_settings_reach_their_section(void **state)
{
	struct config *c = load_silently("\xef\xbb\xbf# a comment\r\n"
					 "[sidepool]\r\n"
					 "budget = 12 ; a comment\r\n"
					 "\tlog_format: json\r\n"
					 "; another\r\n"
					 "[pool main] ; the first\n"
					 "url = \"postgresql://u@h/db\"\n"
					 "  max_size=3\n"
					 "[ pool  reports ]\n"
					 "url = host=h user=u\n"
					 "[application seed-[a-z]*]\n"
					 "max = 2",
					 NULL, NULL);

	(void)state;
	assert_int_equal(c->budget, 12);
	assert_int_equal(c->log_format, LOG_FORMAT_JSON);
	assert_int_equal(c->n_pools, 2);
	assert_string_equal(c->pools[0].name, "main");
	assert_string_equal(c->pools[0].conninfo, "postgresql://u@h/db");
	assert_int_equal(c->pools[0].max_size, 3);
	assert_string_equal(c->pools[1].name, "reports");
	assert_string_equal(c->pools[1].conninfo, "host=h user=u");
	assert_int_equal(c->pools[1].max_size, 12);
	assert_int_equal(c->n_applications, 1);
	assert_string_equal(c->applications[0].pattern, "seed-[a-z]*");
	assert_int_equal(c->applications[0].max, 2);
	assert_string_equal(c->file, "t.conf");
	config_free(c);
}

static void test_lines_longer_than_inih_takes_are_whole(void **state)
{
	char text[3000], host[2001];
	struct config *c;

	(void)state;
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	for (size_t n = 150; n < sizeof(host); n += n < 220 ? 1 : 137) {
		(void)snprintf(
			text, sizeof(text),
			"[pool main]\nurl = postgresql://u@%.*s/db ; comment\nmin_size = 2\n",
			(int)n, host);
		c = load_silently(text, NULL, NULL);
		assert_int_equal(strlen(c->pools[0].conninfo), n + strlen("postgresql://u@/db"));
		assert_int_equal(c->pools[0].min_size, 2);
		config_free(c);
	}
}

static void test_a_long_name_is_not_cut(void **state)
{
	(void)state;
	assert_told("[application "
		    "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-"
		    "abcdefghijklmnopqrstuvwxyz]\nmin = 1\n",
		    "@2: min = 1 raises the share of [application "
		    "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-"
		    "abcdefghijklmnopqrstuvwxyz] on the client's word alone: "
		    "add match_unit, match_user, match_group or match_executable\n");
}

static void test_values_are_refused_at_their_line(void **state)
{
	(void)state;
	assert_told("[sidepool]\n\nbudget = 0\n  # x\nstatement_timeout = 30\n",
		    "@3: budget: 0 is out of range: 1 to 10000\n"
		    "@5: statement_timeout: \"30\" has no unit: write 30s or 30ms\n");
	assert_told("[sidepool]\nbudget = 5 # five\n",
		    "@2: budget: \"5 # five\" is not a whole number (a comment behind a value "
		    "begins with \" ;\")\n");
	assert_told("[sidepool]\nbudget =\n", "@2: budget: \"\" is not a whole number\n");
}

static void test_unknown_settings_are_guessed_at(void **state)
{
	(void)state;
	assert_told("[sidepool]\nbugdet = 5\ncolour = red\n",
		    "@2: unknown setting \"bugdet\": did you mean budget?\n"
		    "@3: unknown setting \"colour\": sidepoold --help lists all\n");
	assert_told("[sidepool]\nmax_size = 5\ndefault_pool_size = 3\n",
		    "@2: max_size does not belong here: it is a setting of a [pool NAME] section\n"
		    "@3: unknown setting \"default_pool_size\": did you mean max_size in a [pool "
		    "NAME] section?\n");
	assert_told("[pool main]\nbudget = 5\nweight = 2\n",
		    "@2: budget does not belong here: it is a setting of [sidepool]\n"
		    "@3: weight does not belong here: it is a setting of an [application PATTERN] "
		    "section\n");
}

static void test_unknown_sections_are_guessed_at_and_skipped(void **state)
{
	(void)state;
	assert_told("[sidepol]\nnonsense = 1\n[aplication x]\nmin = 1\n[databases]\na = b\n",
		    "@1: unknown section [sidepol]: did you mean [sidepool]?\n"
		    "@3: unknown section [aplication]: did you mean [application PATTERN]?\n"
		    "@5: unknown section [databases]: there are [sidepool], [pool NAME] and "
		    "[application PATTERN]\n");
	assert_told(
		"[pool]\n[application]\n[sidepool x]\n[pool Main]\n[sidepool\nbudget = x\n",
		"@1: [pool] needs a name: write [pool main]\n"
		"@2: [application] needs the name or a pattern of names: write [application api] "
		"or [application seed-*]\n"
		"@3: [sidepool x]: there is one daemon: write [sidepool]\n"
		"@4: [pool Main]: a pool's name is made of a to z, 0 to 9, _ and -, at most 63\n"
		"@5: \"[sidepool\" has no closing bracket at its end\n");
}

static void test_duplicates_are_told(void **state)
{
	(void)state;
	assert_told("[sidepool]\nbudget = 5\nbudget = 6\n[sidepool]\n[pool main]\n[pool main]\n",
		    "@3: budget is set twice, first at t.conf:2\n"
		    "@4: there is a second section [sidepool]: put its settings into the first\n"
		    "@6: there is a second section [pool main]: put its settings into the first\n");
}

static void test_lines_that_are_nothing_are_told(void **state)
{
	(void)state;
	assert_told("budget = 5\n[sidepool]\nfoo bar\nbudget = 6\n= 7\nlast",
		    "@1: budget stands before the first section: write [sidepool] above it\n"
		    "@3: \"foo\" is neither a [section] nor NAME = VALUE\n"
		    "@5: unknown setting \"\": sidepoold --help lists all\n"
		    "@6: \"last\" is neither a [section] nor NAME = VALUE\n");
}

static void test_a_secret_on_a_broken_line_is_not_told(void **state)
{
	(void)state;
	assert_told(
		"[pool main]\nurl postgresql://u:hunter2@h/db\npassword hunter2 = x\nurl hunter2\n",
		"@2: \"url\" is neither a [section] nor NAME = VALUE\n"
		"@3: \"password\" is neither a [section] nor NAME = VALUE\n"
		"@4: \"url\" is neither a [section] nor NAME = VALUE\n");
}

static void test_a_file_that_was_named_must_be_there(void **state)
{
	struct arguments arguments = { .config = "absent.conf" };
	struct loaded l;

	(void)state;
	config_fixture_load(&l, NULL, env_db, &arguments);
	assert_int_equal(l.result, 1);
	assert_string_equal(l.told,
			    "absent.conf: the file cannot be read: No such file or directory\n");
	loaded_deinit(&l);
	arguments.config = ".";
	config_fixture_load(&l, NULL, env_db, &arguments);
	assert_string_equal(l.told, ".: the file cannot be read: Is a directory\n");
	loaded_deinit(&l);
	config_fixture_load(&l, NULL, env("PGHOST=/tmp", "SIDEPOOL_CONFIG=else.conf"), NULL);
	assert_string_equal(l.told,
			    "else.conf: the file cannot be read: No such file or directory\n");
	loaded_deinit(&l);
	config_free(load_silently(NULL, env_db, NULL));
}

static void write_bytes(const char *bytes, size_t n)
{
	FILE *f = fopen("b.conf", "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void test_what_is_no_text_is_refused(void **state)
{
	struct arguments arguments = { .config = "b.conf" };
	char *long_file = malloc(2 << 20);
	struct loaded l;

	(void)state;
	memset(long_file, '#', 2 << 20);
	write_bytes("[sidepool]\nbudget = 5\0\n", 23);
	config_fixture_load(&l, NULL, env_db, &arguments);
	assert_string_equal(l.told, "b.conf: this is no configuration file: it is longer than 1 "
				    "MiB or holds a NUL byte\n");
	loaded_deinit(&l);
	write_bytes(long_file, 2 << 20);
	config_fixture_load(&l, NULL, env_db, &arguments);
	assert_string_equal(l.told, "b.conf: this is no configuration file: it is longer than 1 "
				    "MiB or holds a NUL byte\n");
	loaded_deinit(&l);
	free(long_file);
	assert_int_equal(unlink("b.conf"), 0);
}

static void test_a_password_for_all_to_read_is_warned_of(void **state)
{
	static const char text[] = "[pool main]\nurl = postgresql://u:pw@h/db\n";
	struct arguments arguments = { .config = "b.conf" };
	struct loaded l;

	(void)state;
	write_bytes(text, strlen(text));
	assert_int_equal(chmod("b.conf", 0644), 0);
	config_fixture_load(&l, NULL, env_db, &arguments);
	assert_int_equal(l.result, 0);
	assert_string_equal(l.told, "warning: b.conf: everybody may read this file, and there is a "
				    "password in the url of "
				    "[pool main]: chmod 0640, or use password_file\n");
	loaded_deinit(&l);
	assert_int_equal(chmod("b.conf", 0640), 0);
	config_free(load_silently(NULL, env_db, &arguments));
	assert_int_equal(unlink("b.conf"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings_reach_their_section),
		cmocka_unit_test(test_lines_longer_than_inih_takes_are_whole),
		cmocka_unit_test(test_a_long_name_is_not_cut),
		cmocka_unit_test(test_values_are_refused_at_their_line),
		cmocka_unit_test(test_unknown_settings_are_guessed_at),
		cmocka_unit_test(test_unknown_sections_are_guessed_at_and_skipped),
		cmocka_unit_test(test_duplicates_are_told),
		cmocka_unit_test(test_lines_that_are_nothing_are_told),
		cmocka_unit_test(test_a_secret_on_a_broken_line_is_not_told),
		cmocka_unit_test(test_a_file_that_was_named_must_be_there),
		cmocka_unit_test(test_what_is_no_text_is_refused),
		cmocka_unit_test(test_a_password_for_all_to_read_is_warned_of),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
