/* SPDX-License-Identifier: MIT */
#include "result-check.h"

#include <string.h>

#include "fuzz.h"
#include "rpc/failure.h"
#include "rpc/output.h"
#include "sidepool/v1/rpc.pb-c.h"

enum {
	LENGTH_BYTES = 4,
};

static void check_rows(const Sidepool__V1__Result *r, size_t n_columns)
{
	const uint8_t *at = r->rows.len > 0 ? r->rows.data : (const uint8_t *)"",
		      *end = at + r->rows.len;
	uint64_t n = (uint64_t)r->row_count * n_columns;
	int32_t length;

	if (n_columns == 0) {
		check(r->rows.len == 0);
		return;
	}
	for (; n > 0; n--) {
		check(end - at >= LENGTH_BYTES);
		memcpy(&length, at, LENGTH_BYTES);
		at += LENGTH_BYTES;
		check(length >= -1 && end - at >= length);
		at += length > 0 ? length : 0;
	}
	check(at == end);
}

static void check_result(struct answer_state *s, const Sidepool__V1__Result *r)
{
	bool goes_on =
		s->more && s->index == r->statement_index && s->set == r->parameter_set_index;

	if (!goes_on || r->n_columns > 0)
		s->n_columns = r->n_columns;
	s->more = r->more;
	s->index = r->statement_index;
	s->set = r->parameter_set_index;
	if (!s->is_any || r->n_columns > 0)
		check_rows(r, s->n_columns);
	check(r->format <= 1);
	for (size_t i = 0; i < r->n_notices; i++)
		check(r->notices[i]->fields);
	if (r->error)
		check(r->error->code && r->error->outcome && !r->more);
}

void check_response(struct answer_state *s, const uint8_t *bytes, size_t n)
{
	Sidepool__V1__Response *m = sidepool__v1__response__unpack(NULL, n, bytes);

	check(m);
	for (size_t i = 0; i < m->n_results; i++) {
		check_result(s, m->results[i]);
		/* What goes on is the last of its answer. */
		check(!m->results[i]->more || i + 1 == m->n_results);
	}
	if (m->error)
		check(m->error->code && m->error->outcome && m->error->message[0]);
	sidepool__v1__response__free_unpacked(m, NULL);
}

/* In memory of its own size, so that a byte too many is seen. */
void check_answer(struct answer_state *s, const struct output *o, const struct failure *f,
		  bool more)
{
	size_t n = output_packed_bytes(o, more), error_bytes;
	struct buf error = BUF_NULL;
	uint8_t *bytes, *at;

	check(!o->out_of_memory);
	if (f->code)
		check(failure_pack(f, &error) == 0);
	error_bytes = buf_len(&error);
	bytes = malloc(n + 1);
	check(bytes);
	at = output_pack(o, bytes, more);
	check(at == bytes + n);
	check_response(s, bytes, n);
	if (error_bytes > 0) {
		Sidepool__V1__Error *e =
			sidepool__v1__error__unpack(NULL, error_bytes, buf_at(&error));

		check(e && (int)e->code == (int)f->code && e->outcome);
		sidepool__v1__error__free_unpacked(e, NULL);
	}
	free(bytes);
	buf_deinit(&error);
}
