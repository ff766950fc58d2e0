/* SPDX-License-Identifier: MIT */
/*
 * What a hostile client can put into a message, up to where PostgreSQL would get it: the protobuf
 * decoder with the daemon's own allocator, the scanner of SQL, the check of packed parameters, and
 * libpq's view of them. An input that begins with SHAPED is the plan of a message, any other is one.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "pg/classify.h"
#include "pg/conn.h"
#include "pg/packed.h"
#include "pg/text.h"
#include "shape.h"
#include "sidepool/v1/rpc.pb-c.h"
#include "util/arena.h"
#include "util/macro.h"

static void *alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n + 1);
}

static void no_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

/* Every value must lie within the parameters, and a text must end where its length says. */
static void walk_parameters(const struct pg_statement *s)
{
	struct pg_params p;

	if (pg_params_init(&p, s) != 0)
		return;
	for (uint32_t set = 0; set < s->n_sets && set < 1000; set++) {
		pg_params_next(&p);
		for (uint32_t i = 0; i < s->n_params; i++) {
			if (!p.values[i])
				continue;
			check((const uint8_t *)p.values[i] >= s->params);
			check((const uint8_t *)p.values[i] + p.lengths[i] <=
			      s->params + s->params_bytes);
			if (!p.formats || p.formats[i] == 0)
				check(strlen(p.values[i]) == (size_t)p.lengths[i]);
		}
	}
	pg_params_deinit(&p);
}

static void take_statement(const Sidepool__V1__Statement *m)
{
	struct pg_text text = { .n_types = 0 };
	struct pg_statement s = {
		.text = &text,
		.n_params = m->parameter_count,
		.formats = m->parameter_formats,
		.n_formats = (uint32_t)m->n_parameter_formats,
		.params = m->parameters.data,
		.params_bytes = m->parameters.len,
		.n_sets = m->parameter_sets ? MIN(m->parameter_sets, 1000000U) : 1,
	};
	struct pg_class class = pg_classify((const char *)m->sql.data, m->sql.len);

	/* What may share a connection must leave nothing behind. */
	check(!class.simple_read || (class.touch == 0 && !class.session_word));
	if (m->parameter_count <= 65535)
		walk_parameters(&s);
}

static void take_statements(const Sidepool__V1__Request *m)
{
	switch (m->kind_case) {
	case SIDEPOOL__V1__REQUEST__KIND_QUERY:
		if (m->query->statement)
			take_statement(m->query->statement);
		break;
	case SIDEPOOL__V1__REQUEST__KIND_BATCH:
		for (size_t i = 0; i < m->batch->n_statements; i++)
			take_statement(m->batch->statements[i]);
		break;
	case SIDEPOOL__V1__REQUEST__KIND_SUBMIT:
		for (size_t i = 0; i < m->submit->n_statements; i++)
			take_statement(m->submit->statements[i]);
		break;
	default:
		break;
	}
}

static void decode(const uint8_t *data, size_t size)
{
	struct arena arena;
	ProtobufCAllocator allocator = { .alloc = alloc,
					 .free = no_free,
					 .allocator_data = &arena };
	Sidepool__V1__Request *m;

	arena_init(&arena, 0);
	m = sidepool__v1__request__unpack(&allocator, size, data);
	if (m)
		take_statements(m);
	arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input plan = { data + 1, data + size };
	uint8_t shaped[SHAPED_MOST_BYTES], *exact;
	size_t n;

	if (size == 0 || data[0] != SHAPED) {
		decode(data, size);
		/* The message as bare SQL: most inputs are no protobuf. */
		(void)pg_classify((const char *)data, size);
		return 0;
	}
	n = shape(shaped, &sidepool__v1__request__descriptor, &plan);
	exact = malloc(n + 1); /* of its own size, so that a byte too many is seen */
	check(exact);
	memcpy(exact, shaped, n);
	decode(exact, n);
	free(exact);
	return 0;
}
