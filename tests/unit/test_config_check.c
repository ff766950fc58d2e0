/* SPDX-License-Identifier: MIT */
/* What is wrong only together, and who an application section is for. */
#include <unistd.h>

#include "config_fixture.h"

static void test_shares_on_a_client_s_word_are_refused(void **state)
{
	(void)state;
	assert_told("[application api]\nmin = 4\nweight = 2\npriority = 1\n",
		    "@2: min = 4 raises the share of [application api] on the client's word alone: "
		    "add match_unit, match_user, "
		    "match_group or match_executable\n"
		    "@3: weight = 2 raises the share of [application api] on the client's word "
		    "alone: add match_unit, match_user, "
		    "match_group or match_executable\n"
		    "@4: priority = 1 raises the share of [application api] on the client's word "
		    "alone: add match_unit, "
		    "match_user, match_group or match_executable\n");
	assert_told("[application seed]\nmax = 4\npriority = -1\n", "");
	assert_told("[application a]\nmin = 1\nmatch_unit = a.service\n[application b]\nmin = "
		    "1\nmatch_user = 0\n"
		    "[application c]\nmin = 1\nmatch_group = 0\n[application d]\nmin = "
		    "1\nmatch_executable = /x\n",
		    "");
}

static void test_minima_fit_the_budget(void **state)
{
	(void)state;
	assert_told("[sidepool]\nbudget = 5\n[application a]\nmatch_user = 0\nmin = "
		    "3\n[application b]\nmatch_user = 1\nmin = 3\n",
		    "@2: the min of all applications are 6 together, and the budget is 5: lower "
		    "them or raise it\n");
	assert_told("[sidepool]\nbudget = 5\n[pool main]\nmin_size = 3\n[pool two]\nurl = "
		    "host=h\nmin_size = 3\n",
		    "@2: the min_size of all pools are 6 together, and the budget is 5: lower them "
		    "or raise it\n");
	assert_told("[sidepool]\nbudget = 6\n[pool main]\nmin_size = 3\n[pool two]\nurl = "
		    "host=h\nmin_size = 3\n",
		    "");
}

static void test_orders_are_kept(void **state)
{
	(void)state;
	assert_told(
		"[sidepool]\nmax_message_bytes = 64KiB\ndegraded_usage = 95%\nmax_memory_per_uid = "
		"1MiB\n"
		"[pool main]\nmin_size = 5\nmax_size = 4\nconnect_backoff_min = 20s\n"
		"[application a]\nmatch_user = 0\nmin = 3\nmax = 2\npools = main nine\n",
		"max_chunk_bytes is more than max_message_bytes: an answer would not fit\n"
		"@3: degraded_usage is more than unhealthy_usage: degraded comes before unhealthy\n"
		"@6: min_size = 5 is more than max_size = 4 in [pool main]\n"
		"@8: connect_backoff_min is more than connect_backoff_max in [pool main]\n"
		"@11: min = 3 is more than max = 2 in [application a]\n"
		"@13: pools: there is no [pool nine]\n");
	assert_told("[sidepool]\nmax_message_bytes = 16MiB\nmax_memory_per_uid = 1MiB\n",
		    "@3: max_memory_per_uid is less than max_message_bytes: no such message would "
		    "be taken\n");
}

static void test_what_has_no_effect_is_warned_of(void **state)
{
	(void)state;
	assert_told("[sidepool]\nslow_query = off\nlog_parameters = on\n",
		    "warning: @3: log_parameters has no effect while log_statements and slow_query "
		    "are off\n");
	assert_told(
		"[pool main]\nidle_timeout = 2h\npipeline = off\npipeline_depth = 4\nmax_size = "
		"20\nmax_overflow = 1\n",
		"warning: @5: max_size and max_overflow of [pool main] are 21 together, and the "
		"budget is 20: it never gets more\n"
		"warning: @2: idle_timeout has no effect in [pool main]: max_lifetime is shorter\n"
		"warning: @4: pipeline_depth has no effect in [pool main]: pipeline is off\n");
	assert_told("[application *]\n[application late]\n",
		    "warning: [application late] is never reached: [application *] before it takes "
		    "all that it would match\n");
	assert_told("[application seed-*]\n[application seed-1]\n",
		    "warning: [application seed-1] is never reached: [application seed-*] before "
		    "it takes all that it would match\n");
	assert_told("[application *]\nmatch_unit = x\n[application late]\n[application "
		    "seed-*]\n[application other]\n",
		    "");
}

