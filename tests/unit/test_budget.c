/* SPDX-License-Identifier: MIT */
/* Several pools under one budget. */
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

static struct pool *second_pool(struct fixture *f, uint32_t min_size)
{
	struct pool_settings s = fixture_pool_settings;
	struct pool *p;

	s.min_size = min_size;
	assert_int_equal(pool_add(f->core, &s, NULL, f->now, &p), 0);
	return p;
}

static void test_what_idles_is_closed_for_another_pool_down_to_min_size(void **state)
{
	struct pool_settings s = fixture_pool_settings;
	struct fixture *f = *state;
	struct pool *other = second_pool(f, 0);

	s.min_size = 4;
	fixture_configure(f, &s);
	grant_n(f, 10);
	finish_n(f, 10);
	for (unsigned i = 0; i < 10; i++) {
		fixture_ticket(f, i, f->app)->pool = other;
		core_submit(f->core, &f->tickets[i], f->now);
	}
	fixture_settle(f);
	assert_int_equal(f->closed, 6);
	assert_int_equal(f->close_reason, CLOSE_RECLAIMED);
	assert_int_equal(f->granted, 6);
	assert_int_equal(f->pool->n_slots, 4);
	assert_int_equal(other->n_slots, 6);
}

static void test_no_more_is_closed_for_another_pool_than_it_wants(void **state)
{
	struct fixture *f = *state;
	struct pool *other = second_pool(f, 0);
	unsigned closes = 0;
	struct decision d;

	grant_n(f, 10);
	finish_n(f, 10);
	for (unsigned i = 0; i < 2; i++) {
		fixture_ticket(f, i, f->app)->pool = other;
		core_submit(f->core, &f->tickets[i], f->now);
	}
	while ((d = fixture_decide(f)).type == DECISION_CLOSE)
		closes++;
	assert_int_equal(closes, 2);
	assert_int_equal(f->pool->n[SLOT_IDLE], 8);
}

static void test_a_min_size_is_reserved_in_the_budget(void **state)
{
	struct fixture *f = *state;
	struct pool *other = second_pool(f, 4);
	struct decision d;
	uint32_t opens = 0;

	for (unsigned i = 0; i < 10; i++)
		fixture_submit(f, i, f->app);
	while ((d = fixture_decide(f)).type == DECISION_OPEN)
		opens += d.pool == f->pool;
	assert_int_equal(opens, 6);
	assert_int_equal(other->n[SLOT_CONNECTING], 4);
}

static void test_a_pool_without_a_connection_gets_the_next_one(void **state)
{
	struct fixture *f = *state;
	struct pool *other = second_pool(f, 0);
	struct ticket *t;

	grant_n(f, 20);
	t = fixture_ticket(f, 30, f->app);
	t->pool = other;
	core_submit(f->core, t, f->now);
	fixture_settle(f);
	fixture_finish(f, &f->tickets[0]);
	fixture_settle(f);
	assert_int_equal(f->closed, 1);
	assert_ptr_equal(f->last_granted, t);
	/* After that it is the others' turn again. */
	fixture_finish(f, t);
	fixture_settle(f);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->pool->n_slots, 10);
	assert_int_equal(f->granted, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_what_idles_is_closed_for_another_pool_down_to_min_size),
		given(test_no_more_is_closed_for_another_pool_than_it_wants),
		given(test_a_min_size_is_reserved_in_the_budget),
		given(test_a_pool_without_a_connection_gets_the_next_one),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
