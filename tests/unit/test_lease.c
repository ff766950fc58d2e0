/* SPDX-License-Identifier: MIT */
/* Leases: identity, states, clocks, revocation. */
#include "core_fixture.h"

#define given(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static const struct lease_settings patient = { .hold_us = USEC_NEVER,
					       .idle_us = USEC_NEVER,
					       .idle_transaction_us = USEC_NEVER,
					       .transaction_us = USEC_NEVER };

/* A ticket of a lease that is not in the fixture. */
static void take(struct fixture *f, struct lease *l, const struct lease_settings *s)
{
	*l = (struct lease){ .ticket = { .pool = f->pool,
					 .app = f->app,
					 .deadline = USEC_NEVER,
					 .acquire_deadline = USEC_NEVER } };
	core_submit(f->core, &l->ticket, f->now);
	fixture_settle(f);
	assert_int_equal(l->ticket.state, TICKET_GRANTED);
	lease_begin(l, s, f->now);
}

static void give_back(struct fixture *f, struct lease *l)
{
	lease_end(l, f->now);
	fixture_finish(f, &l->ticket);
	fixture_settle(f);
}

static void run(struct fixture *f, struct lease *l, usec time, enum lease_state after)
{
	lease_enter(l, LEASE_RUNNING, f->now);
	f->now += time;
	lease_enter(l, after, f->now);
}

/* Nothing comes until `due`, and then that. */
static void expect_at(struct fixture *f, usec due, enum decision_type type, enum revocation why)
{
	struct decision d;

	while (core_wakeup(f->core) < due) {
		f->now = core_wakeup(f->core);
		fixture_expect(f, DECISION_NONE);
	}
	f->now = due;
	d = fixture_expect(f, type);
	assert_int_equal(d.revocation, why);
}

static void test_a_lease_is_found_by_its_id_alone(void **state)
{
	struct fixture *f = *state;
	struct lease a, b;
	uint64_t id;

	take(f, &a, &patient);
	take(f, &b, &patient);
	assert_int_not_equal(a.id, b.id);
	assert_ptr_equal(lease_find(f->core, a.id), &a);
	assert_ptr_equal(lease_find(f->core, b.id), &b);
	assert_null(lease_find(f->core, a.id + (UINT64_C(1) << 20)));
	assert_null(lease_find(f->core, 0));
	assert_null(lease_find(f->core, UINT64_MAX));
	assert_int_equal(f->pool->leases, 2);
	assert_ptr_equal(lease_next(f->core, lease_next(f->core, NULL)) == &a ? &a : &b,
			 lease_next(f->core, lease_next(f->core, NULL)));
	assert_null(lease_next(f->core, lease_next(f->core, lease_next(f->core, NULL))));
	id = a.id;
	give_back(f, &a);
	assert_null(lease_find(f->core, id));
	give_back(f, &b);
	assert_int_equal(f->pool->leases, 0);
}

static void test_an_old_id_does_not_lead_to_the_next_lease_of_the_connection(void **state)
{
	struct fixture *f = *state;
	struct lease l;
	uint64_t id, token;

	take(f, &l, &patient);
	id = l.id;
	token = l.token;
	give_back(f, &l);
	take(f, &l, &patient);
	assert_null(lease_find(f->core, id));
	assert_true(l.token > token);
	give_back(f, &l);
}

static void test_tokens_grow_from_what_is_handed_in(void **state)
{
	struct core_settings s = fixture_core_settings;
	struct fixture *f = *state;
	struct core *c;

	s.first_token = 1000000;
	assert_int_equal(core_new(&c, &s, 1), 0);
	core_free(f->core);
	f->core = c;
	assert_int_equal(pool_add(c, &fixture_pool_settings, NULL, f->now, &f->pool), 0);
	f->app = fixture_app(f, "app", &fixture_share);
	for (uint64_t i = 0; i < 3; i++) {
		struct lease l;

		take(f, &l, &patient);
		assert_int_equal(l.token, 1000000 + i);
		give_back(f, &l);
	}
}

