/* SPDX-License-Identifier: MIT */
/*
 * The parts of a connection that need no loop: requests in flight, output, blocks, users. Each
 * against a plain model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "sp/flight.h"
#include "sp/output.h"
#include "sp/pool.h"
#include "sp/uids.h"
#include "util/macro.h"

enum {
	N_REQUESTS = 3000,
	OUTPUT_BYTES = 4 << 20,
};

/* A fixed sequence, so that a failure repeats. */
static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

static struct sp_request request_no(uint32_t i)
{
	struct sp_request r = { .n_words = 1 + i % 3 };

	for (uint32_t k = 0; k < r.n_words; k++)
		r.words[k] = htonl(i / 3);
	r.words[r.n_words - 1] = htonl(SP_REQUEST_ID_BIT | (i / 3));
	return r;
}

static void test_requests_in_flight_are_a_set(void **state)
{
	static bool model[N_REQUESTS];
	struct sp_pool pool;
	struct sp_flight f;
	uint64_t random = 1;
	uint32_t n = 0;

	(void)state;
	sp_pool_init(&pool, 1 << 20);
	sp_flight_init(&f, 12345);
	for (int step = 0; step < 200000; step++) {
		/* Mostly filling, then mostly emptying, to pass through all sizes. */
		bool add = next_random(&random) % 100 < (step / 20000 % 2 ? 40U : 60U);
		uint32_t i = next_random(&random) % N_REQUESTS;
		struct sp_request r = request_no(i);

		if (add)
			assert_int_equal(sp_flight_add(&f, &pool, &r),
					 model[i] ? SP_FLIGHT_E_DUPLICATE : 0);
		else
			assert_int_equal(sp_flight_remove(&f, &pool, &r),
					 model[i] ? 0 : SP_FLIGHT_E_UNKNOWN);
		n += add && !model[i];
		n -= !add && model[i];
		model[i] = add;
		assert_int_equal(f.n, n);
	}
	for (uint32_t i = 0; i < N_REQUESTS; i++) {
		struct sp_request r = request_no(i);

		assert_int_equal(sp_flight_remove(&f, &pool, &r),
				 model[i] ? 0 : SP_FLIGHT_E_UNKNOWN);
	}
	assert_null(f.slots);
	sp_pool_deinit(&pool);
}

static void test_same_id_by_another_way_is_another_request(void **state)
{
	struct sp_request direct = { .n_words = 1, .words = { htonl(SP_REQUEST_ID_BIT) } };
	struct sp_request hop = { .n_words = 2, .words = { htonl(1), htonl(SP_REQUEST_ID_BIT) } };
	struct sp_request other = { .n_words = 2, .words = { htonl(2), htonl(SP_REQUEST_ID_BIT) } };
	struct sp_pool pool;
	struct sp_flight f;

	(void)state;
	sp_pool_init(&pool, 1 << 20);
	sp_flight_init(&f, 0);
	assert_int_equal(sp_flight_add(&f, &pool, &direct), 0);
	assert_int_equal(sp_flight_add(&f, &pool, &hop), 0);
	assert_int_equal(sp_flight_add(&f, &pool, &other), 0);
	assert_int_equal(sp_flight_add(&f, &pool, &hop), SP_FLIGHT_E_DUPLICATE);
	assert_int_equal(sp_flight_remove(&f, &pool, &hop), 0);
	assert_int_equal(sp_flight_add(&f, &pool, &hop), 0);
	sp_flight_deinit(&f, &pool);
	sp_pool_deinit(&pool);
}

static void test_blocks_are_used_again_and_bounded(void **state)
{
	void *blocks[20];
	struct sp_pool pool;
	size_t size;
	void *first;

	(void)state;
	sp_pool_init(&pool, 10 * 4096);
	first = sp_pool_take(&pool, 4000, &size);
	assert_int_equal(size, 4096);
	sp_pool_give(&pool, first, size);
	assert_ptr_equal(sp_pool_take(&pool, 2000, &size), first);
	sp_pool_give(&pool, first, size);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		blocks[i] = sp_pool_take(&pool, 4096, &size);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		sp_pool_give(&pool, blocks[i], size);
	assert_int_equal(pool.kept_bytes, 10 * 4096);
	first = sp_pool_take(&pool, 50 << 20, &size);
	assert_int_equal(size, 50 << 20);
	sp_pool_give(&pool, first, size);
	assert_int_equal(pool.kept_bytes, 10 * 4096);
	sp_pool_deinit(&pool);
}

