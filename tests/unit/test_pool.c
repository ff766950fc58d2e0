/* SPDX-License-Identifier: MIT */
/* How many connections a pool has: warmth, pressure, idling, lifetimes, checks, failures. */
#include <errno.h>

#include "core_fixture.h"

#define given(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static void grant_n(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
}

static void finish_n(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fixture_finish(f, &f->tickets[i]);
}

static void test_min_size_is_opened_without_anybody_asking(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;

	s.min_size = 4;
	fixture_configure(f, &s);
	fixture_settle(f);
	assert_int_equal(f->opened, 4);
	/* And again, when one is lost. */
	core_slot_failed(f->core, TAILQ_FIRST(&f->pool->slots[SLOT_IDLE]), SLOT_FAILURE_NETWORK,
			 f->now);
	fixture_settle(f);
	assert_int_equal(f->pool->n[SLOT_IDLE], 4);
}

static void test_only_so_many_connect_at_once(void **state)
{
	struct core_settings c = fixture_core_settings;
	struct fixture *f = *state;

	c.max_connecting = 2;
	assert_int_equal(core_configure(f->core, &c, f->now), 0);
	for (unsigned i = 0; i < 5; i++)
		fixture_submit(f, i, f->app);
	fixture_expect(f, DECISION_OPEN);
	core_slot_opened(f->core, fixture_expect(f, DECISION_OPEN).slot, f->now);
	fixture_expect(f, DECISION_GRANT);
	fixture_expect(f, DECISION_OPEN);
	fixture_expect(f, DECISION_NONE);
}

static void test_overflow_is_opened_under_pressure_and_closed_soon_after(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;

	s.max_size = 2;
	s.max_overflow = 3;
	s.idle_timeout_us = 600 * SEC;
	fixture_configure(f, &s);
	grant_n(f, 8);
	assert_int_equal(f->granted, 5);
	finish_n(f, 5);
	fixture_settle(f);
	assert_int_equal(f->granted, 3);
	for (unsigned i = 5; i < 8; i++)
		fixture_finish(f, &f->tickets[i]);
	fixture_pass(f, 2 * SEC);
	assert_int_equal(f->closed, 3);
	assert_int_equal(f->close_reason, CLOSE_IDLE);
	assert_int_equal(f->pool->n_slots, 2);
}

static void test_what_idles_too_long_is_closed_down_to_min_size(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;

	s.min_size = 1;
	s.idle_timeout_us = 10 * SEC;
	fixture_configure(f, &s);
	grant_n(f, 3);
	finish_n(f, 3);
	fixture_pass(f, 10 * SEC - 1);
	assert_int_equal(f->closed, 0);
	fixture_pass(f, 1);
	assert_int_equal(f->closed, 2);
	fixture_pass(f, 1000 * SEC);
	assert_int_equal(f->pool->n_slots, 1);
}

static void test_an_old_connection_is_replaced_before_it_goes(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;
	struct decision open;
	struct slot *old;

	s.min_size = 1;
	s.max_lifetime_us = 100 * SEC;
	fixture_configure(f, &s);
	fixture_settle(f);
	old = TAILQ_FIRST(&f->pool->slots[SLOT_IDLE]);
	assert_in_range(old->retire_at - f->now, 90 * SEC, 100 * SEC);
	f->now = old->retire_at;
	open = fixture_expect(f, DECISION_OPEN);
	fixture_expect(f, DECISION_NONE);
	assert_int_equal(old->state, SLOT_IDLE);
	core_slot_opened(f->core, open.slot, f->now);
	fixture_settle(f);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->close_reason, CLOSE_LIFETIME);
	assert_ptr_equal(TAILQ_FIRST(&f->pool->slots[SLOT_IDLE]), open.slot);
}

static void test_an_old_connection_serves_on_while_its_replacement_fails(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;
	struct slot *old;

	s.min_size = 1;
	s.max_lifetime_us = 100 * SEC;
	fixture_configure(f, &s);
	fixture_settle(f);
	old = TAILQ_FIRST(&f->pool->slots[SLOT_IDLE]);
	f->now = old->retire_at;
	for (int i = 0; i < 5; i++) {
		core_slot_failed(f->core, fixture_expect(f, DECISION_OPEN).slot,
				 SLOT_FAILURE_NETWORK, f->now);
		fixture_expect(f, DECISION_NONE);
		assert_int_equal(old->state, SLOT_IDLE);
		assert_true(core_wakeup(f->core) != USEC_NEVER);
		if (f->pool->breaker.state != BREAKER_CLOSED)
			break;
		f->now = MAX(f->now + SEC, f->pool->retry_at);
	}
	fixture_submit(f, 0, f->app);
	fixture_settle(f);
	assert_ptr_equal(f->tickets[0].slot, old);
}

