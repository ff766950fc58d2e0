/* SPDX-License-Identifier: MIT */
/*
 * A plan is read byte by byte: which field, then its value. A message ends where a byte says so,
 * or its room does. A field may come twice, with a wire type that is not its own, or be none of the
 * message's.
 */
#include "shape.h"

#include <stdbool.h>
#include <string.h>

enum {
	DEPTH_MOST = 6,
	END = 0xff, /* in place of a field */
	ODD = 0xfe, /* bytes as they are */
	ODD_BYTES = 12,
	HUGE = 0xff, /* in place of a number that fits a byte */
	FIXED_MOST_BYTES = 8,
	/* A tag, a length, and what the largest value needs besides. */
	MARGIN_BYTES = 32,
	LENGTH_BYTES = 2, /* of a message within a message: a varint with room to spare */
	STRING_MOST_BYTES = 120,
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5,
};

struct shaping {
	struct input *plan;
	uint8_t *at, *end;
};

static bool has_room(const struct shaping *s, size_t n)
{
	return (size_t)(s->end - s->at) >= n + MARGIN_BYTES;
}

static void put_varint(struct shaping *s, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*s->at++ = (uint8_t)(v | 0x80);
	*s->at++ = (uint8_t)v;
}

static void put_tag(struct shaping *s, uint32_t field, unsigned wire)
{
	put_varint(s, (uint64_t)field << 3 | wire);
}

static void put_bytes(struct shaping *s, size_t most)
{
	size_t n;
	const uint8_t *bytes = input_bytes(s->plan, most, &n);

	memcpy(s->at, bytes, n);
	s->at += n;
}

/* Small as it is; or of eight bytes, as much as there is. */
static uint64_t number(struct shaping *s)
{
	uint8_t small = input_byte(s->plan);
	uint64_t v = 0;
	size_t n;
	const uint8_t *bytes;

	if (small != HUGE)
		return small;
	bytes = input_bytes(s->plan, sizeof(v), &n);
	memcpy(&v, bytes, n);
	return v;
}

static void put_fixed(struct shaping *s, uint32_t field, size_t n)
{
	uint64_t v = number(s);

	put_tag(s, field, n == FIXED_MOST_BYTES ? WIRE_64 : WIRE_32);
	memcpy(s->at, &v, n);
	s->at += n;
}

static void put_string(struct shaping *s, uint32_t field)
{
	size_t n = input_byte(s->plan);

	n = n < STRING_MOST_BYTES ? n : STRING_MOST_BYTES;
	n = n < input_left(s->plan) ? n : input_left(s->plan);
	put_tag(s, field, WIRE_BYTES);
	put_varint(s, n);
	put_bytes(s, n);
}

static void put_fields(struct shaping *s, const ProtobufCMessageDescriptor *of, unsigned depth);

static void put_message(struct shaping *s, const ProtobufCFieldDescriptor *f, unsigned depth)
{
	uint8_t *length;
	size_t n;

	put_tag(s, f->id, WIRE_BYTES);
	length = s->at;
	s->at += LENGTH_BYTES;
	if (depth < DEPTH_MOST)
		put_fields(s, f->descriptor, depth + 1);
	n = (size_t)(s->at - length) - LENGTH_BYTES;
	length[0] = (uint8_t)(n | 0x80);
	length[1] = (uint8_t)(n >> 7);
}

/* Numbers one behind the other, as repeated ones may be sent. */
static void put_packed(struct shaping *s, uint32_t field)
{
	size_t n = input_byte(s->plan) % 16;

	n = n < input_left(s->plan) ? n : input_left(s->plan);
	put_tag(s, field, WIRE_BYTES);
	put_varint(s, n);
	put_bytes(s, n);
}

static void put_field(struct shaping *s, const ProtobufCFieldDescriptor *f, bool packed,
		      unsigned depth)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		put_message(s, f, depth);
		break;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
		put_string(s, f->id);
		break;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		put_fixed(s, f->id, FIXED_MOST_BYTES / 2);
		break;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		put_fixed(s, f->id, FIXED_MOST_BYTES);
		break;
	default:
		if (packed && f->label == PROTOBUF_C_LABEL_REPEATED) {
			put_packed(s, f->id);
			break;
		}
		put_tag(s, f->id, WIRE_VARINT);
		put_varint(s, number(s));
	}
}

static void put_fields(struct shaping *s, const ProtobufCMessageDescriptor *of, unsigned depth)
{
	unsigned which;

	while (input_left(s->plan) > 0 && has_room(s, STRING_MOST_BYTES)) {
		which = input_byte(s->plan);
		if (which == END)
			return;
		if (which == ODD)
			put_bytes(s, ODD_BYTES);
		else if (of->n_fields > 0)
			put_field(s, &of->fields[which % of->n_fields], which >= 0x80, depth);
	}
}

size_t shape(uint8_t out[SHAPED_MOST_BYTES], const ProtobufCMessageDescriptor *of,
	     struct input *plan)
{
	struct shaping s = { plan, out, out + SHAPED_MOST_BYTES };

	put_fields(&s, of, 0);
	return (size_t)(s.at - out);
}
