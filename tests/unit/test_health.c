/* SPDX-License-Identifier: MIT */
/* Levels, reasons and advice from the numbers. */
#include "core/health.h"

#include "core_fixture.h"

#define given(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static void assert_check(const struct health_check *c, enum health_level level, const char *reason)
{
	assert_string_equal(c->reason, reason);
	assert_int_equal(c->level, level);
	assert_int_equal(c->advice[0] != '\0', level != HEALTH_HEALTHY);
	assert_string_not_equal(health_level_to_string(level), "?");
}

static void test_the_budget_has_two_thresholds(void **state)
{
	const struct core_settings *s = &fixture_core_settings;
	struct health_check c;

	(void)state;
	health_of_budget(s, 15, 20, 0, &c);
	assert_check(&c, HEALTH_HEALTHY,
		     "15 of 20 connections are in use (75 %), 0 requests wait.");
	health_of_budget(s, 16, 20, 2, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "16 of 20 connections are in use (80 %), 2 requests wait.");
	health_of_budget(s, 18, 20, 3, &c);
	assert_check(&c, HEALTH_UNHEALTHY,
		     "18 of 20 connections are in use (90 %), 3 requests wait.");
	health_of_budget(s, 0, 0, 3, &c);
	assert_int_equal(c.level, HEALTH_UNHEALTHY);
	health_of_budget(s, 0, 0, 0, &c);
	assert_int_equal(c.level, HEALTH_HEALTHY);
}

static void test_slow_acquisition_degrades(void **state)
{
	struct health_check c;

	(void)state;
	health_of_acquisition(&fixture_core_settings, 50 * MS, &c);
	assert_check(&c, HEALTH_HEALTHY,
		     "It takes 50.0 ms to get a connection (the limit is 50.0 ms).");
	health_of_acquisition(&fixture_core_settings, 51 * MS, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "It takes 51.0 ms to get a connection (the limit is 50.0 ms).");
}

static void test_submitted_writes_are_told_of_before_they_are_refused(void **state)
{
	struct health_check c;

	(void)state;
	health_of_submits(8000, 10000, false, &c);
	assert_check(&c, HEALTH_HEALTHY,
		     "8000 submitted writes are not done yet (the limit is 10000).");
	assert_string_equal(c.advice, "");
	health_of_submits(8001, 10000, false, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "8001 of at most 10000 submitted writes are not done yet.");
	health_of_submits(1, 1, false, &c);
	assert_int_equal(c.level, HEALTH_DEGRADED);
	health_of_submits(0, 0, false, &c); /* not offered at all */
	assert_int_equal(c.level, HEALTH_HEALTHY);
	health_of_submits(UINT32_MAX, UINT32_MAX, true, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "The journal of submitted writes cannot be written: none is accepted, "
		     "4294967295 are not done yet.");
	assert_string_not_equal(c.advice, "");
}

static void test_the_database_s_state_has_a_cause_and_a_remedy(void **state)
{
	struct breaker b = { .state = BREAKER_CLOSED };
	struct health_check c;

	(void)state;
	health_of_database(&b, 3, 0, 0, &c);
	assert_check(&c, HEALTH_HEALTHY, "The database can be reached; 3 connections are up.");
	health_of_database(&b, 1, 0, 0, &c);
	assert_check(&c, HEALTH_HEALTHY, "The database can be reached; 1 connection is up.");
	health_of_database(&b, 0, 0, 0, &c);
	assert_check(&c, HEALTH_HEALTHY,
		     "No connection is up, and none was needed or has failed lately.");
	b.failures = 2;
	b.cause = SLOT_FAILURE_NETWORK;
	health_of_database(&b, 3, 0, 0, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "The last 2 connects failed (network); 3 connections are up.");
	health_of_database(&b, 0, 0, 0, &c);
	assert_int_equal(c.level, HEALTH_UNHEALTHY);
	b.state = BREAKER_OPEN;
	b.cause = SLOT_FAILURE_AUTH;
	b.since = SEC;
	health_of_database(&b, 3, 1500 * MS, 3 * SEC, &c);
	assert_check(
		&c, HEALTH_UNHEALTHY,
		"The breaker is open since 2.0 s (authentication); the next attempt is in 1.5 s.");
	assert_non_null(strstr(c.advice, "password"));
	b.cause = SLOT_FAILURE_OTHER;
	health_of_database(&b, 3, 0, 3 * SEC, &c);
	assert_non_null(strstr(c.advice, "database"));
	b.tripped = true;
	health_of_database(&b, 3, 0, 3 * SEC, &c);
	assert_non_null(strstr(c.reason, "by hand"));
	assert_non_null(strstr(c.advice, "breaker reset"));
}

static void test_what_the_server_does_not_give_is_said_with_the_number_that_fits(void **state)
{
	struct health_check c;

	(void)state;
	health_of_limits(50, 22, 22, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "Up to 50 connections are asked for, the server's limits leave 22.");
	assert_non_null(strstr(c.advice, "22"));
	health_of_limits(50, 22, 0, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "The server is full: it lets us have 22 of 50 connections.");
	health_of_limits(50, 50, 0, &c);
	assert_check(&c, HEALTH_HEALTHY, "The server's limits leave room for all 50 connections.");
}

static void test_the_whole_is_as_bad_as_its_worst_part(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;
	struct health_check c;

	assert_int_equal(health_level(f->core, f->now), HEALTH_HEALTHY);
	for (unsigned i = 0; i < 8; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	assert_int_equal(health_level(f->core, f->now), HEALTH_DEGRADED);
	fixture_finish(f, &f->tickets[0]);
	assert_int_equal(health_level(f->core, f->now), HEALTH_HEALTHY);
	/* Who waits now counts, although nobody has waited long so far. */
	s.max_size = 8;
	fixture_configure(f, &s);
	pool_pause(f->pool, f->now);
	fixture_submit(f, 0, f->app);
	f->now += 60 * MS;
	assert_int_equal(health_acquisition(f->pool, f->now), 60 * MS);
	health_check_acquisition(f->pool, f->now, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "The pool is paused by hand: nothing is granted, 1 wait.");
	core_withdraw(f->core, &f->tickets[0], f->now);
	health_check_acquisition(f->pool, f->now, &c);
	assert_check(&c, HEALTH_DEGRADED,
		     "The pool is paused by hand: nothing is granted, 0 wait.");
	pool_resume(f->pool, f->now);
	health_check_acquisition(f->pool, f->now, &c);
	assert_int_equal(c.level, HEALTH_HEALTHY);
	pool_trip(f->pool, f->now);
	assert_int_equal(health_level(f->core, f->now), HEALTH_UNHEALTHY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_the_budget_has_two_thresholds),
		given(test_slow_acquisition_degrades),
		given(test_submitted_writes_are_told_of_before_they_are_refused),
		given(test_the_database_s_state_has_a_cause_and_a_remedy),
		given(test_what_the_server_does_not_give_is_said_with_the_number_that_fits),
		given(test_the_whole_is_as_bad_as_its_worst_part),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