static void test_connections_that_opened_together_do_not_go_together(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;
	usec first = USEC_NEVER, last = 0;
	struct slot *slot;

	s.min_size = 10;
	s.max_lifetime_us = 1000 * SEC;
	fixture_configure(f, &s);
	fixture_settle(f);
	TAILQ_FOREACH (slot, &f->pool->slots[SLOT_IDLE], link) {
		first = MIN(first, slot->retire_at);
		last = MAX(last, slot->retire_at);
	}
	assert_true(last - first > 20 * SEC);
}

static void test_an_old_connection_in_a_full_pool_goes_when_it_is_idle(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;

	s.max_size = 1;
	s.max_lifetime_us = 100 * SEC;
	fixture_configure(f, &s);
	grant_n(f, 2);
	fixture_pass(f, 200 * SEC);
	assert_int_equal(f->closed, 0);
	fixture_finish(f, &f->tickets[0]);
	fixture_settle(f);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->opened, 1);
	assert_ptr_equal(f->last_granted, &f->tickets[1]);
}

static void test_what_idles_is_checked(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;
	struct decision ping;

	s.min_size = 3;
	s.keepalive_us = 30 * SEC;
	fixture_configure(f, &s);
	fixture_settle(f);
	fixture_pass(f, 30 * SEC);
	assert_int_equal(f->pinged, 3);
	f->now += 30 * SEC;
	ping = fixture_expect(f, DECISION_PING);
	/*
	 * Another may be checked meanwhile, the last one not: something must be there for who
	 * comes.
	 */
	fixture_expect(f, DECISION_NONE);
	core_slot_failed(f->core, ping.slot, SLOT_FAILURE_NETWORK, f->now);
	fixture_settle(f);
	assert_int_equal(f->pool->n[SLOT_IDLE], 3);
	assert_int_equal(f->pool->stats.failures_total[SLOT_FAILURE_NETWORK], 1);
}

static void test_a_check_is_no_use(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;

	s.keepalive_us = 3 * SEC;
	s.idle_timeout_us = 10 * SEC;
	fixture_configure(f, &s);
	grant_n(f, 2);
	finish_n(f, 1);
	f->now += SEC;
	fixture_finish(f, &f->tickets[1]);
	fixture_pass(f, 9 * SEC - 1);
	assert_int_equal(f->pinged, 5);
	assert_int_equal(f->closed, 0);
	fixture_pass(f, 1);
	assert_int_equal(f->closed, 1);
	fixture_pass(f, SEC);
	assert_int_equal(f->closed, 1);
}

static void test_failed_connects_are_spaced_out(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;
	usec pauses[5];

	s.breaker_threshold = 0;
	s.backoff_max_us = 800 * MS;
	fixture_configure(f, &s);
	fixture_submit(f, 0, f->app);
	for (unsigned i = 0; i < 5; i++) {
		usec began = f->now;

		core_slot_failed(f->core, fixture_expect(f, DECISION_OPEN).slot,
				 SLOT_FAILURE_NETWORK, f->now);
		fixture_expect(f, DECISION_NONE);
		assert_true(core_wakeup(f->core) < USEC_NEVER);
		f->now = core_wakeup(f->core);
		pauses[i] = f->now - began;
	}
	assert_in_range(pauses[0], 50 * MS, 100 * MS);
	assert_in_range(pauses[1], 100 * MS, 200 * MS);
	assert_in_range(pauses[4], 400 * MS, 800 * MS);
	/* Who waits is not harmed, and served when it works. */
	fixture_settle(f);
	assert_int_equal(f->granted, 1);
	assert_int_equal(f->pool->backoff_us, 0);
}

static void test_a_full_server_is_back_pressure(void **state)
{
	struct fixture *f = *state;

	grant_n(f, 3);
	f->server_full = true;
	for (unsigned i = 3; i < 8; i++)
		fixture_submit(f, i, f->app);
	fixture_pass(f, 10 * SEC);
	assert_int_equal(f->refused, 0);
	assert_int_equal(f->pool->waiting, 5);
	assert_int_equal(f->pool->breaker.state, BREAKER_CLOSED);
	assert_int_equal(pool_limit(f->pool), 3);
	/* Tried for again and again, but not in haste. */
	assert_in_range(f->opened, 5, 30);
	f->server_full = false;
	fixture_pass(f, 2 * SEC);
	assert_int_equal(f->granted, 5);
	assert_int_equal(pool_limit(f->pool), 8);
}