static uint8_t stream_byte(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

static size_t take_output(struct sp_output *o, struct sp_pool *pool, size_t from, size_t most)
{
	struct iovec pieces[8];
	unsigned n = sp_output_pieces(o, pieces, 8, SIZE_MAX);
	size_t taken = 0;

	for (unsigned k = 0; k < n; k++)
		for (size_t i = 0; i < pieces[k].iov_len && taken < most; i++)
			assert_int_equal(((uint8_t *)pieces[k].iov_base)[i],
					 stream_byte(from + taken++));
	sp_output_consume(o, pool, taken);
	return taken;
}

/*
 * Answers of all sizes, reserved with too much room, taken in pieces of all sizes: the bytes come
 * out in order.
 */
static void test_output_keeps_its_bytes_in_order(void **state)
{
	struct sp_pool pool;
	struct sp_output o = { .first = NULL };
	uint64_t random = 7;
	size_t in = 0, out = 0;

	(void)state;
	sp_pool_init(&pool, 8 << 20);
	while (in < OUTPUT_BYTES) {
		size_t len = next_random(&random) % (1U << next_random(&random) % 17);
		size_t room = len + next_random(&random) % (1U << next_random(&random) % 20);
		uint8_t *at = sp_output_reserve(&o, &pool, room);

		assert_non_null(at);
		for (size_t i = 0; i < len; i++)
			at[i] = stream_byte(in + i);
		sp_output_commit(&o, &pool, len);
		in += len;
		assert_int_equal(o.bytes, in - out);
		if (next_random(&random) % 3 == 0)
			out += take_output(&o, &pool, out, next_random(&random) % 100000);
	}
	while (out < in)
		out += take_output(&o, &pool, out, SIZE_MAX);
	assert_null(o.first);
	assert_int_equal(o.memory_bytes, 0);
	sp_pool_deinit(&pool);
}

static void test_forgotten_output_leaves_nothing(void **state)
{
	struct sp_pool pool;
	struct sp_output o = { .first = NULL };
	uint8_t *at;

	(void)state;
	sp_pool_init(&pool, 8 << 20);
	assert_non_null(sp_output_reserve(&o, &pool, 100));
	sp_output_commit(&o, &pool, 0);
	assert_null(o.first);
	at = sp_output_reserve(&o, &pool, 1);
	*at = 1;
	sp_output_commit(&o, &pool, 1);
	assert_non_null(sp_output_reserve(&o, &pool, 1 << 20));
	sp_output_commit(&o, &pool, 0);
	assert_int_equal(o.bytes, 1);
	assert_int_equal(o.memory_bytes, 4096);
	sp_output_deinit(&o, &pool);
	assert_int_equal(o.memory_bytes, 0);
	sp_pool_deinit(&pool);
}

/* A thousand answers of a byte, each of which reserved a megabyte, must not hold a gigabyte. */
static void test_small_answers_hold_small_blocks(void **state)
{
	struct sp_pool pool;
	struct sp_output o = { .first = NULL };

	(void)state;
	sp_pool_init(&pool, 8 << 20);
	for (int i = 0; i < 1000; i++) {
		uint8_t *at = sp_output_reserve(&o, &pool, 1 << 20);

		assert_non_null(at);
		*at = 0;
		sp_output_commit(&o, &pool, 1);
	}
	assert_int_equal(o.bytes, 1000);
	assert_true(o.memory_bytes < 65536);
	sp_output_deinit(&o, &pool);
	sp_pool_deinit(&pool);
}

static void test_users_are_counted(void **state)
{
	struct sp_uids u = { .entries = NULL };

	(void)state;
	for (uid_t uid = 0; uid < 100; uid++) {
		for (unsigned n = 1; n <= 3; n++) {
			assert_int_equal(sp_uids_reserve(&u), 0);
			assert_int_equal(sp_uids_add(&u, uid), n);
		}
	}
	sp_uids_remove(&u, 5);
	assert_int_equal(sp_uids_add(&u, 5), 3);
	for (uid_t uid = 0; uid < 100; uid++)
		for (unsigned n = 0; n < 3; n++)
			sp_uids_remove(&u, uid);
	assert_int_equal(u.n, 0);
	sp_uids_deinit(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_in_flight_are_a_set),
		cmocka_unit_test(test_same_id_by_another_way_is_another_request),
		cmocka_unit_test(test_blocks_are_used_again_and_bounded),
		cmocka_unit_test(test_output_keeps_its_bytes_in_order),
		cmocka_unit_test(test_forgotten_output_leaves_nothing),
		cmocka_unit_test(test_small_answers_hold_small_blocks),
		cmocka_unit_test(test_users_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
