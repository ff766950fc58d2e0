/* SPDX-License-Identifier: MIT */
/* The breaker and the ceiling: pure functions of what happened and when. */
#include "core/breaker.h"
#include "core/ceiling.h"
#include "core/rng.h"

#include "core_fixture.h"

static struct rng rng;

static int seed(void **state)
{
	(void)state;
	rng_init(&rng, 7);
	return 0;
}

#define given(name) cmocka_unit_test_setup(name, seed)

static void fail_times(struct breaker *b, unsigned n, enum slot_failure failure, usec now)
{
	while (n--)
		breaker_failed(b, &fixture_pool_settings, failure, &rng, now);
}

static void test_it_opens_after_so_many_failures_in_a_row(void **state)
{
	struct breaker b = { .state = BREAKER_CLOSED };

	(void)state;
	fail_times(&b, 2, SLOT_FAILURE_NETWORK, SEC);
	breaker_succeeded(&b, SEC);
	fail_times(&b, 2, SLOT_FAILURE_OTHER, SEC);
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_true(breaker_allows(&b, SEC));
	assert_int_equal(breaker_retry_after(&b, &fixture_pool_settings, SEC), 0);
	fail_times(&b, 1, SLOT_FAILURE_NETWORK, 2 * SEC);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(b.since, 2 * SEC);
	assert_int_equal(b.opened_total, 1);
	assert_false(breaker_allows(&b, 2 * SEC));
}

