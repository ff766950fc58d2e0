/* SPDX-License-Identifier: MIT */
/* The table of applications. */
#include <errno.h>
#include <stdio.h>

#include "core_fixture.h"

#define given(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static void test_one_name_is_one_application(void **state)
{
	const struct share_settings other = { .weight = 9 };
	struct fixture *f = *state;
	struct application *app = fixture_app(f, "app", &other);

	assert_ptr_equal(app, f->app);
	assert_int_equal(app->refs, 2);
	assert_int_equal(app->share.weight, 1);
	assert_ptr_equal(application_find(f->core, "app"), app);
	assert_null(application_find(f->core, "none"));
	assert_null(application_unref(app));
	assert_int_equal(app->refs, 1);
	assert_null(application_unref(NULL));
}

static void bound(struct fixture *f, uint32_t n)
{
	struct core_settings s = fixture_core_settings;

	s.max_applications = n;
	assert_int_equal(core_configure(f->core, &s, f->now), 0);
}

static void test_who_was_out_of_use_longest_makes_room(void **state)
{
	struct fixture *f = *state;
	struct application *a, *b, *c;

	bound(f, 3);
	a = fixture_app(f, "a", &fixture_share);
	b = fixture_app(f, "b", &fixture_share);
	assert_int_equal(application_get(f->core, "c", &fixture_share, &c), APPLICATION_E_LIMIT);
	application_unref(b);
	application_unref(a);
	c = fixture_app(f, "c", &fixture_share);
	assert_null(application_find(f->core, "b"));
	assert_ptr_equal(application_find(f->core, "a"), a);
	assert_ptr_equal(application_find(f->core, "c"), c);
}

static void test_nobody_is_forgotten_while_something_waits_or_runs(void **state)
{
	struct fixture *f = *state;
	struct application *a, *b;

	bound(f, 2);
	a = fixture_app(f, "a", &fixture_share);
	fixture_submit(f, 0, a);
	application_unref(a);
	assert_int_equal(application_get(f->core, "b", &fixture_share, &b), APPLICATION_E_LIMIT);
	fixture_settle(f);
	assert_int_equal(application_get(f->core, "b", &fixture_share, &b), APPLICATION_E_LIMIT);
	fixture_finish(f, &f->tickets[0]);
	assert_int_equal(application_get(f->core, "b", &fixture_share, &b), 0);
}

static void test_without_memory_nothing_changes(void **state)
{
	struct fixture *f = *state;
	struct application *a = NULL;
	int r;

	bound(f, 2);
	a = fixture_app(f, "old", &fixture_share);
	application_unref(a);
	for (long i = 1;; i++) {
		fixture_fail_malloc(i);
		r = application_get(f->core, "new", &fixture_share, &a);
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_non_null(application_find(f->core, "old"));
		assert_null(application_find(f->core, "new"));
		assert_true(i < 10);
	}
	fixture_fail_malloc(0);
	assert_null(application_find(f->core, "old"));
}

static void test_thousands_are_found(void **state)
{
	struct fixture *f = *state;
	struct application *app = NULL;
	char name[32];
	int n = 0;

	for (int i = 0; i < APPLICATIONS_DEFAULT - 1; i++) {
		snprintf(name, sizeof(name), "worker-%d", i);
		fixture_app(f, name, &fixture_share);
	}
	assert_int_equal(application_get(f->core, "one more", &fixture_share, &app),
			 APPLICATION_E_LIMIT);
	for (int i = 0; i < APPLICATIONS_DEFAULT - 1; i++) {
		snprintf(name, sizeof(name), "worker-%d", i);
		assert_string_equal(application_find(f->core, name)->name, name);
	}
	while ((app = application_next(f->core, app)))
		n++;
	assert_int_equal(n, APPLICATIONS_DEFAULT);
}

static void test_shares_are_brought_into_range(void **state)
{
	const struct share_settings odd = { .weight = 0, .priority = 1000 };
	struct fixture *f = *state;
	struct application *app = fixture_app(f, "odd", &odd);

	assert_int_equal(app->share.weight, 1);
	assert_int_equal(app->share.priority, PRIORITY_MAX);
	fixture_submit(f, 0, app);
	fixture_settle(f);
	assert_int_equal(f->granted, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_one_name_is_one_application),
		given(test_who_was_out_of_use_longest_makes_room),
		given(test_nobody_is_forgotten_while_something_waits_or_runs),
		given(test_without_memory_nothing_changes),
		given(test_thousands_are_found),
		given(test_shares_are_brought_into_range),
	};

	return cmocka_run_group_tests_name("application", tests, NULL, NULL);
}