static void test_only_some_states_follow_on_others(void **state)
{
	static const bool allowed[5][5] = {
		[LEASE_NONE] = { [LEASE_NONE] = true, [LEASE_IDLE] = true },
		[LEASE_IDLE] = { true, true, true, false, true },
		[LEASE_RUNNING] = { true, true, true, true, true },
		[LEASE_IDLE_IN_TRANSACTION] = { true, false, true, true, true },
		[LEASE_REVOKING] = { [LEASE_NONE] = true, [LEASE_REVOKING] = true },
	};

	(void)state;
	for (int from = 0; from < 5; from++)
		for (int to = 0; to < 5; to++) {
			const struct lease l = { .state = (enum lease_state)from };

			assert_int_equal(lease_may_enter(&l, (enum lease_state)to),
					 allowed[from][to]);
			assert_string_not_equal(lease_state_to_string((enum lease_state)to), "?");
		}
}

static void test_a_lease_is_revoked_when_its_time_is_over(void **state)
{
	struct lease_settings s = patient;
	struct fixture *f = *state;
	struct lease l;

	s.hold_us = 30 * SEC;
	take(f, &l, &s);
	lease_enter(&l, LEASE_RUNNING, f->now);
	expect_at(f, l.begun + 30 * SEC, DECISION_REVOKE, REVOKE_EXPIRED);
	assert_int_equal(l.state, LEASE_REVOKING);
	assert_int_equal(l.revoked_in, LEASE_RUNNING);
	assert_int_equal(l.revocation, REVOKE_EXPIRED);
	fixture_expect(f, DECISION_NONE);
	assert_int_equal(core_wakeup(f->core), USEC_NEVER);
	assert_int_equal(f->app->stats.revoked_total, 1);
	/* Its connection is its own until it is given back. */
	assert_int_equal(l.ticket.state, TICKET_GRANTED);
	give_back(f, &l);
}

static void test_a_renewed_lease_lives_on(void **state)
{
	struct lease_settings s = patient;
	struct fixture *f = *state;
	struct lease l;

	s.hold_us = 30 * SEC;
	take(f, &l, &s);
	f->now += 20 * SEC;
	assert_int_equal(lease_renew(&l, 0, f->now), 30 * SEC);
	f->now += 20 * SEC;
	fixture_expect(f, DECISION_NONE);
	assert_int_equal(lease_renew(&l, 5 * SEC, f->now), 5 * SEC);
	expect_at(f, f->now + 5 * SEC, DECISION_REVOKE, REVOKE_EXPIRED);
	assert_int_equal(lease_renew(&l, 0, f->now), 0);
	assert_int_equal(l.state, LEASE_REVOKING);
	give_back(f, &l);
}

static void test_a_lease_that_idles_is_revoked(void **state)
{
	struct lease_settings s = patient;
	struct fixture *f = *state;
	struct lease l;

	s.idle_us = 10 * SEC;
	take(f, &l, &s);
	for (int i = 0; i < 5; i++) {
		f->now += 9 * SEC;
		fixture_expect(f, DECISION_NONE);
		/* Running is not idling. */
		run(f, &l, 100 * SEC, LEASE_IDLE);
	}
	expect_at(f, f->now + 10 * SEC, DECISION_REVOKE, REVOKE_IDLE);
	assert_int_equal(l.revoked_in, LEASE_IDLE);
	give_back(f, &l);
}

static void test_idling_in_a_transaction_is_warned_of_and_then_ended(void **state)
{
	struct lease_settings s = patient;
	struct fixture *f = *state;
	struct decision d;
	struct lease l;
	usec since;

	s.idle_transaction_us = 20 * SEC;
	take(f, &l, &s);
	run(f, &l, SEC, LEASE_IDLE_IN_TRANSACTION);
	f->now += 10 * SEC;
	d = fixture_expect(f, DECISION_WARN);
	assert_ptr_equal(d.lease, &l);
	fixture_expect(f, DECISION_NONE);
	/* Whoever goes on is warned again the next time. */
	run(f, &l, SEC, LEASE_IDLE_IN_TRANSACTION);
	since = f->now;
	expect_at(f, since + 10 * SEC, DECISION_WARN, REVOKE_IDLE_IN_TRANSACTION);
	expect_at(f, since + 20 * SEC, DECISION_REVOKE, REVOKE_IDLE_IN_TRANSACTION);
	give_back(f, &l);
}

