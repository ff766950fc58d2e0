/* SPDX-License-Identifier: MIT */
/*
 * Field by field over protobuf-c's descriptors. Values are text as PostgreSQL would write them,
 * enums are their names without the prefix that they share, in lower case ("half-open"), and the
 * column's type tells numbers and booleans from texts.
 */
#include "table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_TEXT = 25,
};

static bool has_column(const ProtobufCFieldDescriptor *f)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return false;
	return f->label != PROTOBUF_C_LABEL_REPEATED || f->type == PROTOBUF_C_TYPE_STRING;
}

static uint32_t column_type(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return OID_BOOL;
	case PROTOBUF_C_TYPE_BYTES:
		return OID_BYTEA;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_ENUM:
		return OID_TEXT;
	default:
		return OID_INT8;
	}
}

static struct columns *make_columns(const ProtobufCMessageDescriptor *type)
{
	size_t n = 0, name_bytes = 0, i = 0;
	struct columns *c;
	char *names;

	for (unsigned f = 0; f < type->n_fields; f++) {
		if (!has_column(&type->fields[f]))
			continue;
		name_bytes += strlen(type->fields[f].name) + 1;
		n++;
	}
	c = columns_new(n, name_bytes, &names);
	for (unsigned f = 0; c && f < type->n_fields; f++) {
		if (!has_column(&type->fields[f]))
			continue;
		c->column[i].name = names;
		c->column[i].type = column_type(&type->fields[f]);
		c->column[i++].modifier = -1;
		names = stpcpy(names, type->fields[f].name) + 1;
	}
	return c;
}

/* Behind the longest prefix that ends in '_' and begins the zero's name:
 * "BREAKER_STATE_UNSPECIFIED". */
static const char *enum_name(const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(type, 0);
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(type, value);
	const char *unspecified;
	size_t prefix;

	if (!v || !zero || value == 0)
		return "";
	unspecified = strstr(zero->name, "UNSPECIFIED");
	prefix = unspecified ? (size_t)(unspecified - zero->name) : 0;
	return strncmp(v->name, zero->name, prefix) == 0 ? v->name + prefix : v->name;
}

static void put_enum(struct bytes *b, const ProtobufCEnumDescriptor *type, int value)
{
	for (const char *c = enum_name(type, value); *c; c++)
		bytes_put_byte(b, *c == '_' ? '-' : (uint8_t)tolower((unsigned char)*c));
}

static void put_number(struct bytes *b, const ProtobufCFieldDescriptor *f, const void *at)
{
	char text[24];
	int n;

	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		n = snprintf(text, sizeof(text), "%" PRIu64, *(const uint64_t *)at);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		n = snprintf(text, sizeof(text), "%" PRId64, *(const int64_t *)at);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		n = snprintf(text, sizeof(text), "%" PRIu32, *(const uint32_t *)at);
		break;
	default:
		n = snprintf(text, sizeof(text), "%" PRId32, *(const int32_t *)at);
		break;
	}
	bytes_put(b, text, (size_t)n);
}

static void put_joined(struct bytes *b, size_t n, char *const *texts)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			bytes_put(b, ", ", 2);
		bytes_put(b, texts[i], strlen(texts[i]));
	}
}

static void put_field(struct bytes *b, const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m)
{
	const void *at = (const char *)m + f->offset;
	const ProtobufCBinaryData *data = at;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		put_joined(b,
			   *(const size_t *)(const void *)((const char *)m + f->quantifier_offset),
			   *(char *const *const *)at);
		return;
	}
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		put_joined(b, 1, (char *const *)at);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		bytes_put(b, data->data, data->len);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		bytes_put_byte(b, *(const protobuf_c_boolean *)at ? 't' : 'f');
		break;
	case PROTOBUF_C_TYPE_ENUM:
		put_enum(b, f->descriptor, *(const int *)at);
		break;
	default:
		put_number(b, f, at);
		break;
	}
}

static void end_cell(struct table *t, size_t begin)
{
	struct cell cell = { .offset = (uint32_t)begin, .length = (int32_t)(t->text.len - begin) };

	bytes_put(&t->cells, &cell, sizeof(cell));
	bytes_put_byte(&t->text, '\0');
}

static void put_row(struct table *t, const ProtobufCMessage *m)
{
	for (unsigned f = 0; f < m->descriptor->n_fields; f++) {
		const ProtobufCFieldDescriptor *field = &m->descriptor->fields[f];
		size_t begin = t->text.len;

		if (!has_column(field))
			continue;
		put_field(&t->text, field, m);
		end_cell(t, begin);
	}
}

static struct table *finish(struct table *t, size_t rows)
{
	if (!t->result.columns || t->text.failed || t->cells.failed)
		return table_free(t);
	t->result.base = (char *)t->text.data;
	t->result.cells = (const struct cell *)(void *)t->cells.data;
	t->result.rows = (uint32_t)rows;
	return t;
}

struct table *table_of_messages(const ProtobufCMessageDescriptor *type, size_t n,
				ProtobufCMessage *const *messages)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->result.columns = make_columns(type);
	for (size_t i = 0; i < n; i++)
		put_row(t, messages[i]);
	return finish(t, n);
}

struct table *table_of_message(const ProtobufCMessage *message)
{
	ProtobufCMessage *one;

	memcpy(&one, &message, sizeof(ProtobufCMessage *));
	return table_of_messages(message->descriptor, 1, &one);
}

struct table *table_of_texts(const char *column, size_t n, char *const *texts)
{
	struct table *t = calloc(1, sizeof(*t));
	char *name;

	if (!t)
		return NULL;
	t->result.columns = columns_new(1, strlen(column) + 1, &name);
	if (t->result.columns) {
		t->result.columns->column[0] =
			(struct column){ .name = name, .type = OID_TEXT, .modifier = -1 };
		strcpy(name, column);
	}
	for (size_t i = 0; i < n; i++) {
		size_t begin = t->text.len;

		put_joined(&t->text, 1, &texts[i]);
		end_cell(t, begin);
	}
	return finish(t, n);
}

struct table *table_free(struct table *t)
{
	if (!t)
		return NULL;
	columns_unref(t->result.columns);
	bytes_deinit(&t->text);
	bytes_deinit(&t->cells);
	free(t);
	return NULL;
}
