/* SPDX-License-Identifier: MIT */
/*
 * What the daemon packs by hand, read back with protobuf-c; and libpq's results by its own means of
 * making them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "rpc/failure.h"
#include "rpc/output.h"
#include "sidepool/v1/rpc.pb-c.h"
#include "util/macro.h"

static const char *const rows[2][2] = { { "1", "one" }, { "2", NULL } };

static PGresult *make_result(ExecStatusType status, int n_rows)
{
	static PGresAttDesc columns[2] = {
		{ .name = (char *)"id",
		  .typid = 23,
		  .typlen = 4,
		  .atttypmod = -1,
		  .tableid = 5,
		  .columnid = 1 },
		{ .name = (char *)"name", .typid = 1043, .typlen = -1, .atttypmod = 14 },
	};
	PGresult *r = PQmakeEmptyPGresult(NULL, status);

	assert_true(PQsetResultAttrs(r, 2, columns));
	for (int i = 0; i < n_rows; i++)
		for (int c = 0; c < 2; c++)
			assert_true(PQsetvalue(r, i, c, (char *)rows[i][c],
					       rows[i][c] ? (int)strlen(rows[i][c]) : -1));
	return r;
}

static Sidepool__V1__Response *unpack(const struct output *o, bool more)
{
	size_t n = output_packed_bytes(o, more);
	uint8_t *bytes = malloc(n + 1);
	Sidepool__V1__Response *m;

	assert_ptr_equal(output_pack(o, bytes, more), bytes + n);
	m = sidepool__v1__response__unpack(NULL, n, bytes);
	assert_non_null(m);
	free(bytes);
	return m;
}

static void test_a_result_is_what_protobuf_reads(void **state)
{
	static const uint8_t packed[] = { 1,   0, 0, 0, '1', 3,   0,   0,   0,   'o', 'n',
					  'e', 1, 0, 0, 0,   '2', 255, 255, 255, 255 };
	struct output o = { .open = false };
	struct output_statement s = { .index = 3, .statement_id = 77 };
	PGresult *r = make_result(PGRES_TUPLES_OK, 2);
	Sidepool__V1__Response *m;

	(void)state;
	output_rows(&o, &s, r);
	output_complete(&o, &s, r);
	m = unpack(&o, false);
	assert_int_equal(m->n_results, 1);
	assert_int_equal(m->results[0]->n_columns, 2);
	assert_string_equal(m->results[0]->columns[0]->name, "id");
	assert_int_equal(m->results[0]->columns[0]->type_oid, 23);
	assert_int_equal(m->results[0]->columns[0]->type_modifier, -1);
	assert_int_equal(m->results[0]->columns[0]->table_oid, 5);
	assert_int_equal(m->results[0]->columns[1]->type_modifier, 14);
	assert_int_equal(m->results[0]->columns[1]->type_bytes, -1);
	assert_int_equal(m->results[0]->row_count, 2);
	assert_int_equal(m->results[0]->rows.len, sizeof(packed));
	assert_memory_equal(m->results[0]->rows.data, packed, sizeof(packed));
	assert_int_equal(m->results[0]->statement_index, 3);
	assert_int_equal(m->results[0]->statement_id, 77);
	assert_true(m->results[0]->columns_id != 0);
	assert_false(m->results[0]->more);
	sidepool__v1__response__free_unpacked(m, NULL);
	PQclear(r);
	output_deinit(&o);
}

static void test_known_columns_are_left_out(void **state)
{
	struct output o = { .open = false };
	struct output_statement s = { .index = 0 };
	PGresult *r = make_result(PGRES_TUPLES_OK, 1);
	Sidepool__V1__Response *m;

	(void)state;
	output_rows(&o, &s, r);
	s.known_columns_id = o.columns_id;
	output_reset(&o, SIZE_MAX);
	output_rows(&o, &s, r);
	m = unpack(&o, false);
	assert_int_equal(m->results[0]->n_columns, 0);
	assert_int_equal(m->results[0]->columns_id, s.known_columns_id);
	assert_int_equal(m->results[0]->row_count, 1);
	sidepool__v1__response__free_unpacked(m, NULL);
	PQclear(r);
	output_deinit(&o);
}

static void test_chunks_tell_their_columns_once(void **state)
{
	struct output o = { .open = false };
	struct output_statement s = { .index = 0 };
	PGresult *r = make_result(PGRES_TUPLES_OK, 1);
	Sidepool__V1__Response *m;

	(void)state;
	output_rows(&o, &s, r);
	m = unpack(&o, true);
	assert_true(m->results[0]->more);
	assert_int_equal(m->results[0]->n_columns, 2);
	sidepool__v1__response__free_unpacked(m, NULL);
	output_next_chunk(&o);
	output_rows(&o, &s, r);
	m = unpack(&o, false);
	assert_int_equal(m->n_results, 1);
	assert_int_equal(m->results[0]->n_columns, 0);
	assert_int_equal(m->results[0]->row_count, 1);
	assert_false(m->results[0]->more);
	sidepool__v1__response__free_unpacked(m, NULL);
	PQclear(r);
	output_deinit(&o);
}

static void test_several_results_keep_their_order(void **state)
{
	struct output o = { .open = false };
	struct failure f = { .code = 0 };
	PGresult *r = make_result(PGRES_TUPLES_OK, 1);
	Sidepool__V1__Response *m;

	(void)state;
	failure_set(&f, SIDEPOOL_E_QUEUE_FULL, NULL);
	f.retry_after_us = 1500;
	output_rows(&o, &(struct output_statement){ .index = 0 }, r);
	output_failed(&o, &(struct output_statement){ .index = 1, .set = 4 }, &f);
	output_rows(&o, &(struct output_statement){ .index = 2 }, r);
	m = unpack(&o, false);
	assert_int_equal(m->n_results, 3);
	assert_int_equal(m->results[0]->row_count, 1);
	assert_int_equal(m->results[1]->statement_index, 1);
	assert_int_equal(m->results[1]->parameter_set_index, 4);
	assert_int_equal(m->results[1]->error->code,
			 SIDEPOOL__V1__ERROR_CODE__ERROR_CODE_QUEUE_FULL);
	assert_int_equal(m->results[1]->error->outcome, SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT);
	assert_int_equal(m->results[1]->error->retry_after_ms, 2);
	assert_true(m->results[1]->error->retryable);
	assert_string_equal(m->results[1]->error->message, "too many requests wait already");
	assert_int_equal(m->results[2]->statement_index, 2);
	sidepool__v1__response__free_unpacked(m, NULL);
	PQclear(r);
	failure_deinit(&f);
	output_deinit(&o);
}

static void test_copy_data_is_a_chunk(void **state)
{
	struct output o = { .copy = true };
	Sidepool__V1__Response *m;

	(void)state;
	output_copy_data(&o, "1\t2\n", 4);
	output_copy_data(&o, "3\t4\n", 4);
	m = unpack(&o, true);
	assert_int_equal(m->n_results, 0);
	assert_int_equal(m->kind_case, SIDEPOOL__V1__RESPONSE__KIND_COPY_CHUNK);
	assert_int_equal(m->copy_chunk->data.len, 8);
	assert_memory_equal(m->copy_chunk->data.data, "1\t2\n3\t4\n", 8);
	sidepool__v1__response__free_unpacked(m, NULL);
	output_deinit(&o);
}

static void test_every_code_has_its_sentence(void **state)
{
	struct failure f = { .code = 0 };

	(void)state;
#define SIDEPOOL_ERROR(number, name, outcome, retryable, sentence, remedy)                         \
	failure_set(&f, SIDEPOOL_E_##name, NULL);                                                  \
	assert_string_equal(f.message, sentence);                                                  \
	assert_string_equal(failure_code_name(f.code), #name);                                     \
	assert_int_equal(f.code, number);
#include "../../proto/errors.def"
#undef SIDEPOOL_ERROR
	failure_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_result_is_what_protobuf_reads),
		cmocka_unit_test(test_known_columns_are_left_out),
		cmocka_unit_test(test_chunks_tell_their_columns_once),
		cmocka_unit_test(test_several_results_keep_their_order),
		cmocka_unit_test(test_copy_data_is_a_chunk),
		cmocka_unit_test(test_every_code_has_its_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