static void test_a_transaction_may_not_last_for_ever(void **state)
{
	struct lease_settings s = patient;
	struct fixture *f = *state;
	struct lease l;
	usec since;

	s.transaction_us = 60 * SEC;
	take(f, &l, &s);
	run(f, &l, 100 * SEC, LEASE_IDLE);
	lease_enter(&l, LEASE_RUNNING, f->now);
	lease_in_transaction(&l, true, f->now);
	since = f->now;
	f->now += 10 * SEC;
	lease_enter(&l, LEASE_IDLE_IN_TRANSACTION, f->now);
	for (int i = 0; i < 4; i++)
		run(f, &l, 10 * SEC, LEASE_IDLE_IN_TRANSACTION);
	fixture_expect(f, DECISION_NONE);
	expect_at(f, since + 60 * SEC, DECISION_REVOKE, REVOKE_TRANSACTION);
	give_back(f, &l);
}

static void test_the_end_of_a_transaction_ends_its_clock(void **state)
{
	struct lease_settings s = patient;
	struct fixture *f = *state;
	struct lease l;

	s.transaction_us = 60 * SEC;
	take(f, &l, &s);
	run(f, &l, SEC, LEASE_IDLE_IN_TRANSACTION);
	run(f, &l, SEC, LEASE_IDLE);
	f->now += 100 * SEC;
	fixture_expect(f, DECISION_NONE);
	lease_enter(&l, LEASE_RUNNING, f->now);
	lease_in_transaction(&l, true, f->now);
	lease_in_transaction(&l, false, f->now);
	f->now += 100 * SEC;
	fixture_expect(f, DECISION_NONE);
	give_back(f, &l);
}

static void test_an_administrator_may_revoke_at_any_time(void **state)
{
	struct fixture *f = *state;
	struct decision d;
	struct lease l;

	take(f, &l, &patient);
	lease_revoke(&l, f->now);
	assert_int_equal(core_wakeup(f->core), 0);
	assert_int_equal(lease_renew(&l, SEC, f->now), 0);
	d = fixture_expect(f, DECISION_REVOKE);
	assert_int_equal(d.revocation, REVOKE_ADMIN);
	lease_revoke(&l, f->now);
	fixture_expect(f, DECISION_NONE);
	give_back(f, &l);
	lease_revoke(&l, f->now);
	lease_end(&l, f->now);
	fixture_expect(f, DECISION_NONE);
}

static void test_a_lease_that_ended_is_never_heard_of_again(void **state)
{
	struct lease_settings s = patient;
	struct fixture *f = *state;
	struct lease l;

	s.hold_us = 30 * SEC;
	s.idle_us = 10 * SEC;
	take(f, &l, &s);
	give_back(f, &l);
	f->now += 1000 * SEC;
	fixture_expect(f, DECISION_NONE);
	assert_int_equal(core_wakeup(f->core), USEC_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_a_lease_is_found_by_its_id_alone),
		given(test_an_old_id_does_not_lead_to_the_next_lease_of_the_connection),
		given(test_tokens_grow_from_what_is_handed_in),
		given(test_only_some_states_follow_on_others),
		given(test_a_lease_is_revoked_when_its_time_is_over),
		given(test_a_renewed_lease_lives_on),
		given(test_a_lease_that_idles_is_revoked),
		given(test_idling_in_a_transaction_is_warned_of_and_then_ended),
		given(test_a_transaction_may_not_last_for_ever),
		given(test_the_end_of_a_transaction_ends_its_clock),
		given(test_an_administrator_may_revoke_at_any_time),
		given(test_a_lease_that_ended_is_never_heard_of_again),
	};

	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
