/* SPDX-License-Identifier: MIT */
/* Submitting, granting, refusing, deadlines, drain. */
#include <errno.h>

#include "core_fixture.h"

#define given(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static void test_a_ticket_gets_a_connection_that_is_opened_for_it(void **state)
{
	struct fixture *f = *state;
	struct ticket *t = fixture_submit(f, 0, f->app);
	struct decision open = fixture_expect(f, DECISION_OPEN), grant;

	fixture_expect(f, DECISION_NONE);
	assert_int_equal(t->state, TICKET_WAITING);
	assert_null(open.slot->owner);
	core_slot_opened(f->core, open.slot, f->now);
	grant = fixture_expect(f, DECISION_GRANT);
	assert_ptr_equal(grant.ticket, t);
	assert_ptr_equal(grant.slot, open.slot);
	assert_ptr_equal(t->slot, open.slot);
	assert_int_equal(grant.depth, 0);
	fixture_expect(f, DECISION_NONE);
}

static void test_a_finished_connection_goes_to_the_next_in_order_of_arrival(void **state)
{
	const struct pool_settings one = { .max_size = 1,
					   .pipeline_depth = 1,
					   .idle_timeout_us = USEC_NEVER,
					   .max_lifetime_us = USEC_NEVER,
					   .keepalive_us = USEC_NEVER };
	struct fixture *f = *state;

	fixture_configure(f, &one);
	for (unsigned i = 0; i < 5; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	for (unsigned i = 0; i < 5; i++) {
		assert_ptr_equal(f->last_granted, &f->tickets[i]);
		assert_int_equal(f->pool->n_slots, 1);
		f->now += MS;
		fixture_finish(f, &f->tickets[i]);
		assert_int_equal(f->tickets[i].state, TICKET_DONE);
		fixture_settle(f);
	}
	assert_int_equal(f->pool->n[SLOT_IDLE], 1);
	assert_int_equal(f->pool->stats.finished_total, 5);
	assert_int_equal(f->pool->stats.run_us_total, 5 * MS);
	assert_int_equal(f->app->stats.connection_us_total, 5 * MS);
	assert_int_equal(f->app->stats.wait_us_total, (1 + 2 + 3 + 4) * MS);
}

static void test_the_connection_used_last_is_used_next(void **state)
{
	struct fixture *f = *state;
	struct slot *last;

	for (unsigned i = 0; i < 3; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	last = f->tickets[1].slot;
	fixture_finish(f, &f->tickets[0]);
	fixture_finish(f, &f->tickets[2]);
	fixture_finish(f, &f->tickets[1]);
	fixture_submit(f, 3, f->app);
	fixture_settle(f);
	assert_ptr_equal(f->tickets[3].slot, last);
}

static void test_the_budget_is_never_exceeded(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 30; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	assert_int_equal(f->opened, 10);
	assert_int_equal(f->granted, 10);
	assert_int_equal(f->pool->waiting, 20);
}

static void test_a_withdrawn_ticket_is_never_granted(void **state)
{
	struct fixture *f = *state;
	struct ticket *t = fixture_submit(f, 0, f->app);

	core_withdraw(f->core, t, f->now);
	assert_int_equal(t->state, TICKET_DONE);
	assert_int_equal(f->pool->waiting, 0);
	fixture_expect(f, DECISION_NONE);
	/* It may be submitted again, and withdrawing what runs changes nothing. */
	core_submit(f->core, t, f->now);
	fixture_settle(f);
	assert_int_equal(t->state, TICKET_GRANTED);
	core_withdraw(f->core, t, f->now);
	assert_int_equal(t->state, TICKET_GRANTED);
}

static void test_a_refusal_that_was_not_taken_yet_can_be_withdrawn(void **state)
{
	struct fixture *f = *state;
	struct ticket *t = fixture_ticket(f, 0, f->app);

	t->deadline = f->now;
	core_submit(f->core, t, f->now);
	assert_int_equal(t->state, TICKET_REFUSED);
	assert_int_equal(core_wakeup(f->core), 0);
	core_withdraw(f->core, t, f->now);
	assert_int_equal(t->state, TICKET_DONE);
	fixture_expect(f, DECISION_NONE);
}

static void test_waiting_ends_at_the_acquire_deadline(void **state)
{
	struct fixture *f = *state;
	struct ticket *t = fixture_ticket(f, 0, f->app);

	pool_pause(f->pool, f->now);
	t->acquire_deadline = f->now + 100 * MS;
	t->deadline = f->now + SEC;
	core_submit(f->core, t, f->now);
	fixture_settle(f);
	assert_int_equal(core_wakeup(f->core), t->acquire_deadline);
	fixture_pass(f, 100 * MS - 1);
	assert_int_equal(f->refused, 0);
	fixture_pass(f, 1);
	assert_ptr_equal(f->last_refused, t);
	assert_int_equal(f->refusal, REFUSE_TIMEOUT);
	assert_true(f->retry_after_us > 0);
	assert_int_equal(f->app->stats.timeouts_total, 1);
	assert_int_equal(f->pool->stats.refused_total[REFUSE_TIMEOUT], 1);
}

static void test_waiting_ends_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct ticket *t = fixture_ticket(f, 0, f->app);

	pool_pause(f->pool, f->now);
	t->deadline = f->now + SEC;
	core_submit(f->core, t, f->now);
	fixture_pass(f, SEC);
	assert_int_equal(f->refused, 1);
	assert_int_equal(f->refusal, REFUSE_DEADLINE);
}

static void test_running_past_the_deadline_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct ticket *t = fixture_ticket(f, 0, f->app);

	t->acquire_deadline = f->now + 100 * MS;
	t->deadline = f->now + SEC;
	core_submit(f->core, t, f->now);
	fixture_settle(f);
	assert_int_equal(t->state, TICKET_GRANTED);
	fixture_pass(f, SEC - 1);
	assert_int_equal(f->expired, 0);
	fixture_pass(f, 1);
	assert_int_equal(f->expired, 1);
	assert_true(t->expired);
	assert_int_equal(t->state, TICKET_GRANTED);
	fixture_pass(f, 10 * SEC);
	assert_int_equal(f->expired, 0);
}