static void test_names_of_users_and_groups_are_looked_up(void **state)
{
	struct config *c = load_silently(
		"[sidepool]\nsocket_owner = root\nsocket_group = 12345\nadmin_users = 17, root\n"
		"admin_groups = root\n[application a]\nmatch_user = root 4294967294\n",
		env_db, NULL);

	(void)state;
	assert_int_equal(c->socket_uid, 0);
	assert_int_equal(c->socket_gid, 12345);
	assert_int_equal(c->n_admin_uids, 2);
	assert_int_equal(c->admin_uids[0], 17);
	assert_int_equal(c->admin_uids[1], 0);
	assert_int_equal(c->admin_gids[0], 0);
	assert_int_equal(c->applications[0].uids[1], 4294967294U);
	config_free(c);
	assert_told("[sidepool]\nsocket_owner = no-such-user\nadmin_groups = root no-such-group\n"
		    "[application a]\nmatch_user = 4294967295\n",
		    "@2: socket_owner: there is no user \"no-such-user\" on this host\n"
		    "@3: admin_groups: there is no group \"no-such-group\" on this host\n"
		    "@5: match_user: there is no user \"4294967295\" on this host\n");
}

static void assert_matches(const struct config *c, const struct config_facts *facts,
			   const char *pattern)
{
	assert_string_equal(config_match(c, facts)->pattern, pattern);
}

static void test_the_first_section_that_fits_wins(void **state)
{
	struct config *c = load_silently(
		"[application api]\nmatch_unit = api.service api@*.service\n"
		"[application cron]\nmatch_user = 33 34\nmatch_executable = /usr/bin/*\n"
		"[application ops]\nmatch_group = 50\n"
		"[application seed-*]\n"
		"[application ?]\n",
		env_db, NULL);
	const uint32_t groups[] = { 7, 50 };

	(void)state;
	assert_matches(c, &(struct config_facts){ .name = "api", .unit = "api.service" }, "api");
	assert_matches(c, &(struct config_facts){ .name = "api", .unit = "api@2.service" }, "api");
	assert_matches(c, &(struct config_facts){ .name = "api", .unit = "evil.service" }, "*");
	assert_matches(c, &(struct config_facts){ .name = "api" }, "*");
	assert_matches(c, &(struct config_facts){ .name = "evil", .unit = "api.service" }, "*");
	assert_matches(
		c,
		&(struct config_facts){ .name = "cron", .uid = 34, .executable = "/usr/bin/a/b" },
		"cron");
	assert_matches(
		c, &(struct config_facts){ .name = "cron", .uid = 35, .executable = "/usr/bin/a" },
		"*");
	assert_matches(c,
		       &(struct config_facts){ .name = "cron", .uid = 33, .executable = "/tmp/a" },
		       "*");
	assert_matches(c, &(struct config_facts){ .name = "ops", .gid = 50 }, "ops");
	assert_matches(
		c,
		&(struct config_facts){ .name = "ops", .gid = 5, .groups = groups, .n_groups = 2 },
		"ops");
	assert_matches(
		c,
		&(struct config_facts){ .name = "ops", .gid = 5, .groups = groups, .n_groups = 1 },
		"*");
	assert_matches(c, &(struct config_facts){ .name = "seed-x" }, "seed-*");
	assert_matches(c, &(struct config_facts){ .name = "x" }, "?");
	assert_ptr_equal(config_match(c, &(struct config_facts){ .name = NULL }), &c->other);
	config_free(c);
}

static void test_an_application_uses_its_pools(void **state)
{
	struct config *c = load_silently(
		"[pool main]\n[pool two]\nurl = host=h\n[application a]\npools = two\n", env_db,
		NULL);

	(void)state;
	assert_false(config_may_use_pool(&c->applications[0], &c->pools[0]));
	assert_true(config_may_use_pool(&c->applications[0], &c->pools[1]));
	assert_true(config_may_use_pool(&c->other, &c->pools[0]));
	config_free(c);
}

static void test_admins_are_root_itself_and_those_named(void **state)
{
	struct config *c = load_silently("[sidepool]\nadmin_users = 1001\nadmin_groups = 2002\n",
					 env_db, NULL);
	const uint32_t groups[] = { 2002 };

	(void)state;
	assert_true(config_is_admin(c, &(struct config_facts){ .uid = 0, .gid = 1 }));
	assert_true(
		config_is_admin(c, &(struct config_facts){ .uid = (uint32_t)geteuid(), .gid = 1 }));
	assert_true(config_is_admin(c, &(struct config_facts){ .uid = 1001, .gid = 1 }));
	assert_true(config_is_admin(c, &(struct config_facts){ .uid = 1002, .gid = 2002 }));
	assert_true(config_is_admin(
		c,
		&(struct config_facts){ .uid = 1002, .gid = 1, .groups = groups, .n_groups = 1 }));
	assert_false(config_is_admin(c, &(struct config_facts){ .uid = 1002, .gid = 0 }));
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_on_a_client_s_word_are_refused),
		cmocka_unit_test(test_minima_fit_the_budget),
		cmocka_unit_test(test_orders_are_kept),
		cmocka_unit_test(test_what_has_no_effect_is_warned_of),
		cmocka_unit_test(test_names_of_users_and_groups_are_looked_up),
		cmocka_unit_test(test_the_first_section_that_fits_wins),
		cmocka_unit_test(test_an_application_uses_its_pools),
		cmocka_unit_test(test_admins_are_root_itself_and_those_named),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
