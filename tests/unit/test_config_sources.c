/* SPDX-License-Identifier: MIT */
/* Where a value is from when several say one: command line, environment, file, other pools' variables, default. */
#include "config_fixture.h"

#include "config/settings.h"

static struct config_origin origin(const struct config_origin *origins,
				   enum setting_section section, const char *name)
{
	return origins[setting_index(setting_find(section, name))];
}

static void assert_socket(const char *text, char *const *environment,
			  const struct arguments *arguments, const char *path,
			  enum config_source source, const char *where)
{
	struct config *c = load_silently(text, environment, arguments);
	struct config_origin o = origin(c->origins, SETTING_SECTION_SIDEPOOL, "socket");

	assert_string_equal(c->socket, path);
	assert_int_equal(o.source, source);
	if (where)
		assert_string_equal(o.where, where);
	else
		assert_null(o.where);
	config_free(c);
}

static void test_the_stronger_source_wins(void **state)
{
	static const char text[] = "[sidepool]\nsocket = /file\n";
	char *const *both = env("PGHOST=/tmp", "SIDEPOOL_SOCKET=/env");
	struct arguments arguments = { .socket = "/arg" };

	(void)state;
	assert_socket(NULL, env_db, NULL, "/run/sidepool/rpc.sock", CONFIG_SOURCE_DEFAULT, NULL);
	assert_socket(text, env_db, NULL, "/file", CONFIG_SOURCE_FILE, "t.conf:2");
	assert_socket(text, both, NULL, "/env", CONFIG_SOURCE_ENVIRONMENT, "SIDEPOOL_SOCKET");
	assert_socket(text, both, &arguments, "/arg", CONFIG_SOURCE_COMMAND_LINE, "--socket");
}

static void test_a_weaker_source_is_checked_all_the_same(void **state)
{
	struct loaded l;

	(void)state;
	config_fixture_load(&l, "[sidepool]\nbudget = x\n", env("PGHOST=/tmp", "SIDEPOOL_BUDGET=5"),
			    NULL);
	assert_int_equal(l.result, 1);
	assert_string_equal(l.told, "t.conf:2: budget: \"x\" is not a whole number\n");
	loaded_deinit(&l);
}

static void test_an_empty_variable_is_not_set(void **state)
{
	struct config *c =
		load_silently("[sidepool]\nbudget = 7\n",
			      env("PGHOST=/tmp", "SIDEPOOL_BUDGET=", "DATABASE_URL="), NULL);

	(void)state;
	assert_int_equal(c->budget, 7);
	config_free(c);
}

static void test_variables_name_pools(void **state)
{
	struct config *c = load_silently("[pool main]\n[pool re-ports]\nurl = host=h\n",
					 env("PGHOST=/tmp", "SIDEPOOL_POOL_MAX_SIZE=3",
					     "SIDEPOOL_POOL_RE_PORTS_MAX_SIZE=4",
					     "SIDEPOOL_DEBUG=sp", "SIDEPOOL_NAME=me"),
					 NULL);

	(void)state;
	assert_int_equal(c->pools[0].max_size, 3);
	assert_int_equal(c->pools[1].max_size, 4);
	config_free(c);
}

static void test_unknown_variables_are_warned_of(void **state)
{
	struct loaded l;

	(void)state;
	config_fixture_load(&l, NULL,
			    env("PGHOST=/tmp", "SIDEPOOL_BUGDET=5", "SIDEPOOL_POOL_X_MIN=2",
				"SIDEPOOL_COLOUR=red"),
			    NULL);
	assert_int_equal(l.result, 0);
	assert_string_equal(
		l.told, "warning: environment SIDEPOOL_BUGDET: no setting has this variable: did "
			"you mean SIDEPOOL_BUDGET?\n"
			"warning: environment SIDEPOOL_POOL_X_MIN: no setting has this variable\n"
			"warning: environment SIDEPOOL_COLOUR: no setting has this variable\n");
	loaded_deinit(&l);
}

static void test_aliases_of_the_env_file_are_taken(void **state)
{
	char *const *environment =
		env("DATABASE_URL=postgres://u@h/db", "DB_POOL_SIZE=5", "DB_MAX_OVERFLOW=10",
		    "DB_POOL_TIMEOUT=2.5", "DB_POOL_RECYCLE=1800", "DB_ECHO=True",
		    "PGCONNECT_TIMEOUT=4");
	struct config *c = load_silently(NULL, environment, NULL);

	(void)state;
	assert_string_equal(c->pools[0].name, "main");
	assert_string_equal(c->pools[0].conninfo, "postgresql://u@h/db");
	assert_int_equal(c->pools[0].max_size, 5);
	assert_int_equal(c->pools[0].max_overflow, 10);
	assert_int_equal(c->pools[0].acquire_timeout_us, 2500 * USEC_PER_MS);
	assert_int_equal(c->pools[0].max_lifetime_us, 1800 * USEC_PER_SEC);
	assert_int_equal(c->pools[0].connect_timeout_us, 4 * USEC_PER_SEC);
	assert_true(c->log_statements);
	config_free(c);
}