static void test_a_deadline_that_is_over_is_refused_at_once(void **state)
{
	struct fixture *f = *state;
	struct ticket *t = fixture_ticket(f, 0, f->app);

	t->deadline = f->now;
	core_submit(f->core, t, f->now);
	fixture_settle(f);
	assert_int_equal(f->refused, 1);
	assert_int_equal(f->refusal, REFUSE_DEADLINE);
	assert_int_equal(f->opened, 0);
}

static void test_a_full_queue_refuses_at_once(void **state)
{
	const struct share_settings narrow = { .weight = 1, .queue_limit = 2 };
	struct fixture *f = *state;
	struct application *app = fixture_app(f, "narrow", &narrow);

	pool_pause(f->pool, f->now);
	for (unsigned i = 0; i < 3; i++)
		fixture_submit(f, i, app);
	fixture_settle(f);
	assert_ptr_equal(f->last_refused, &f->tickets[2]);
	assert_int_equal(f->refusal, REFUSE_QUEUE_FULL);
	assert_true(f->retry_after_us > 0);
	/* It is that application's queue that is full. */
	fixture_submit(f, 3, f->app);
	fixture_settle(f);
	assert_int_equal(f->refused, 0);
}

static void test_the_queue_of_all_is_bounded(void **state)
{
	struct core_settings s = fixture_core_settings;
	struct fixture *f = *state;
	struct application *other = fixture_app(f, "other", &fixture_share);

	s.queue_limit = 10;
	assert_int_equal(core_configure(f->core, &s, f->now), 0);
	pool_pause(f->pool, f->now);
	for (unsigned i = 0; i < 11; i++)
		fixture_submit(f, i, i % 2 ? other : f->app);
	fixture_settle(f);
	assert_int_equal(f->refused, 1);
	assert_int_equal(f->refusal, REFUSE_QUEUE_FULL);
}

