/* SPDX-License-Identifier: MIT */
/* What is printed of a config and of the table, and how two configs differ. */
#include <stdio.h>

#include "config/settings.h"
#include "config_fixture.h"

static char *read_whole(const char *path)
{
	char *text = calloc(1, 1 << 18);
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(text);
	assert_non_null(f);
	n = fread(text, 1, (1 << 18) - 1, f);
	assert_true(n > 0 && n < (1 << 18) - 1);
	assert_int_equal(fclose(f), 0);
	return text;
}

static char *print_config(const struct config *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	assert_int_equal(config_print(c, f), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void assert_has_line(const char *text, const char *line)
{
	for (const char *p = text; (p = strstr(p, line)); p++)
		if ((p == text || p[-1] == '\n') && p[strlen(line)] == '\n')
			return;
	fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void test_the_dump_says_where_from_and_no_password(void **state)
{
	struct arguments arguments = { .url = (char[]){
					       "postgresql://u:hunter2@h/db?connection_limit=3" } };
	struct config *c = load_silently(
		"[sidepool]\nbudget = 7\n[pool two]\nurl = host=h password='hunter2'\n",
		env("SIDEPOOL_LOG_LEVEL=debug", "DB_MAX_OVERFLOW=2"), &arguments);
	char *text = print_config(c);

	(void)state;
	assert_has_line(text, "[sidepool]");
	assert_has_line(text, "budget = 7 ; t.conf:2");
	assert_has_line(text, "log_level = debug ; environment SIDEPOOL_LOG_LEVEL");
	assert_has_line(text, "queue_limit = 10000 ; default");
	assert_has_line(text, "admin_users = ; default");
	assert_has_line(text, "[pool main]");
	assert_has_line(text, "url = postgresql://u:***@h/db?connection_limit=3 ; command line");
	assert_has_line(text, "max_size = 3 ; command line, in the URL");
	assert_has_line(text, "max_overflow = 2 ; alias DB_MAX_OVERFLOW");
	assert_has_line(text, "[pool two]");
	assert_has_line(text, "url = host=h password=*** ; t.conf:4");
	assert_null(strstr(text, "hunter2"));
	free(text);
	config_free(c);
}

static char *without_origins(char *text)
{
	for (char *p = text; (p = strstr(p, " ; "));)
		memmove(p, p + strcspn(p, "\n"), strlen(p + strcspn(p, "\n")) + 1);
	return text;
}

static void test_the_dump_can_be_read_again(void **state)
{
	struct config *c = load_silently(
		"[sidepool]\nslow_query = 3ms\nadmin_users = 1, 2\n[pool main]\npipeline = off\n"
		"[application x]\nmatch_user = 0\nmin = 2\nacquire_timeout = off\n",
		env_db, NULL);
	char *first = print_config(c), *second;
	struct loaded again;

	(void)state;
	config_free(c);
	config_fixture_load(&again, first, env_db, NULL);
	assert_int_equal(again.result, 0);
	second = print_config(again.config);
	assert_string_equal(without_origins(second), without_origins(first));
	free(first);
	free(second);
	loaded_deinit(&again);
}

/* The example with the mark of a comment taken from every line that is a setting or a section. */
static char *uncomment(char *text)
{
	char *to = text;

	for (char *from = text; *from; from++) {
		bool begins = from == text || from[-1] == '\n';

		if (begins && *from == '#' && from[1] != ' ')
			continue;
		*to++ = *from;
	}
	*to = '\0';
	return text;
}

static void count(void *userdata, const struct config_change *change)
{
	(void)change;
	++*(int *)userdata;
}

static void test_the_example_holds_the_defaults(void **state)
{
	char *text = uncomment(printed(config_print_example));
	struct config *c = load_silently(text, env_db, NULL),
		      *defaults = load_silently(NULL, env_db, NULL);
	struct config_application *applications = steal(&c->applications);
	int n = 0;

	(void)state;
	assert_non_null(strstr(text, "\nbudget = 20\n"));
	assert_int_equal(c->n_applications, 1);
	assert_memory_equal(&applications[0].timeouts, &c->other.timeouts,
			    sizeof(c->other.timeouts));
	assert_int_equal(applications[0].weight, c->other.weight);
	c->n_applications = 0;
	assert_int_equal(config_diff(defaults, c, count, &n), 0);
	assert_int_equal(n, 0);
	c->applications = applications;
	c->n_applications = 1;
	config_free(c);
	config_free(defaults);
	free(text);
}

static void test_the_example_in_the_tree_is_fresh(void **state)
{
	char *kept = read_whole(SOURCE_ROOT "/deploy/sidepool.conf.example"),
	     *text = printed(config_print_example);

	(void)state;
	assert_string_equal(kept, text);
	free(kept);
	free(text);
}

static int print_man(FILE *f)
{
	assert_true(config_print_man(f, "pools") < 0);
	assert_int_equal(config_print_man(f, "sidepool"), 0);
	assert_int_equal(config_print_man(f, "pool"), 0);
	return config_print_man(f, "application");
}

static void test_every_setting_is_in_every_document(void **state)
{
	char *help = printed(arguments_print_help), *man = printed(print_man),
	     *example = printed(config_print_example);

	(void)state;
	for (enum setting_section kind = 0; kind < SETTING_SECTION_N; kind++) {
		size_t n;
		const struct setting *table = setting_table(kind, &n);

		for (size_t i = 0; i < n; i++) {
			char line[256];
			const char *gap = *table[i].fallback ? " " : "";

			(void)snprintf(line, sizeof(line), ".It Ic %s", table[i].name);
			assert_has_line(man, line);
			(void)snprintf(line, sizeof(line), "#%s =%s%s", table[i].name, gap,
				       table[i].fallback);
			assert_has_line(example, line);
			(void)snprintf(line, sizeof(line), "  %s%s%s", table[i].name,
				       *gap ? " = " : "", table[i].fallback);
			assert_has_line(help, line);
		}
	}
	free(help);
	free(man);
	free(example);
}

/* "section name before after restart" of each change, one a line. */
static void keep_change(void *userdata, const struct config_change *c)
{
	(void)fprintf(userdata, "%s|%s|%s|%s|%s\n", c->section, c->name ? c->name : "",
		      c->before ? c->before : "", c->after ? c->after : "",
		      c->needs_restart ? "restart" : "");
}

static void assert_differ(const char *before, const char *after, int n, const char *expected)
{
	struct config *old_config = load_silently(before, env_db, NULL),
		      *new_config = load_silently(after, env_db, NULL);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(config_diff(old_config, new_config, keep_change, f), n);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(text, expected);
	free(text);
	config_free(old_config);
	config_free(new_config);
}

static void test_differences_are_told(void **state)
{
	(void)state;
	assert_differ("[sidepool]\nlease_timeout = 60s\n", "[sidepool]\nlease_timeout = 1min\n", 0,
		      "");
	assert_differ("[sidepool]\nsocket = /a/x\nqueue_limit = 9\n",
		      "[sidepool]\nsocket = /a/y\nqueue_limit = 8\n", 2,
		      "sidepool|socket|/a/x|/a/y|restart\nsidepool|queue_limit|9|8|\n");
	assert_differ("[pool main]\nurl = postgresql://u:one@h/db\n",
		      "[pool main]\nurl = postgresql://u:two@h/db\n", 1,
		      "pool main|url|postgresql://u:***@h/db|postgresql://u:***@h/db|\n");
}

static void test_sections_that_come_and_go_are_told(void **state)
{
	(void)state;
	assert_differ("[pool main]\n[application a]\n",
		      "[pool main]\n[pool two]\nurl = host=h\nmax_size = 3\nacquire_timeout = 1s\n",
		      5,
		      "application a||present||\npool two|||present|\npool two|url||host=h|\npool "
		      "two|max_size||3|\n"
		      "pool two|acquire_timeout||1s|\n");
	assert_differ("[application a]\nmatch_user = 0\nmax = 3\n[application a]\nmax = 4\n",
		      "[application a]\nmatch_user = 0\nmax = 3\n[application a]\nmax = 5\n", 1,
		      "application a|max|4|5|\n");
	assert_differ("[application a]\n[application b]\n", "[application b]\n[application a]\n", 1,
		      "application b||later|earlier|\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_dump_says_where_from_and_no_password),
		cmocka_unit_test(test_the_dump_can_be_read_again),
		cmocka_unit_test(test_the_example_holds_the_defaults),
		cmocka_unit_test(test_the_example_in_the_tree_is_fresh),
		cmocka_unit_test(test_every_setting_is_in_every_document),
		cmocka_unit_test(test_differences_are_told),
		cmocka_unit_test(test_sections_that_come_and_go_are_told),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
