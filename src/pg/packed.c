/* SPDX-License-Identifier: MIT */
/*
 * Each value is a little-endian 32 bit length and its bytes; the length of NULL is -1. libpq wants
 * text parameters terminated by a zero byte and has no length for them, so the byte behind a text
 * value is overwritten while libpq copies it: it is the first byte of the next length, which has
 * been read by then, or the byte that the request's memory has to spare behind its last value.
 */
#include "pg/packed.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pg/conn.h"
#include "pg/text.h"
#include "util/buf.h"
#include "util/error.h"

enum {
	LENGTH_BYTES = 4,
};

/* A message without parameters has no place for them, and no arithmetic is allowed on that. */
static uint8_t *params_of(const struct pg_statement *s)
{
	static uint8_t nothing;

	return s->params ? s->params : &nothing;
}

static int32_t read_length(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return (int32_t)le32toh(v);
}

static bool is_text(const struct pg_statement *s, uint32_t i)
{
	return s->n_formats == 0 || s->formats[s->n_formats == 1 ? 0 : i] == 0;
}

int pg_params_check(const struct pg_statement *s)
{
	const uint8_t *at = params_of(s), *end = at + s->params_bytes;
	int32_t length;

	if (s->n_formats > 1 && s->n_formats != s->n_params)
		return PG_CALL_E_PARAMETERS;
	for (uint64_t i = 0; i < (uint64_t)s->n_sets * s->n_params; i++) {
		if (end - at < LENGTH_BYTES)
			return PG_CALL_E_PARAMETERS;
		length = read_length(at);
		at += LENGTH_BYTES;
		if (length < -1 || (length > 0 && end - at < length))
			return PG_CALL_E_PARAMETERS;
		if (length <= 0)
			continue;
		if (is_text(s, (uint32_t)(i % s->n_params)) && memchr(at, 0, (size_t)length))
			return PG_CALL_E_PARAMETERS;
		at += length;
	}
	return at == end ? 0 : PG_CALL_E_PARAMETERS;
}

/* Four arrays in one piece, on the stack where they fit. */
static int allocate(struct pg_params *p, uint32_t n)
{
	size_t each =
		sizeof(*p->values) + sizeof(*p->lengths) + sizeof(*p->formats) + sizeof(*p->types);
	char *memory = p->small;

	if (n * each > sizeof(p->small)) {
		memory = p->memory = malloc(n * each);
		if (!memory)
			return err_raise(-ENOMEM);
	}
	p->values = (const char **)(void *)memory;
	p->lengths = (int *)(p->values + n);
	p->formats = p->lengths + n;
	p->types = (uint32_t *)(p->formats + n);
	return 0;
}

static void set_types(struct pg_params *p, const struct pg_text *t)
{
	if (t->n_types == 0) {
		p->types = NULL;
		return;
	}
	for (uint32_t i = 0; i < p->n; i++)
		p->types[i] = i < t->n_types ? t->types[i] : 0;
}

int pg_params_init(struct pg_params *p, const struct pg_statement *s)
{
	int r;

	p->memory = NULL;
	if (s->n_params > UINT16_MAX)
		return PG_CALL_E_PARAMETERS;
	r = pg_params_check(s);
	if (r != 0)
		return r;
	p->n = s->n_params;
	p->at = params_of(s);
	p->end = p->at + s->params_bytes;
	p->next_length = p->at < p->end ? read_length(p->at) : 0;
	r = allocate(p, p->n);
	if (r < 0)
		return err_forward(r);
	for (uint32_t i = 0; i < p->n; i++)
		p->formats[i] = is_text(s, i) ? 0 : 1;
	if (s->n_formats == 0)
		p->formats = NULL;
	set_types(p, s->text);
	return 0;
}

void pg_params_next(struct pg_params *p)
{
	int32_t length;

	for (uint32_t i = 0; i < p->n; i++) {
		length = p->next_length;
		p->at += LENGTH_BYTES;
		p->values[i] = length < 0 ? NULL : (const char *)p->at;
		p->lengths[i] = length < 0 ? 0 : length;
		p->at += p->lengths[i];
		p->next_length = p->at < p->end ? read_length(p->at) : 0;
		*p->at = '\0';
	}
}

void pg_params_restore(struct pg_params *p)
{
	int32_t behind = p->next_length;
	uint8_t *at = p->at;

	for (uint32_t i = p->n; i-- > 0;) {
		*at = (uint8_t)behind;
		at -= p->lengths[i] + LENGTH_BYTES;
		behind = p->values[i] ? p->lengths[i] : -1;
	}
}

void pg_params_deinit(struct pg_params *p)
{
	free(p->memory);
	p->memory = NULL;
}

/* The first and the last `part` of `n` bytes, which may be some of them twice. */
static inline void copy_ends(uint8_t *out, const char *value, size_t n, size_t part)
{
	memcpy(out, value, part);
	memcpy(out + n - part, value + n - part, part);
}

/* Most values are short, and for these a call of memcpy() takes longer than what it does. */
static void copy_value(uint8_t *out, const char *value, size_t n)
{
	if (n > 16)
		memcpy(out, value, n);
	else if (n >= 8)
		copy_ends(out, value, n, 8);
	else if (n >= 4)
		copy_ends(out, value, n, 4);
	else
		for (size_t i = 0; i < n; i++)
			out[i] = (uint8_t)value[i];
}

static uint8_t *pack_value(uint8_t *out, const struct pg_result *result, int row, int column)
{
	int length = PQgetlength(result, row, column);
	uint32_t prefix = htole32((uint32_t)length);

	if (length == 0 && PQgetisnull(result, row, column)) {
		memset(out, 0xff, LENGTH_BYTES);
		return out + LENGTH_BYTES;
	}
	memcpy(out, &prefix, LENGTH_BYTES);
	copy_value(out + LENGTH_BYTES, PQgetvalue(result, row, column), (size_t)length);
	return out + LENGTH_BYTES + length;
}

int pg_pack_rows(struct buf *out, const struct pg_result *result)
{
	int rows = PQntuples(result), columns = PQnfields(result);
	/* libpq tells at once what it has for them: to add up the values takes as long as to copy them. */
	size_t most = PQresultMemorySize(result) + (size_t)rows * (size_t)columns * LENGTH_BYTES;
	uint8_t *from = buf_reserve(out, most), *at = from;

	if (!from)
		return err_raise(-ENOMEM);
	for (int row = 0; row < rows; row++)
		for (int column = 0; column < columns; column++)
			at = pack_value(at, result, row, column);
	buf_added(out, (size_t)(at - from));
	return rows;
}