static void test_the_discovered_limit_is_never_tried_beyond(void **state)
{
	const struct server_limits limits = { .max_connections = 20, .role_limit = 4, .others = 3 };
	struct fixture *f = *state;

	pool_discovered(f->pool, &limits, f->now);
	grant_n(f, 8);
	fixture_pass(f, 100 * SEC);
	assert_int_equal(f->pool->n_slots, 4);
	assert_int_equal(pool_would_fit(f->pool), 4);
}

static void test_pausing_grants_nothing_and_refuses_nobody(void **state)
{
	struct fixture *f = *state;

	grant_n(f, 2);
	finish_n(f, 1);
	pool_pause(f->pool, f->now);
	fixture_submit(f, 3, f->app);
	fixture_settle(f);
	assert_int_equal(f->granted + f->refused + f->opened, 0);
	assert_int_equal(f->pool->granted, 1);
	pool_resume(f->pool, f->now);
	fixture_settle(f);
	assert_int_equal(f->granted, 1);
}

static void test_reconnecting_replaces_all_as_they_become_idle(void **state)
{
	struct fixture *f = *state;
	uint64_t opened;

	grant_n(f, 3);
	finish_n(f, 1);
	opened = f->pool->stats.connects_total;
	pool_reconnect(f->pool, f->now);
	fixture_settle(f);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->close_reason, CLOSE_RECONNECT);
	for (unsigned i = 1; i < 3; i++)
		fixture_finish(f, &f->tickets[i]);
	fixture_submit(f, 4, f->app);
	fixture_settle(f);
	assert_int_equal(f->closed, 2);
	assert_int_equal(f->pool->stats.connects_total, opened + 1);
	assert_int_equal(f->granted, 1);
}

static void test_an_open_breaker_fails_fast(void **state)
{
	struct fixture *f = *state;
	struct slot *slots[3];

	for (unsigned i = 0; i < 5; i++)
		fixture_submit(f, i, f->app);
	for (int i = 0; i < 3; i++)
		slots[i] = fixture_expect(f, DECISION_OPEN).slot;
	for (int i = 0; i < 3; i++)
		core_slot_failed(f->core, slots[i], SLOT_FAILURE_NETWORK, f->now);
	while (f->pool->n[SLOT_CONNECTING])
		core_slot_failed(f->core, TAILQ_FIRST(&f->pool->slots[SLOT_CONNECTING]),
				 SLOT_FAILURE_NONE, f->now);
	fixture_settle(f);
	assert_int_equal(f->refused, 5);
	assert_int_equal(f->refusal, REFUSE_BREAKER);
	assert_true(f->retry_after_us > 0);
	fixture_submit(f, 6, f->app);
	fixture_settle(f);
	assert_int_equal(f->refused, 1);
	/* It probes by itself, and closes. */
	fixture_pass(f, SEC);
	assert_int_equal(f->opened, 1);
	assert_int_equal(f->pool->breaker.state, BREAKER_CLOSED);
	fixture_submit(f, 7, f->app);
	fixture_settle(f);
	assert_int_equal(f->granted, 1);
}

static void test_an_open_breaker_leaves_what_works_in_use(void **state)
{
	struct fixture *f = *state;
	struct ticket *t;

	grant_n(f, 1);
	t = fixture_submit(f, 1, f->app);
	core_slot_failed(f->core, fixture_expect(f, DECISION_OPEN).slot, SLOT_FAILURE_AUTH, f->now);
	assert_int_equal(f->pool->breaker.state, BREAKER_OPEN);
	fixture_settle(f);
	assert_int_equal(f->refused, 0);
	fixture_finish(f, &f->tickets[0]);
	fixture_settle(f);
	assert_ptr_equal(f->last_granted, t);
	/* Once it is lost as well, nobody waits in vain. */
	fixture_submit(f, 2, f->app);
	core_slot_broken(f->core, t->slot);
	f->tickets[3].slot = t->slot;
	fixture_finish(f, t);
	core_slot_failed(f->core, f->tickets[3].slot, SLOT_FAILURE_NETWORK, f->now);
	fixture_settle(f);
	assert_ptr_equal(f->last_refused, &f->tickets[2]);
	assert_int_equal(f->refusal, REFUSE_BREAKER);
}

static void test_a_tripped_breaker_refuses_even_where_connections_idle(void **state)
{
	struct fixture *f = *state;

	grant_n(f, 1);
	finish_n(f, 1);
	pool_trip(f->pool, f->now);
	fixture_submit(f, 1, f->app);
	fixture_pass(f, 1000 * SEC);
	assert_int_equal(f->refusal, REFUSE_BREAKER);
	assert_int_equal(f->opened, 0);
	pool_reset(f->pool, f->now);
	fixture_submit(f, 2, f->app);
	fixture_settle(f);
	assert_int_equal(f->granted, 1);
}

