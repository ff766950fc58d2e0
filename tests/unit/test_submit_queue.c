/* SPDX-License-Identifier: MIT */
/* What was submitted: whose turn it is, what is refused, and who waits for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/submit-queue.h"

enum {
	MOST = 64,
};

struct fixture {
	struct submit_queue q;
	struct submission s[MOST];
	unsigned n;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	submit_queue_init(&f->q,
			  &(struct submit_limits){ .size = 20, .bytes = 1000, .at_a_time = 2 });
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	submit_queue_deinit(&f->q);
	free(f);
	return 0;
}

#define given(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static struct submission *add(struct fixture *f, const char *flow, const char *key)
{
	struct submission *s = &f->s[f->n++];

	s->id = f->n;
	s->bytes = 10;
	assert_int_equal(submit_queue_add(&f->q, s, flow, key, strlen(key)), 0);
	return s;
}

static void test_a_key_keeps_its_order(void **state)
{
	struct fixture *f = *state;
	struct submission *a = add(f, "app", "k"), *b = add(f, "app", "k"), *c = add(f, "app", "k");

	assert_ptr_equal(submit_queue_take(&f->q, 0), a);
	assert_null(submit_queue_take(&f->q, 0));
	submit_queue_remove(&f->q, a);
	assert_ptr_equal(submit_queue_take(&f->q, 0), b);
	submit_queue_put_back(&f->q, b, 100, false);
	assert_null(submit_queue_take(&f->q, 99));
	assert_int_equal(submit_queue_wakeup(&f->q), 100);
	assert_ptr_equal(submit_queue_take(&f->q, 100), b);
	assert_int_equal(b->tries, 2);
	submit_queue_remove(&f->q, b);
	assert_ptr_equal(submit_queue_take(&f->q, 100), c);
}

static void test_different_keys_run_beside_each_other(void **state)
{
	struct fixture *f = *state;
	struct submission *a = add(f, "app", "k"), *b = add(f, "app", "l"), *c = add(f, "app", "m");

	assert_ptr_equal(submit_queue_take(&f->q, 0), a);
	assert_ptr_equal(submit_queue_take(&f->q, 0), b);
	assert_null(submit_queue_take(&f->q, 0)); /* at_a_time */
	assert_int_equal(submit_queue_wakeup(&f->q), USEC_NEVER);
	submit_queue_remove(&f->q, a);
	assert_ptr_equal(submit_queue_take(&f->q, 0), c);
}

static void test_without_a_key_nothing_waits_for_another(void **state)
{
	struct fixture *f = *state;
	struct submission *a = add(f, "app", ""), *b = add(f, "app", "");

	assert_ptr_equal(submit_queue_take(&f->q, 0), a);
	assert_ptr_equal(submit_queue_take(&f->q, 0), b);
}

static void test_the_same_key_of_two_applications_is_two(void **state)
{
	struct fixture *f = *state;
	struct submission *a = add(f, "app", "k"), *b = add(f, "other", "k");

	assert_ptr_equal(submit_queue_take(&f->q, 0), a);
	assert_ptr_equal(submit_queue_take(&f->q, 0), b);
}

static void test_flows_take_turns(void **state)
{
	struct fixture *f = *state;
	struct submission *few, *s;
	unsigned before = 0;

	for (unsigned i = 0; i < 9; i++)
		add(f, "many", "");
	few = add(f, "few", "");
	while ((s = submit_queue_take(&f->q, 0)) && s != few) {
		before++;
		submit_queue_remove(&f->q, s);
	}
	assert_ptr_equal(s, few);
	assert_true(before <= 2);
}

static void test_a_flow_that_is_held_waits_as_a_whole(void **state)
{
	struct fixture *f = *state;
	struct submission *a = add(f, "app", "k"), *b = add(f, "app", "l"),
			  *c = add(f, "other", "k");

	assert_ptr_equal(submit_queue_take(&f->q, 0), a);
	submit_queue_put_back(&f->q, a, 50, true);
	assert_ptr_equal(submit_queue_take(&f->q, 0), c);
	assert_null(submit_queue_take(&f->q, 49));
	assert_int_equal(submit_queue_wakeup(&f->q), 50);
	assert_ptr_equal(submit_queue_take(&f->q, 50), b);
	assert_ptr_equal(submit_queue_take(&f->q, 50), a);
}