static void test_the_file_goes_before_an_alias(void **state)
{
	struct config *c = load_silently(
		"[pool main]\nmax_size = 3\nurl = host=file\n",
		env("DB_POOL_SIZE=oops", "DATABASE_URL=mysql://h", "DB_POOL_RECYCLE=-1"), NULL);

	(void)state;
	assert_int_equal(c->pools[0].max_size, 3);
	assert_string_equal(c->pools[0].conninfo, "host=file");
	assert_int_equal(c->pools[0].max_lifetime_us, USEC_NEVER);
	config_free(c);
}

static void test_a_bad_alias_is_named(void **state)
{
	struct loaded l;

	(void)state;
	config_fixture_load(
		&l, NULL,
		env("DATABASE_URL=postgres:///", "DB_POOL_SIZE=oops", "DB_POOL_TIMEOUT=soon"),
		NULL);
	assert_int_equal(l.result, 2);
	assert_string_equal(l.told,
			    "environment DB_POOL_SIZE: max_size: \"oops\" is not a whole number\n"
			    "environment DB_POOL_TIMEOUT: acquire_timeout: \"soon\" is not a time: "
			    "write a whole number and us, ms, "
			    "s, min, h or d behind it, or off\n");
	loaded_deinit(&l);
}

static void test_a_url_s_parameter_is_weaker_than_a_setting_of_its_source(void **state)
{
	struct arguments arguments = { .url = (char[]){ "postgresql://h/db?connection_limit=9" } };
	struct config *c = load_silently(
		"[pool main]\nmax_size = 3\nurl = postgresql://h/db?connection_limit=7\n", NULL,
		NULL);

	(void)state;
	assert_int_equal(c->pools[0].max_size, 3);
	config_free(c);
	c = load_silently("[pool main]\nmax_size = 3\n", NULL, &arguments);
	assert_int_equal(c->pools[0].max_size, 9);
	assert_true(origin(c->pools[0].origins, SETTING_SECTION_POOL, "max_size").in_url);
	config_free(c);
	c = load_silently(
		NULL, env("DATABASE_URL=postgresql://h/db?connection_limit=7", "DB_POOL_SIZE=4"),
		NULL);
	assert_int_equal(c->pools[0].max_size, 4);
	config_free(c);
}

static void test_main_is_there_when_somebody_means_it(void **state)
{
	static const char text[] = "[pool reports]\nurl = host=reports\n";
	struct arguments arguments = { .url = (char[]){ "postgresql://arg/db" } };
	struct config *c = load_silently(text, env("DATABASE_URL=postgresql://alias/db"), NULL);

	(void)state;
	assert_int_equal(c->n_pools, 1);
	assert_string_equal(c->pools[0].name, "reports");
	config_free(c);
	c = load_silently(text, NULL, &arguments);
	assert_int_equal(c->n_pools, 2);
	assert_string_equal(c->pools[0].name, "main");
	assert_string_equal(c->pools[0].conninfo, "postgresql://arg/db");
	assert_string_equal(c->pools[1].conninfo, "host=reports");
	config_free(c);
	c = load_silently(text, env("SIDEPOOL_POOL_URL=postgresql://env/db"), NULL);
	assert_string_equal(c->pools[0].conninfo, "postgresql://env/db");
	config_free(c);
}

static void test_libpq_s_variables_will_do(void **state)
{
	static char *const variables[] = { "PGHOST=h",     "PGHOSTADDR=::1", "PGPORT=1",
					   "PGDATABASE=d", "PGUSER=u",       "PGSERVICE=s" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		struct config *c = load_silently(NULL, env(variables[i]), NULL);

		assert_string_equal(c->pools[0].conninfo, "");
		config_free(c);
	}
}

