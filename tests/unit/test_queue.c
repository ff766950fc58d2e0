/* SPDX-License-Identifier: MIT */
/* Whose turn it is, and who shares a connection. */
#include "core_fixture.h"

#define given(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static void resize(struct fixture *f, uint32_t size, uint32_t depth)
{
	struct pool_settings s = fixture_pool_settings;

	s.max_size = size;
	s.pipeline_depth = depth;
	fixture_configure(f, &s);
}

/* A ticket that holds a connection for so long from now on. */
static void hold(struct fixture *f, struct ticket *t, usec time)
{
	assert_int_equal(t->state, TICKET_GRANTED);
	f->now += time;
	fixture_finish(f, t);
	fixture_settle(f);
}

static void test_connections_that_become_free_at_once_are_spread(void **state)
{
	struct fixture *f = *state;
	struct application *a = fixture_app(f, "a", &fixture_share),
			   *b = fixture_app(f, "b", &fixture_share);

	resize(f, 4, 1);
	for (unsigned i = 0; i < 4; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	for (unsigned i = 0; i < 8; i++)
		fixture_submit(f, 10 + i, i < 4 ? a : b);
	for (unsigned i = 0; i < 4; i++)
		fixture_finish(f, &f->tickets[i]);
	fixture_settle(f);
	assert_int_equal(a->in_use, 2);
	assert_int_equal(b->in_use, 2);
}

static void test_turns_follow_the_time_used_not_the_requests(void **state)
{
	struct fixture *f = *state;
	struct application *slow = fixture_app(f, "slow", &fixture_share),
			   *quick = fixture_app(f, "quick", &fixture_share);
	usec used = 0;
	unsigned turns = 0;

	resize(f, 1, 1);
	fixture_submit(f, 0, slow);
	fixture_settle(f);
	for (unsigned i = 1; i < 5; i++)
		fixture_submit(f, i, slow);
	for (unsigned i = 20; i < 60; i++)
		fixture_submit(f, i, quick);
	hold(f, &f->tickets[0], 100 * MS);
	/* Now the quick one may use as much, in whatever number of requests. */
	while (f->last_granted->app == quick) {
		turns++;
		used += 10 * MS;
		hold(f, f->last_granted, 10 * MS);
	}
	assert_in_range(used, 90 * MS, 120 * MS);
	assert_in_range(turns, 9, 12);
}

static void test_time_that_nobody_waited_for_is_not_charged(void **state)
{
	struct fixture *f = *state;
	struct application *night = fixture_app(f, "night", &fixture_share),
			   *day = fixture_app(f, "day", &fixture_share);

	resize(f, 1, 1);
	fixture_submit(f, 0, night);
	fixture_settle(f);
	f->now += 10000 * SEC;
	fixture_submit(f, 1, night);
	f->now += MS;
	for (unsigned i = 2; i < 20; i++)
		fixture_submit(f, i, day);
	fixture_settle(f);
	/* It has only used the last millisecond from the others. */
	hold(f, &f->tickets[0], MS);
	assert_ptr_equal(f->last_granted->app, day);
	hold(f, f->last_granted, 10 * MS);
	assert_ptr_equal(f->last_granted->app, night);
}

static void test_idling_earns_no_credit(void **state)
{
	struct fixture *f = *state;
	struct application *busy = fixture_app(f, "busy", &fixture_share),
			   *lazy = fixture_app(f, "lazy", &fixture_share);
	unsigned lazy_turns = 0;

	resize(f, 1, 1);
	for (unsigned i = 0; i < 30; i++)
		fixture_submit(f, i, busy);
	fixture_settle(f);
	for (unsigned i = 0; i < 20; i++)
		hold(f, f->last_granted, 10 * MS);
	for (unsigned i = 40; i < 50; i++)
		fixture_submit(f, i, lazy);
	for (unsigned i = 0; i < 6; i++) {
		hold(f, f->last_granted, 10 * MS);
		lazy_turns += f->last_granted->app == lazy;
	}
	assert_in_range(lazy_turns, 3, 4);
}

static void test_an_hour_of_leasing_is_not_held_against_one_for_ever(void **state)
{
	struct fixture *f = *state;
	struct application *other = fixture_app(f, "other", &fixture_share);
	usec began;

	resize(f, 2, 1);
	fixture_submit(f, 0, f->app);
	fixture_submit(f, 1, other);
	fixture_submit(f, 2, other);
	fixture_settle(f);
	/* Somebody waits all the time: an hour is charged. */
	f->now += 3600 * SEC;
	fixture_submit(f, 3, f->app);
	for (unsigned i = 4; i < 60; i++)
		fixture_submit(f, i, other);
	fixture_finish(f, &f->tickets[0]);
	fixture_settle(f);
	began = f->now;
	while (f->last_granted != &f->tickets[3])
		hold(f, f->last_granted, 500 * MS);
	assert_true(f->now - began <= 11 * SEC);
}

static void test_weights_divide_the_time(void **state)
{
	const struct share_settings three = { .weight = 3 };
	struct fixture *f = *state;
	struct application *heavy = fixture_app(f, "heavy", &three);
	unsigned turns = 0;

	resize(f, 1, 1);
	for (unsigned i = 0; i < 60; i++)
		fixture_submit(f, i, i < 30 ? heavy : f->app);
	fixture_settle(f);
	for (unsigned i = 0; i < 24; i++) {
		turns += f->last_granted->app == heavy;
		hold(f, f->last_granted, 10 * MS);
	}
	assert_in_range(turns, 17, 19);
}

static void test_no_application_gets_more_than_its_maximum(void **state)
{
	const struct share_settings narrow = { .weight = 1, .max = 2 };
	struct fixture *f = *state;
	struct application *studio = fixture_app(f, "studio", &narrow);

	for (unsigned i = 0; i < 6; i++)
		fixture_submit(f, i, studio);
	fixture_settle(f);
	assert_int_equal(f->granted, 2);
	assert_int_equal(f->opened, 2);
	assert_int_equal(pool_oldest(f->pool), f->now);
	/* Nobody behind it is kept waiting for that. */
	fixture_submit(f, 10, f->app);
	fixture_settle(f);
	assert_int_equal(f->granted, 1);
	hold(f, &f->tickets[0], MS);
	assert_ptr_equal(f->last_granted, &f->tickets[2]);
	assert_int_equal(application_oldest(studio), f->now - MS);
}

static void test_a_guaranteed_minimum_goes_before_those_who_came_first(void **state)
{
	const struct share_settings guaranteed = { .weight = 1, .min = 2 };
	struct fixture *f = *state;
	struct application *api = fixture_app(f, "api", &guaranteed);

	resize(f, 4, 1);
	for (unsigned i = 0; i < 20; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	for (unsigned i = 30; i < 40; i++)
		fixture_submit(f, i, api);
	fixture_settle(f);
	hold(f, &f->tickets[0], MS);
	assert_ptr_equal(f->last_granted->app, api);
	hold(f, &f->tickets[1], MS);
	assert_ptr_equal(f->last_granted->app, api);
	assert_int_equal(api->in_use, 2);
}

static void test_a_minimum_that_is_not_used_is_used_by_others(void **state)
{
	const struct share_settings guaranteed = { .weight = 1, .min = 3 };
	struct fixture *f = *state;

	fixture_app(f, "api", &guaranteed);
	resize(f, 4, 1);
	for (unsigned i = 0; i < 20; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	assert_int_equal(f->app->in_use, 4);
}

static void test_a_higher_priority_goes_first(void **state)
{
	const struct share_settings high = { .weight = 1, .priority = 5 };
	struct fixture *f = *state;
	struct application *urgent = fixture_app(f, "urgent", &high);

	resize(f, 1, 1);
	for (unsigned i = 0; i < 10; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	for (unsigned i = 20; i < 24; i++)
		fixture_submit(f, i, urgent);
	for (unsigned i = 0; i < 4; i++) {
		hold(f, f->last_granted ? f->last_granted : &f->tickets[0], 10 * MS);
		assert_ptr_equal(f->last_granted->app, urgent);
	}
	hold(f, f->last_granted, 10 * MS);
	assert_ptr_equal(f->last_granted->app, f->app);
}

static void test_a_lower_priority_is_served_at_times(void **state)
{
	const struct share_settings high = { .weight = 1, .priority = 5 };
	struct fixture *f = *state;
	struct application *urgent = fixture_app(f, "urgent", &high);
	unsigned low = 0;

	resize(f, 1, 1);
	for (unsigned i = 0; i < 20; i++)
		fixture_submit(f, i, urgent);
	fixture_settle(f);
	for (unsigned i = 30; i < 50; i++)
		fixture_submit(f, i, f->app);
	for (unsigned i = 0; i < 40; i++) {
		struct ticket *t = f->last_granted;

		low += t->app == f->app;
		f->now += 200 * MS;
		fixture_finish(f, t);
		if (t->app == urgent)
			core_submit(f->core, t, f->now);
		fixture_settle(f);
	}
	assert_in_range(low, 3, 5);
}

static void test_a_new_share_is_in_force_at_once(void **state)
{
	const struct share_settings guaranteed = { .weight = 1, .min = 1, .max = 1 };
	struct fixture *f = *state;
	struct application *api = fixture_app(f, "api", &fixture_share);

	resize(f, 2, 1);
	for (unsigned i = 0; i < 10; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	for (unsigned i = 10; i < 15; i++)
		fixture_submit(f, i, api);
	application_configure(api, &guaranteed, f->now);
	hold(f, &f->tickets[0], MS);
	assert_ptr_equal(f->last_granted->app, api);
	hold(f, &f->tickets[1], MS);
	assert_ptr_equal(f->last_granted->app, f->app);
}

static void test_shared_tickets_double_up_when_nothing_idles(void **state)
{
	struct fixture *f = *state;

	resize(f, 2, 4);
	for (unsigned i = 0; i < 6; i++)
		fixture_submit_shared(f, i, f->app, 100);
	fixture_settle(f);
	assert_int_equal(f->granted, 6);
	assert_int_equal(f->pool->n_slots, 2);
	/* On the one with the least work, and no deeper than allowed. */
	for (unsigned i = 6; i < 10; i++)
		fixture_submit_shared(f, i, f->app, 100);
	fixture_settle(f);
	assert_int_equal(f->granted, 2);
	assert_int_equal(f->depth, 3);
	assert_int_equal(f->pool->waiting, 2);
	assert_int_equal(f->app->in_use, 2);
	assert_int_equal(f->app->granted, 8);
	assert_int_equal(f->pool->stats.pipelined_total, 6);
}

static void test_an_idle_connection_is_better_than_a_shared_one(void **state)
{
	struct fixture *f = *state;

	resize(f, 4, 4);
	for (unsigned i = 0; i < 4; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	for (unsigned i = 0; i < 4; i++)
		fixture_finish(f, &f->tickets[i]);
	for (unsigned i = 0; i < 4; i++) {
		fixture_submit_shared(f, i, f->app, 100);
		fixture_settle(f);
		assert_int_equal(f->depth, 0);
	}
}

static void test_doubling_up_opens_another_connection_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct decision d;

	resize(f, 3, 8);
	fixture_submit_shared(f, 0, f->app, 100);
	fixture_settle(f);
	fixture_submit_shared(f, 1, f->app, 100);
	d = fixture_expect(f, DECISION_GRANT);
	assert_int_equal(d.depth, 1);
	fixture_expect(f, DECISION_OPEN);
	fixture_expect(f, DECISION_NONE);
}

static void test_nothing_is_put_behind_too_much_work(void **state)
{
	struct fixture *f = *state;

	resize(f, 1, 16);
	fixture_submit_shared(f, 0, f->app, 3 * MS);
	fixture_submit_shared(f, 1, f->app, 2 * MS);
	fixture_submit_shared(f, 2, f->app, MS);
	fixture_settle(f);
	assert_int_equal(f->granted, 2);
	/* As time passes there is less ahead. */
	assert_int_equal(core_wakeup(f->core), f->now + MS);
	fixture_pass(f, MS);
	assert_int_equal(f->granted, 1);
}

static void test_nothing_is_put_behind_what_is_overdue(void **state)
{
	struct fixture *f = *state;

	resize(f, 2, 16);
	fixture_submit(f, 0, f->app);
	fixture_submit(f, 1, f->app);
	fixture_settle(f);
	fixture_finish(f, &f->tickets[0]);
	fixture_finish(f, &f->tickets[1]);
	fixture_submit_shared(f, 0, f->app, 100);
	fixture_submit_shared(f, 1, f->app, 4 * MS);
	fixture_settle(f);
	f->now += 3500;
	fixture_submit_shared(f, 2, f->app, 100);
	fixture_settle(f);
	/* The first was to take 100 us and has run for 3.5 ms: the other has 0.5 ms to go. */
	assert_ptr_equal(f->tickets[2].slot, f->tickets[1].slot);
	f->now += 20 * MS;
	fixture_submit_shared(f, 3, f->app, 100);
	fixture_settle(f);
	assert_int_equal(f->granted, 0);
}

static void test_who_must_be_alone_shares_with_nobody(void **state)
{
	struct fixture *f = *state;

	resize(f, 1, 16);
	fixture_submit(f, 0, f->app);
	fixture_settle(f);
	fixture_submit_shared(f, 1, f->app, 100);
	fixture_settle(f);
	assert_int_equal(f->granted, 0);
	hold(f, &f->tickets[0], MS);
	fixture_submit(f, 2, f->app);
	fixture_settle(f);
	assert_int_equal(f->granted, 0);
	/* Not known how long it takes, or known to take too long: alone as well. */
	hold(f, &f->tickets[1], MS);
	fixture_submit_shared(f, 3, f->app, 0);
	fixture_submit_shared(f, 4, f->app, 6 * MS);
	fixture_settle(f);
	assert_false(f->tickets[3].shared || f->tickets[4].shared);
	assert_int_equal(f->granted, 0);
}

static void test_a_stream_of_shared_tickets_lets_one_alone_through(void **state)
{
	struct fixture *f = *state;
	struct ticket *alone;
	unsigned turns = 0;

	resize(f, 2, 16);
	for (unsigned i = 0; i < 20; i++)
		fixture_submit_shared(f, i, f->app, 200);
	fixture_settle(f);
	alone = fixture_submit(f, 40, fixture_app(f, "alone", &fixture_share));
	fixture_settle(f);
	/* What ends comes again, as fast as it can. */
	while (alone->state == TICKET_WAITING) {
		f->now += 200;
		for (unsigned i = 0; i < 20; i++)
			if (f->tickets[i].state == TICKET_GRANTED &&
			    TAILQ_FIRST(&f->tickets[i].slot->tickets) == &f->tickets[i]) {
				fixture_finish(f, &f->tickets[i]);
				core_submit(f->core, &f->tickets[i], f->now);
			}
		fixture_settle(f);
		assert_true(++turns < 60);
	}
	assert_true(f->now - alone->submitted <= 10 * MS);
}

static void test_only_the_first_on_a_connection_pays(void **state)
{
	struct fixture *f = *state;
	struct application *first = fixture_app(f, "first", &fixture_share),
			   *second = fixture_app(f, "second", &fixture_share);

	resize(f, 1, 4);
	fixture_submit_shared(f, 0, first, MS);
	fixture_settle(f);
	fixture_submit_shared(f, 1, second, MS);
	fixture_settle(f);
	assert_int_equal(first->in_use, 1);
	assert_int_equal(second->in_use, 0);
	assert_int_equal(second->granted, 1);
	hold(f, &f->tickets[0], MS);
	assert_int_equal(second->in_use, 1);
	hold(f, &f->tickets[1], 2 * MS);
	assert_int_equal(first->stats.connection_us_total, MS);
	assert_int_equal(second->stats.connection_us_total, 2 * MS);
}

static void test_shared_tickets_may_end_in_any_order(void **state)
{
	struct fixture *f = *state;

	resize(f, 1, 4);
	for (unsigned i = 0; i < 4; i++)
		fixture_submit_shared(f, i, f->app, 100);
	fixture_settle(f);
	fixture_finish(f, &f->tickets[2]);
	fixture_finish(f, &f->tickets[0]);
	fixture_finish(f, &f->tickets[3]);
	fixture_settle(f);
	assert_int_equal(f->pool->n[SLOT_BUSY], 1);
	fixture_finish(f, &f->tickets[1]);
	assert_int_equal(f->pool->n[SLOT_IDLE], 1);
	assert_int_equal(f->app->granted, 0);
}

static void test_a_depth_of_one_turns_sharing_off(void **state)
{
	struct fixture *f = *state;

	resize(f, 1, 1);
	fixture_submit_shared(f, 0, f->app, 100);
	fixture_submit_shared(f, 1, f->app, 100);
	fixture_settle(f);
	assert_int_equal(f->granted, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_connections_that_become_free_at_once_are_spread),
		given(test_turns_follow_the_time_used_not_the_requests),
		given(test_time_that_nobody_waited_for_is_not_charged),
		given(test_idling_earns_no_credit),
		given(test_an_hour_of_leasing_is_not_held_against_one_for_ever),
		given(test_weights_divide_the_time),
		given(test_no_application_gets_more_than_its_maximum),
		given(test_a_guaranteed_minimum_goes_before_those_who_came_first),
		given(test_a_minimum_that_is_not_used_is_used_by_others),
		given(test_a_higher_priority_goes_first),
		given(test_a_lower_priority_is_served_at_times),
		given(test_a_new_share_is_in_force_at_once),
		given(test_shared_tickets_double_up_when_nothing_idles),
		given(test_an_idle_connection_is_better_than_a_shared_one),
		given(test_doubling_up_opens_another_connection_meanwhile),
		given(test_nothing_is_put_behind_too_much_work),
		given(test_nothing_is_put_behind_what_is_overdue),
		given(test_who_must_be_alone_shares_with_nobody),
		given(test_a_stream_of_shared_tickets_lets_one_alone_through),
		given(test_only_the_first_on_a_connection_pays),
		given(test_shared_tickets_may_end_in_any_order),
		given(test_a_depth_of_one_turns_sharing_off),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