static void test_a_full_queue_is_no_reason_where_connections_idle(void **state)
{
	struct core_settings s = fixture_core_settings;
	struct fixture *f = *state;

	for (unsigned i = 0; i < 5; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	for (unsigned i = 0; i < 5; i++)
		fixture_finish(f, &f->tickets[i]);
	s.queue_limit = 1;
	assert_int_equal(core_configure(f->core, &s, f->now), 0);
	for (unsigned i = 0; i < 5; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	assert_int_equal(f->refused, 0);
	assert_int_equal(f->granted, 5);
}

/* One connection, statements of 100 ms, measured. */
static void make_slow(struct fixture *f)
{
	struct pool_settings s = fixture_pool_settings;

	s.max_size = 1;
	fixture_configure(f, &s);
	for (int i = 0; i < 8; i++) {
		struct ticket *t = fixture_submit(f, 0, f->app);

		fixture_settle(f);
		f->now += 100 * MS;
		fixture_finish(f, t);
	}
	fixture_settle(f);
}

static void test_a_deadline_that_the_queue_cannot_meet_is_refused_at_once(void **state)
{
	struct fixture *f = *state;
	struct ticket *t;

	make_slow(f);
	for (unsigned i = 0; i < 11; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	/* Ten are ahead, of 100 ms each. */
	t = fixture_ticket(f, 20, f->app);
	t->deadline = f->now + 900 * MS;
	core_submit(f->core, t, f->now);
	fixture_settle(f);
	assert_ptr_equal(f->last_refused, t);
	assert_int_equal(f->refusal, REFUSE_UNREACHABLE);
	assert_int_equal(f->retry_after_us, 100 * MS);
	t->deadline = f->now + 1100 * MS;
	core_submit(f->core, t, f->now);
	fixture_settle(f);
	assert_int_equal(f->refused, 0);
}

static void test_nobody_is_refused_for_the_deadline_with_nobody_ahead(void **state)
{
	struct fixture *f = *state;
	struct ticket *t;

	make_slow(f);
	fixture_submit(f, 0, f->app);
	fixture_settle(f);
	t = fixture_ticket(f, 1, f->app);
	t->deadline = f->now + MS;
	core_submit(f->core, t, f->now);
	fixture_settle(f);
	assert_int_equal(f->refused, 0);
}

static void test_a_drain_refuses_who_waits_and_lets_finish_what_runs(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;

	s.max_size = 2;
	fixture_configure(f, &s);
	for (unsigned i = 0; i < 4; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	fixture_finish(f, &f->tickets[0]);
	core_drain(f->core, f->now);
	fixture_settle(f);
	assert_int_equal(f->refused, 2);
	assert_int_equal(f->refusal, REFUSE_DRAINING);
	assert_true(f->retry_after_us > 0);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->close_reason, CLOSE_DRAIN);
	assert_false(core_is_idle(f->core));
	fixture_submit(f, 5, f->app);
	fixture_settle(f);
	assert_int_equal(f->refusal, REFUSE_DRAINING);
	fixture_finish(f, &f->tickets[1]);
	fixture_settle(f);
	assert_int_equal(f->closed, 1);
	assert_true(core_is_idle(f->core));
}

static void test_a_lowered_budget_closes_what_becomes_idle(void **state)
{
	struct core_settings s = fixture_core_settings;
	struct fixture *f = *state;
	struct core_numbers n;

	for (unsigned i = 0; i < 12; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	s.budget = 8;
	assert_int_equal(core_configure(f->core, &s, f->now), 0);
	for (unsigned i = 0; i < 3; i++)
		fixture_finish(f, &f->tickets[i]);
	fixture_settle(f);
	assert_int_equal(f->closed, 2);
	assert_int_equal(f->close_reason, CLOSE_SHRUNK);
	assert_int_equal(f->granted, 1);
	core_numbers(f->core, f->now, &n);
	assert_int_equal(n.slots, 8);
	assert_int_equal(n.in_use, 8);
	assert_int_equal(n.budget_in_force, 8);
}

static void test_a_raised_budget_is_used_at_once(void **state)
{
	struct core_settings s = fixture_core_settings;
	struct pool_settings large = fixture_pool_settings;
	struct fixture *f = *state;

	large.max_size = 100;
	fixture_configure(f, &large);
	for (unsigned i = 0; i < 20; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	s.budget = 15;
	assert_int_equal(core_configure(f->core, &s, f->now), 0);
	fixture_settle(f);
	assert_int_equal(f->granted, 5);
}

static void test_without_memory_the_old_budget_stays_in_force(void **state)
{
	struct core_settings s = fixture_core_settings;
	struct fixture *f = *state;
	struct core_numbers n;

	s.budget = 20;
	/* The table, and then a slot in the middle: what was made stays for the next attempt. */
	for (long i = 1; i <= 5; i += 4) {
		fixture_fail_malloc(i);
		assert_int_equal(core_configure(f->core, &s, f->now), -ENOMEM);
		core_numbers(f->core, f->now, &n);
		assert_int_equal(n.budget, 10);
	}
	fixture_fail_malloc(0);
	assert_int_equal(core_configure(f->core, &s, f->now), 0);
}

static void test_a_core_that_cannot_be_made_leaves_nothing_behind(void **state)
{
	struct core *c = NULL;
	long calls;

	(void)state;
	fixture_fail_malloc(0);
	assert_int_equal(core_new(&c, &fixture_core_settings, 1), 0);
	calls = fixture_fail_malloc(0);
	core_free(c);
	assert_true(calls > 10);
	for (long i = 1; i <= calls; i++) {
		fixture_fail_malloc(i);
		assert_int_equal(core_new(&c, &fixture_core_settings, 1), -ENOMEM);
	}
}

static void test_the_way_from_submit_to_finish_allocates_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_fail_malloc(0);
	for (unsigned i = 0; i < 30; i++)
		fixture_submit(f, i, f->app);
	fixture_settle(f);
	for (unsigned i = 0; i < 30; i++) {
		fixture_finish(f, &f->tickets[i]);
		fixture_settle(f);
	}
	assert_int_equal(fixture_fail_malloc(0), 0);
}

static void test_everything_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < SLOT_FAILURES_N; i++)
		assert_string_not_equal(slot_failure_to_string((enum slot_failure)i), "?");
	for (int i = 0; i < CLOSE_REASONS_N; i++)
		assert_string_not_equal(close_reason_to_string((enum close_reason)i), "?");
	for (int i = 0; i < REFUSALS_N; i++)
		assert_string_not_equal(refusal_to_string((enum refusal)i), "?");
	for (int i = 0; i <= REVOKE_ADMIN; i++)
		assert_string_not_equal(revocation_to_string((enum revocation)i), "?");
	for (int i = 0; i < SLOT_STATES_N; i++)
		assert_string_not_equal(slot_state_to_string((enum slot_state)i), "?");
	assert_string_equal(refusal_to_string((enum refusal)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_a_ticket_gets_a_connection_that_is_opened_for_it),
		given(test_a_finished_connection_goes_to_the_next_in_order_of_arrival),
		given(test_the_connection_used_last_is_used_next),
		given(test_the_budget_is_never_exceeded),
		given(test_a_withdrawn_ticket_is_never_granted),
		given(test_a_refusal_that_was_not_taken_yet_can_be_withdrawn),
		given(test_waiting_ends_at_the_acquire_deadline),
		given(test_waiting_ends_at_the_deadline),
		given(test_running_past_the_deadline_is_told_once),
		given(test_a_deadline_that_is_over_is_refused_at_once),
		given(test_a_full_queue_refuses_at_once),
		given(test_the_queue_of_all_is_bounded),
		given(test_a_full_queue_is_no_reason_where_connections_idle),
		given(test_a_deadline_that_the_queue_cannot_meet_is_refused_at_once),
		given(test_nobody_is_refused_for_the_deadline_with_nobody_ahead),
		given(test_a_drain_refuses_who_waits_and_lets_finish_what_runs),
		given(test_a_lowered_budget_closes_what_becomes_idle),
		given(test_a_raised_budget_is_used_at_once),
		given(test_without_memory_the_old_budget_stays_in_force),
		given(test_a_core_that_cannot_be_made_leaves_nothing_behind),
		given(test_the_way_from_submit_to_finish_allocates_nothing),
		given(test_everything_has_a_name),
	};

	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