static void test_a_threshold_of_zero_never_opens(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct breaker b = { .state = BREAKER_CLOSED };

	(void)state;
	s.breaker_threshold = 0;
	for (int i = 0; i < 1000; i++)
		breaker_failed(&b, &s, SLOT_FAILURE_AUTH, &rng, SEC);
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_one_probe_at_a_time(void **state)
{
	struct breaker b = { .state = BREAKER_CLOSED };

	(void)state;
	fail_times(&b, 3, SLOT_FAILURE_NETWORK, SEC);
	assert_in_range(b.retry_at - SEC, 50 * MS, 100 * MS);
	assert_true(breaker_allows(&b, b.retry_at));
	breaker_connecting(&b);
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
	assert_false(breaker_allows(&b, 100 * SEC));
	assert_true(breaker_retry_after(&b, &fixture_pool_settings, 100 * SEC) > 0);
	breaker_succeeded(&b, 2 * SEC);
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_int_equal(b.since, 2 * SEC);
	assert_int_equal(b.failures, 0);
}

static void test_pauses_double_up_to_the_reset(void **state)
{
	struct breaker b = { .state = BREAKER_CLOSED };
	usec now = SEC, pause = 0;

	(void)state;
	fail_times(&b, 3, SLOT_FAILURE_NETWORK, now);
	for (int i = 0; i < 20; i++) {
		pause = b.retry_at - now;
		now = b.retry_at;
		breaker_connecting(&b);
		breaker_failed(&b, &fixture_pool_settings, SLOT_FAILURE_NETWORK, &rng, now);
		assert_int_equal(b.state, BREAKER_OPEN);
	}
	assert_in_range(pause, 30 * SEC, 60 * SEC);
	assert_int_equal(b.pause_us, 60 * SEC);
	assert_int_equal(b.since, SEC);
	assert_int_equal(b.opened_total, 1);
}

static void test_a_refused_password_opens_at_once_and_for_long(void **state)
{
	struct breaker b = { .state = BREAKER_CLOSED };

	(void)state;
	fail_times(&b, 1, SLOT_FAILURE_AUTH, SEC);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_in_range(b.retry_at - SEC, 30 * SEC, 60 * SEC);
}

static void test_a_late_failure_changes_nothing_while_it_is_open(void **state)
{
	struct breaker b = { .state = BREAKER_CLOSED };
	usec retry_at;

	(void)state;
	fail_times(&b, 3, SLOT_FAILURE_NETWORK, SEC);
	retry_at = b.retry_at;
	fail_times(&b, 5, SLOT_FAILURE_NETWORK, SEC + MS);
	assert_int_equal(b.retry_at, retry_at);
}

static void test_a_probe_that_was_called_off_says_nothing(void **state)
{
	struct breaker b = { .state = BREAKER_CLOSED };

	(void)state;
	fail_times(&b, 3, SLOT_FAILURE_NETWORK, SEC);
	breaker_connecting(&b);
	breaker_abandoned(&b);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_true(breaker_allows(&b, b.retry_at));
	breaker_reset(&b, SEC);
	breaker_abandoned(&b);
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_what_was_tripped_by_hand_is_closed_by_hand(void **state)
{
	struct breaker b = { .state = BREAKER_CLOSED };

	(void)state;
	breaker_trip(&b, SEC);
	assert_false(breaker_allows(&b, 1000 * SEC));
	breaker_succeeded(&b, 2 * SEC);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_int_equal(breaker_retry_after(&b, &fixture_pool_settings, 2 * SEC), 60 * SEC);
	breaker_reset(&b, 3 * SEC);
	assert_true(breaker_allows(&b, 3 * SEC));
	assert_int_equal(b.since, 3 * SEC);
}

static void test_states_have_names(void **state)
{
	(void)state;
	assert_string_equal(breaker_state_to_string(BREAKER_CLOSED), "closed");
	assert_string_equal(breaker_state_to_string(BREAKER_OPEN), "open");
	assert_string_equal(breaker_state_to_string(BREAKER_HALF_OPEN), "half-open");
}

static void test_no_ceiling_allows_everything(void **state)
{
	struct ceiling c;

	(void)state;
	ceiling_init(&c);
	assert_true(ceiling_allows(&c, 1000000, 0));
	assert_int_equal(ceiling_due(&c), USEC_NEVER);
	ceiling_opened(&c, &fixture_pool_settings, 5, &rng, SEC);
	assert_int_equal(c.limit, CEILING_UNKNOWN);
}

static void test_a_full_server_cuts_to_what_is_open(void **state)
{
	struct ceiling c;

	(void)state;
	ceiling_init(&c);
	ceiling_full(&c, &fixture_pool_settings, 22, &rng, SEC);
	assert_int_equal(c.limit, 22);
	assert_true(ceiling_allows(&c, 21, SEC));
	assert_false(ceiling_allows(&c, 22, SEC));
	assert_in_range(ceiling_due(&c) - SEC, 50 * MS, 100 * MS);
	assert_true(ceiling_allows(&c, 22, ceiling_due(&c)));
	assert_false(ceiling_allows(&c, 23, ceiling_due(&c)));
}

static void test_probes_become_rarer_while_the_server_stays_full(void **state)
{
	struct ceiling c;
	usec now = SEC, pause = 0;

	(void)state;
	ceiling_init(&c);
	for (int i = 0; i < 10; i++) {
		ceiling_full(&c, &fixture_pool_settings, 5, &rng, now);
		pause = ceiling_due(&c) - now;
		now = ceiling_due(&c);
	}
	assert_in_range(pause, 500 * MS, SEC);
	/* One that works makes them frequent again. */
	ceiling_opened(&c, &fixture_pool_settings, 6, &rng, now);
	assert_int_equal(c.limit, 6);
	assert_in_range(ceiling_due(&c) - now, 50 * MS, 100 * MS);
}

static void test_refusals_of_one_burst_count_once(void **state)
{
	struct ceiling c;

	(void)state;
	ceiling_init(&c);
	for (int i = 0; i < 8; i++)
		ceiling_full(&c, &fixture_pool_settings, 5, &rng, SEC);
	assert_in_range(ceiling_due(&c) - SEC, 50 * MS, 100 * MS);
}

static void test_the_server_s_own_limits_are_final(void **state)
{
	struct server_limits l = { .max_connections = 97, .others = 90, .database_limit = 12 };
	struct ceiling c;

	(void)state;
	ceiling_init(&c);
	ceiling_discovered(&c, &fixture_pool_settings, &l, 3, &rng, SEC);
	assert_int_equal(c.hard, 12);
	assert_int_equal(c.limit, 7);
	ceiling_opened(&c, &fixture_pool_settings, 12, &rng, SEC);
	assert_int_equal(c.limit, 12);
	assert_int_equal(ceiling_due(&c), USEC_NEVER);
	assert_false(ceiling_allows(&c, 12, 1000 * SEC));
	/* Found to be larger: up at once. */
	l.database_limit = 0;
	l.others = 10;
	ceiling_discovered(&c, &fixture_pool_settings, &l, 12, &rng, SEC);
	assert_int_equal(c.limit, 87);
	assert_int_equal(c.hard, 97);
	/* More others than there is room for: what is open is open. */
	l.others = 200;
	ceiling_discovered(&c, &fixture_pool_settings, &l, 12, &rng, SEC);
	assert_int_equal(c.limit, 12);
}

static void test_chance_repeats_and_keeps_its_bounds(void **state)
{
	struct rng a, b;

	(void)state;
	rng_init(&a, 5);
	rng_init(&b, 5);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(rng_next(&a), rng_next(&b));
		assert_in_range(rng_jitter(&a, 1000), 500, 1000);
		rng_next(&b);
	}
	assert_int_equal(rng_below(&a, 0), 0);
	assert_int_equal(rng_below(&a, 1), 0);
	assert_int_equal(rng_jitter(&a, 0), 0);
	rng_init(&b, 6);
	assert_int_not_equal(rng_next(&a), rng_next(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_it_opens_after_so_many_failures_in_a_row),
		given(test_a_threshold_of_zero_never_opens),
		given(test_one_probe_at_a_time),
		given(test_pauses_double_up_to_the_reset),
		given(test_a_refused_password_opens_at_once_and_for_long),
		given(test_a_late_failure_changes_nothing_while_it_is_open),
		given(test_a_probe_that_was_called_off_says_nothing),
		given(test_what_was_tripped_by_hand_is_closed_by_hand),
		given(test_states_have_names),
		given(test_no_ceiling_allows_everything),
		given(test_a_full_server_cuts_to_what_is_open),
		given(test_probes_become_rarer_while_the_server_stays_full),
		given(test_refusals_of_one_burst_count_once),
		given(test_the_server_s_own_limits_are_final),
		given(test_chance_repeats_and_keeps_its_bounds),
	};

	return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