static void test_no_database_is_told_with_the_ways_to_give_one(void **state)
{
	struct loaded l;

	(void)state;
	config_fixture_load(&l, "[pool main]\n[pool two]\n", env("PGPASSWORD=x", "HOME=/root"),
			    NULL);
	assert_int_equal(l.result, 2);
	assert_string_equal(
		l.told, "there is no database: give a URL (sidepoold "
			"postgresql://USER@HOST/DATABASE), or set url in "
			"[pool main], or $DATABASE_URL, or libpq's PGHOST, PGDATABASE, PGSERVICE\n"
			"[pool two] has no database: set url in it\n");
	loaded_deinit(&l);
}

static void test_applications_inherit_timeouts(void **state)
{
	struct config *c =
		load_silently("[sidepool]\nstatement_timeout = 7s\nacquire_timeout = 9s\n"
			      "[pool main]\nacquire_timeout = 5s\n[pool two]\nurl = host=x\n"
			      "[application a]\nstatement_timeout = off\nlease_timeout = 2min\n"
			      "[application b]\nacquire_timeout = 1s\n",
			      env_db, NULL);
	const struct config_application *a = &c->applications[0], *b = &c->applications[1];

	(void)state;
	assert_int_equal(a->timeouts.statement_us, USEC_NEVER);
	assert_int_equal(b->timeouts.statement_us, 7 * USEC_PER_SEC);
	assert_int_equal(c->other.timeouts.statement_us, 7 * USEC_PER_SEC);
	assert_int_equal(a->timeouts.lease_us, 120 * USEC_PER_SEC);
	assert_int_equal(b->timeouts.lease_us, 3600 * USEC_PER_SEC);
	assert_int_equal(c->other.timeouts.fetch_us, 60 * USEC_PER_SEC);
	assert_int_equal(config_acquire_timeout(&c->pools[0], a), 5 * USEC_PER_SEC);
	assert_int_equal(config_acquire_timeout(&c->pools[1], a), 9 * USEC_PER_SEC);
	assert_int_equal(config_acquire_timeout(&c->pools[0], b), USEC_PER_SEC);
	config_free(c);
}

static void test_what_depends_on_others_is_resolved(void **state)
{
	struct arguments arguments = { .socket = "dir/rpc.sock" };
	struct config *c = load_silently(
		"[pool main]\npipeline = off\npassword_file = $CREDENTIALS_DIRECTORY/pw\n",
		env("PGHOST=/tmp", "CREDENTIALS_DIRECTORY=/run/c"), &arguments);

	(void)state;
	assert_int_equal(c->pools[0].pipeline_depth, 1);
	assert_int_equal(c->pools[0].max_size, 20);
	assert_string_equal(c->pools[0].password_file, "/run/c/pw");
	config_free(c);
	c = load_silently("[sidepool]\nsocket = rpc.sock\n[pool main]\npassword_file = /pw\n",
			  env_db, NULL);
	assert_string_equal(c->pools[0].password_file, "/pw");
	config_free(c);
}

static void test_credentials_without_systemd_are_told(void **state)
{
	static const char text[] = "[pool main]\npassword_file = ${CREDENTIALS_DIRECTORY}/pw\n";
	struct arguments arguments = { .action = ARGUMENTS_CHECK };
	struct loaded l;

	(void)state;
	assert_told(text, "@2: password_file: $CREDENTIALS_DIRECTORY is not set: is "
			  "LoadCredential= in the unit?\n");
	config_fixture_load(&l, text, env_db, &arguments);
	assert_int_equal(l.result, 0);
	assert_string_equal(l.told, "warning: t.conf:2: password_file: $CREDENTIALS_DIRECTORY is "
				    "not set here; systemd sets it for "
				    "the service\n");
	loaded_deinit(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_stronger_source_wins),
		cmocka_unit_test(test_a_weaker_source_is_checked_all_the_same),
		cmocka_unit_test(test_an_empty_variable_is_not_set),
		cmocka_unit_test(test_variables_name_pools),
		cmocka_unit_test(test_unknown_variables_are_warned_of),
		cmocka_unit_test(test_aliases_of_the_env_file_are_taken),
		cmocka_unit_test(test_the_file_goes_before_an_alias),
		cmocka_unit_test(test_a_bad_alias_is_named),
		cmocka_unit_test(test_a_url_s_parameter_is_weaker_than_a_setting_of_its_source),
		cmocka_unit_test(test_main_is_there_when_somebody_means_it),
		cmocka_unit_test(test_libpq_s_variables_will_do),
		cmocka_unit_test(test_no_database_is_told_with_the_ways_to_give_one),
		cmocka_unit_test(test_applications_inherit_timeouts),
		cmocka_unit_test(test_what_depends_on_others_is_resolved),
		cmocka_unit_test(test_credentials_without_systemd_are_told),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
