/* SPDX-License-Identifier: MIT */
/*
 * Statements are written as they are added; only the last one stays open, for further sets of its
 * parameters. `done` has finished Statement fields, `head` and `sets` the two parts of the open
 * one.
 */
#include <stdlib.h>

#include "ask.h"
#include "encode.h"
#include "proto-fields.h"
#include "rows.h"

struct sidepool_batch {
	struct bytes done;
	struct bytes head;
	struct bytes sets;
	size_t n_params; /* of the open statement */
	uint32_t n_sets;
};

enum {
	BATCH_KEEP_BYTES = 65536,
};

struct sidepool_batch *sidepool_batch_new(void)
{
	return calloc(1, sizeof(struct sidepool_batch));
}

struct sidepool_batch *sidepool_batch_free(struct sidepool_batch *b)
{
	if (!b)
		return NULL;
	bytes_deinit(&b->done);
	bytes_deinit(&b->head);
	bytes_deinit(&b->sets);
	free(b);
	return NULL;
}

static void reset(struct sidepool_batch *b)
{
	bytes_reset(&b->done, BATCH_KEEP_BYTES);
	bytes_reset(&b->head, BATCH_KEEP_BYTES);
	bytes_reset(&b->sets, BATCH_KEEP_BYTES);
	b->n_params = b->n_sets = 0;
}

/* Ends the open statement, if there is one. Returns false without memory, with everything as it
 * was. */
static bool close_statement(struct sidepool_batch *b)
{
	size_t before = b->done.len, open;

	if (b->n_sets == 0)
		return true;
	open = pb_open(&b->done, BATCH_STATEMENTS, b->head.len + b->sets.len + 8);
	bytes_put(&b->done, b->head.data, b->head.len);
	pb_blob(&b->done, STATEMENT_PARAMETERS, b->sets.data, b->sets.len);
	pb_uint(&b->done, STATEMENT_PARAMETER_SETS, b->n_sets > 1 ? b->n_sets : 0);
	pb_close(&b->done, open);
	if (b->done.failed) {
		b->done.len = before;
		b->done.failed = false;
		return false;
	}
	b->head.len = b->sets.len = 0;
	b->n_sets = 0;
	return true;
}

static bool valid(const struct sidepool_params *p)
{
	return !p || p->count == 0 || (p->values && p->count <= 65535);
}

int sidepool_batch_add(struct sidepool_batch *b, const char *sql,
		       const struct sidepool_params *params, unsigned flags)
{
	if (!b || !sql || !valid(params))
		return SIDEPOOL_E_INVALID_ARGUMENT;
	if (!close_statement(b))
		return SIDEPOOL_E_OUT_OF_MEMORY;
	pb_text(&b->head, STATEMENT_SQL, sql);
	encode_parameter_types(&b->head, params);
	pb_uint(&b->head, STATEMENT_RESULT_FORMAT, (flags & SIDEPOOL_BATCH_BINARY) != 0);
	pb_uint(&b->head, STATEMENT_RESULT_PER_SET, (flags & SIDEPOOL_BATCH_RESULT_PER_SET) != 0);
	b->n_params = params ? params->count : 0;
	if (params && !rows_put_params(&b->sets, params)) {
		b->head.len = b->sets.len = 0;
		return SIDEPOOL_E_INVALID_ARGUMENT;
	}
	if (b->head.failed || b->sets.failed) {
		b->head.len = b->sets.len = 0;
		b->head.failed = b->sets.failed = false;
		return SIDEPOOL_E_OUT_OF_MEMORY;
	}
	b->n_sets = 1;
	return 0;
}

int sidepool_batch_add_set(struct sidepool_batch *b, const struct sidepool_params *params)
{
	size_t before;

	if (!b || b->n_sets == 0 || !valid(params) || (params ? params->count : 0) != b->n_params)
		return SIDEPOOL_E_INVALID_ARGUMENT;
	before = b->sets.len;
	if (params && !rows_put_params(&b->sets, params)) {
		b->sets.len = before;
		return SIDEPOOL_E_INVALID_ARGUMENT;
	}
	if (b->sets.failed) {
		b->sets.len = before;
		b->sets.failed = false;
		return SIDEPOOL_E_OUT_OF_MEMORY;
	}
	b->n_sets++;
	return 0;
}

static void encode_batch(struct ask *a, struct sidepool_batch *b, bool atomic,
			 const struct sidepool_lease_options *options)
{
	struct bytes *f = &a->q->frame;
	size_t open = pb_open(f, REQUEST_BATCH, b->done.len + 2);

	bytes_put(f, b->done.data, b->done.len);
	pb_uint(f, BATCH_ATOMIC, atomic);
	if (options)
		encode_transaction(f, BATCH_TRANSACTION, options);
	pb_uint(f, BATCH_CHUNK_BYTES, a->call.chunk_bytes);
	pb_close(f, open);
}

uint32_t sidepool_batch_send(struct sidepool *sp, struct sidepool_batch *b, int atomic,
			     const struct sidepool_lease_options *options,
			     const struct sidepool_call *call)
{
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_BATCH, call))
		return 0;
	if (!b)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "batch is NULL");
	else if (!close_statement(b))
		ask_fail(&a, SIDEPOOL_E_OUT_OF_MEMORY, "no memory for the batch");
	else if (b->done.len == 0)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "the batch is empty");
	if (options && options->size < sizeof(*options))
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT,
			 "sidepool_lease_options::size is not set");
	if (b && a.code == 0)
		encode_batch(&a, b, atomic, options);
	if (b)
		reset(b);
	return ask_end(&a);
}

_Static_assert((int)SUBMIT_STATEMENTS == (int)BATCH_STATEMENTS, "a batch is sent as either");

static void encode_submit(struct ask *a, const struct sidepool_batch *b,
			  const struct sidepool_submit_options *options)
{
	struct bytes *f = &a->q->frame;
	size_t open = pb_open(f, REQUEST_SUBMIT, b->done.len + options->key_bytes + 16);

	bytes_put(f, b->done.data, b->done.len);
	if (options->key_bytes > 0)
		pb_blob(f, SUBMIT_KEY, options->key, options->key_bytes);
	pb_uint(f, SUBMIT_TRY_MS, options->try_ms);
	pb_close(f, open);
}

uint32_t sidepool_submit(struct sidepool *sp, struct sidepool_batch *b,
			 const struct sidepool_submit_options *options,
			 const struct sidepool_call *call)
{
	static const struct sidepool_submit_options none = { .size = sizeof(none) };
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_SUBMIT, call))
		return 0;
	if (!b)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "batch is NULL");
	else if (!close_statement(b))
		ask_fail(&a, SIDEPOOL_E_OUT_OF_MEMORY, "no memory for the batch");
	else if (b->done.len == 0)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "the batch is empty");
	if (options && options->size < sizeof(*options))
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT,
			 "sidepool_submit_options::size is not set");
	if (b && a.code == 0)
		encode_submit(&a, b, options ? options : &none);
	if (b)
		reset(b);
	return ask_end(&a);
}