static void test_number_and_bytes_are_bounded(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(submit_queue_admits(&f->q, "app", 1000, 0, 0), 0);
	assert_int_equal(submit_queue_admits(&f->q, "app", 1001, 0, 0), SUBMIT_E_BYTES);
	assert_int_equal(submit_queue_admits(&f->q, "app", 500, 3, 501), SUBMIT_E_BYTES);
	assert_int_equal(submit_queue_admits(&f->q, "app", 1, 20, 0), SUBMIT_E_FULL);
	for (unsigned i = 0; i < 11; i++)
		add(f, "app", "k");
	assert_int_equal(submit_queue_admits(&f->q, "app", 1, 0, 0), SUBMIT_E_SHARE);
	assert_int_equal(submit_queue_admits(&f->q, "other", 1, 0, 0), 0);
	for (unsigned i = 0; i < 9; i++)
		add(f, "other", "k");
	assert_int_equal(submit_queue_admits(&f->q, "third", 1, 0, 0), SUBMIT_E_FULL);
	submit_queue_remove(&f->q, &f->s[3]);
	assert_int_equal(submit_queue_admits(&f->q, "third", 1, 0, 0), 0);
}

static void test_removing_one_from_the_middle_or_from_sleep_harms_none(void **state)
{
	struct fixture *f = *state;
	struct submission *a = add(f, "app", "k"), *b = add(f, "app", "k"), *c = add(f, "app", "k");

	submit_queue_remove(&f->q, b);
	assert_ptr_equal(submit_queue_take(&f->q, 0), a);
	submit_queue_put_back(&f->q, a, 10, false);
	submit_queue_remove(&f->q, a);
	assert_int_equal(submit_queue_wakeup(&f->q), 0);
	assert_ptr_equal(submit_queue_take(&f->q, 0), c);
	submit_queue_remove(&f->q, c);
	assert_int_equal(f->q.n, 0);
	assert_int_equal(f->q.bytes, 0);
	assert_null(f->q.flows);
}

static void test_all_is_in_the_order_of_the_ids(void **state)
{
	struct fixture *f = *state;
	struct submission *s, *late = &f->s[MOST - 1];
	uint64_t last = 0;

	for (unsigned i = 0; i < 5; i++)
		add(f, "app", i % 2 ? "k" : "");
	f->s[5].id = 7;
	assert_int_equal(submit_queue_add(&f->q, &f->s[5], "app", "", 0), 0);
	late->id = 6;
	assert_int_equal(submit_queue_add(&f->q, late, "app", "", 0), 0);
	TAILQ_FOREACH (s, &f->q.all, order) {
		assert_true(s->id > last);
		last = s->id;
	}
	assert_int_equal(last, 7);
}

/* Chance adds, takes, puts back and removes: at any time each lane has one runner at most. */
static void test_a_random_walk_keeps_the_promises(void **state)
{
	static const char *const keys[] = { "", "a", "b", "c" };
	static const char *const flows[] = { "x", "y" };
	struct fixture *f = *state;
	struct submission *running[MOST] = { NULL }, *s;
	unsigned n = 0, free_at, i;
	uint64_t seed = 1, id = 0;
	usec now = 0;

	for (unsigned step = 0; step < 20000; step++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		i = (unsigned)(seed >> 33);
		now += i % 5;
		for (free_at = 0; free_at < MOST && f->s[free_at].lane; free_at++)
			;
		if (i % 4 == 0 && free_at < MOST) {
			f->s[free_at] = (struct submission){ .id = ++id, .bytes = 1 };
			assert_int_equal(submit_queue_add(&f->q, &f->s[free_at], flows[i / 4 % 2],
							  keys[i / 8 % 4], strlen(keys[i / 8 % 4])),
					 0);
		} else if (i % 4 == 1 && (s = submit_queue_take(&f->q, now))) {
			assert_ptr_equal(TAILQ_PREV(s, submission_list, link), NULL);
			assert_true(s->due <= now);
			for (unsigned j = 0; j < n; j++)
				assert_ptr_not_equal(running[j]->lane, s->lane);
			running[n++] = s;
		} else if (i % 4 == 2 && n > 0) {
			s = running[--n];
			submit_queue_put_back(&f->q, s, now + i / 4 % 50, i / 256 % 2);
		} else if (n > 0) {
			submit_queue_remove(&f->q, running[--n]);
		}
		assert_int_equal(f->q.n_running, n);
		assert_true(n <= 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_a_key_keeps_its_order),
		given(test_different_keys_run_beside_each_other),
		given(test_without_a_key_nothing_waits_for_another),
		given(test_the_same_key_of_two_applications_is_two),
		given(test_flows_take_turns),
		given(test_a_flow_that_is_held_waits_as_a_whole),
		given(test_number_and_bytes_are_bounded),
		given(test_removing_one_from_the_middle_or_from_sleep_harms_none),
		given(test_all_is_in_the_order_of_the_ids),
		given(test_a_random_walk_keeps_the_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
