/* SPDX-License-Identifier: MIT */
/*
 * The daemon sends columns once for a statement and from then on only their id, so they outlive the
 * reply that brought them. References are counted without atomics: everything that came from a
 * handle belongs to one thread at a time.
 */
#include "columns.h"

#include <stdlib.h>

#include "proto-fields.h"

struct columns *columns_new(size_t count, size_t name_bytes, char **ret_names)
{
	struct columns *c;
	size_t size = sizeof(*c) + count * sizeof(c->column[0]);

	c = calloc(1, size + name_bytes);
	if (!c)
		return NULL;
	c->refs = 1;
	c->count = count;
	*ret_names = (char *)c + size;
	return c;
}

/* Counts columns and the bytes of their names. */
static bool measure(struct pb_reader r, size_t *ret_count, size_t *ret_name_bytes)
{
	struct pb_field f, g;

	*ret_count = *ret_name_bytes = 0;
	while (pb_next(&r, &f)) {
		struct pb_reader column = pb_read(f.data, f.len);
		size_t name = 0;

		if (f.number != RESULT_COLUMNS)
			continue;
		if (f.type != PB_BLOB)
			return false;
		while (pb_next(&column, &g))
			name = g.number == COLUMN_NAME ? g.len : name;
		if (column.failed)
			return false;
		*ret_name_bytes += name + 1;
		(*ret_count)++;
	}
	return !r.failed;
}

/* Returns where the next column's name goes: the room is what measure() counted. */
static char *parse_column(struct column *column, struct pb_reader r, char *names)
{
	struct pb_field f, name = { .len = 0 };

	column->name = names;
	while (pb_next(&r, &f)) {
		switch (f.number) {
		case COLUMN_NAME:
			name = f;
			break;
		case COLUMN_TYPE_OID:
			column->type = (uint32_t)f.value;
			break;
		case COLUMN_TYPE_MODIFIER:
			column->modifier = pb_zigzag(f.value);
			break;
		case COLUMN_TABLE_OID:
			column->table = (uint32_t)f.value;
			break;
		case COLUMN_COLUMN_NUMBER:
			column->number = (uint32_t)f.value;
			break;
		case COLUMN_TYPE_BYTES:
			column->size = pb_zigzag(f.value);
			break;
		default:
			break;
		}
	}
	if (name.len > 0)
		memcpy(names, name.data, name.len);
	names[name.len] = '\0';
	return names + name.len + 1;
}

struct columns *columns_parse(struct pb_reader result, bool *ret_malformed)
{
	size_t count, name_bytes, i = 0;
	struct columns *c;
	struct pb_field f;
	char *names;

	*ret_malformed = !measure(result, &count, &name_bytes);
	if (*ret_malformed)
		return NULL;
	c = columns_new(count, name_bytes, &names);
	if (!c)
		return NULL;
	while (pb_next(&result, &f))
		if (f.number == RESULT_COLUMNS)
			names = parse_column(&c->column[i++], pb_read(f.data, f.len), names);
	return c;
}

struct columns *columns_ref(struct columns *c)
{
	if (c)
		c->refs++;
	return c;
}

struct columns *columns_unref(struct columns *c)
{
	if (c && --c->refs == 0)
		free(c);
	return NULL;
}