static void test_connections_that_die_together_count_once(void **state)
{
	struct fixture *f = *state;

	grant_n(f, 8);
	for (unsigned i = 0; i < 8; i++) {
		struct slot *s = f->tickets[i].slot;

		core_slot_broken(f->core, s);
		fixture_finish(f, &f->tickets[i]);
		assert_int_equal(s->state, SLOT_BUSY);
		core_slot_failed(f->core, s, SLOT_FAILURE_NETWORK, f->now);
	}
	assert_int_equal(f->pool->breaker.failures, 1);
	assert_int_equal(f->pool->breaker.state, BREAKER_CLOSED);
	assert_int_equal(f->pool->n_slots, 0);
}

static void test_a_broken_connection_is_not_granted_between_its_end_and_its_report(void **state)
{
	struct fixture *f = *state;
	struct slot *s;

	grant_n(f, 1);
	finish_n(f, 1);
	s = TAILQ_FIRST(&f->pool->slots[SLOT_IDLE]);
	core_slot_broken(f->core, s);
	fixture_submit(f, 1, f->app);
	fixture_expect(f, DECISION_NONE);
	core_slot_failed(f->core, s, SLOT_FAILURE_NETWORK, f->now);
	fixture_expect(f, DECISION_OPEN);
}

static void test_a_removed_pool_is_handed_back_when_nothing_is_left(void **state)
{
	struct fixture *f = *state;
	struct pool *other;

	assert_int_equal(pool_add(f->core, &fixture_pool_settings, NULL, f->now, &other), 0);
	fixture_submit(f, 0, f->app);
	fixture_ticket(f, 1, f->app)->pool = other;
	core_submit(f->core, &f->tickets[1], f->now);
	fixture_settle(f);
	fixture_ticket(f, 2, f->app)->pool = other;
	pool_remove(other, f->now);
	core_submit(f->core, &f->tickets[2], f->now);
	fixture_settle(f);
	assert_int_equal(f->refusal, REFUSE_DRAINING);
	assert_int_equal(f->gone, 0);
	fixture_finish(f, &f->tickets[1]);
	fixture_settle(f);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->gone, 1);
	assert_null(pool_next(f->core, f->pool));
	/* Its place is taken by the next one. */
	assert_int_equal(pool_add(f->core, &fixture_pool_settings, NULL, f->now, &other), 0);
	fixture_ticket(f, 2, f->app)->pool = other;
	core_submit(f->core, &f->tickets[2], f->now);
	fixture_settle(f);
	assert_int_equal(f->granted, 1);
}

static void test_a_pool_that_cannot_be_added_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	struct pool *other;
	int r;

	fixture_app(f, "second", &fixture_share);
	fixture_app(f, "third", &fixture_share);
	for (long i = 1;; i++) {
		fixture_fail_malloc(i);
		r = pool_add(f->core, &fixture_pool_settings, NULL, f->now, &other);
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(pool_next(f->core, f->pool));
		assert_true(i < 20);
	}
	fixture_fail_malloc(0);
	assert_ptr_equal(pool_next(f->core, f->pool), other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_min_size_is_opened_without_anybody_asking),
		given(test_only_so_many_connect_at_once),
		given(test_overflow_is_opened_under_pressure_and_closed_soon_after),
		given(test_what_idles_too_long_is_closed_down_to_min_size),
		given(test_an_old_connection_is_replaced_before_it_goes),
		given(test_an_old_connection_serves_on_while_its_replacement_fails),
		given(test_connections_that_opened_together_do_not_go_together),
		given(test_an_old_connection_in_a_full_pool_goes_when_it_is_idle),
		given(test_what_idles_is_checked),
		given(test_a_check_is_no_use),
		given(test_failed_connects_are_spaced_out),
		given(test_a_full_server_is_back_pressure),
		given(test_the_discovered_limit_is_never_tried_beyond),
		given(test_pausing_grants_nothing_and_refuses_nobody),
		given(test_reconnecting_replaces_all_as_they_become_idle),
		given(test_an_open_breaker_fails_fast),
		given(test_an_open_breaker_leaves_what_works_in_use),
		given(test_a_tripped_breaker_refuses_even_where_connections_idle),
		given(test_connections_that_die_together_count_once),
		given(test_a_broken_connection_is_not_granted_between_its_end_and_its_report),
		given(test_a_removed_pool_is_handed_back_when_nothing_is_left),
		given(test_a_pool_that_cannot_be_added_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
