/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Protobuf's wire format, written and read in place. protobuf-c serves for messages that are rare;
 * the ones that every request and every row goes through must neither allocate nor copy, which it
 * does for each field. https://protobuf.dev/programming-guides/encoding/
 */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum pb_type {
	PB_VARINT = 0,
	PB_FIXED64 = 1,
	PB_BLOB = 2,
	PB_FIXED32 = 5,
};

/* ---- writing: proto3, so a zero is left out ---- */

void pb_long_varint(struct bytes *b, uint64_t value);

static inline void pb_varint(struct bytes *b, uint64_t value)
{
	if (value < 0x80)
		bytes_put_byte(b, (uint8_t)value);
	else
		pb_long_varint(b, value);
}

static inline void pb_tag(struct bytes *b, uint32_t field, enum pb_type type)
{
	pb_varint(b, (uint64_t)field << 3 | type);
}

static inline void pb_uint(struct bytes *b, uint32_t field, uint64_t value)
{
	if (value == 0)
		return;
	pb_tag(b, field, PB_VARINT);
	pb_varint(b, value);
}

static inline void pb_blob(struct bytes *b, uint32_t field, const void *data, size_t len)
{
	if (len == 0)
		return;
	pb_tag(b, field, PB_BLOB);
	pb_varint(b, len);
	bytes_put(b, data, len);
}

static inline void pb_text(struct bytes *b, uint32_t field, const char *text)
{
	if (text)
		pb_blob(b, field, text, strlen(text));
}

/* A message as field, also when it is empty: that it is there is what a oneof says. */
void pb_message(struct bytes *b, uint32_t field, const ProtobufCMessage *message);

/* A field whose length is known at its end: pb_close() gets what pb_open() returned. `expected`
 * saves moving. */
size_t pb_open(struct bytes *b, uint32_t field, size_t expected);
void pb_close(struct bytes *b, size_t open);

/* ---- reading ---- */

struct pb_reader {
	uint8_t *at;
	uint8_t *end;
	bool failed; /* the message ended inside a field, or has a wire type that does not exist */
};

struct pb_field {
	uint32_t number;
	enum pb_type type;
	uint64_t value; /* varint or fixed */
	uint8_t *data;  /* blob: inside the message */
	size_t len;
};

static inline struct pb_reader pb_read(uint8_t *data, size_t len)
{
	return (struct pb_reader){ .at = data, .end = data + len };
}

/* The next field; false at the end and on failure. */
bool pb_next(struct pb_reader *r, struct pb_field *ret_field);

/* -1, 1, -2 ... of sint32. */
static inline int32_t pb_zigzag(uint64_t value)
{
	return (int32_t)((uint32_t)value >> 1) ^ -(int32_t)(value & 1);
}
