/* SPDX-License-Identifier: MIT */
/*
 * The reader never looks beyond `end` and gives lengths only that lie inside the message; what a
 * field means is checked by whoever asked for it. Unknown fields come out as any other: the caller
 * passes over them, as proto3 wants.
 */
#include "pb.h"

void pb_long_varint(struct bytes *b, uint64_t value)
{
	uint8_t *at;

	if (!bytes_reserve(b, 10))
		return;
	at = b->data + b->len;
	while (value >= 0x80) {
		*at++ = (uint8_t)value | 0x80;
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	b->len = (size_t)(at - b->data);
}

void pb_message(struct bytes *b, uint32_t field, const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);

	pb_tag(b, field, PB_BLOB);
	pb_varint(b, len);
	if (!bytes_reserve(b, len))
		return;
	b->len += protobuf_c_message_pack(message, b->data + b->len);
}

static size_t varint_len(uint64_t value)
{
	size_t len = 1;

	while (value >= 0x80) {
		value >>= 7;
		len++;
	}
	return len;
}

/* The gap for the length stands behind the tag; its width is in the low bits of what is returned, 1
 * to 10. */
size_t pb_open(struct bytes *b, uint32_t field, size_t expected)
{
	size_t gap = varint_len(expected);

	pb_tag(b, field, PB_BLOB);
	if (bytes_reserve(b, gap))
		b->len += gap;
	return b->len << 4 | gap;
}

void pb_close(struct bytes *b, size_t open)
{
	size_t gap = open & 15;
	size_t body = open >> 4;
	size_t len, width, end;

	if (b->failed)
		return;
	len = b->len - body;
	width = varint_len(len);
	if (width != gap) {
		if (!bytes_reserve(b, width))
			return;
		memmove(b->data + body - gap + width, b->data + body, len);
	}
	end = body - gap + width + len;
	b->len = body - gap;
	pb_varint(b, len);
	b->len = end;
}

static bool read_long_varint(struct pb_reader *r, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (r->at == r->end)
			break;
		byte = *r->at++;
		value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	r->failed = true;
	return false;
}

/* Tags, lengths and most numbers are one byte. */
static inline bool read_varint(struct pb_reader *r, uint64_t *ret_value)
{
	if (r->at == r->end || *r->at >= 0x80)
		return read_long_varint(r, ret_value);
	*ret_value = *r->at++;
	return true;
}

static bool read_fixed(struct pb_reader *r, size_t n, uint64_t *ret_value)
{
	uint64_t value = 0;

	if ((size_t)(r->end - r->at) < n) {
		r->failed = true;
		return false;
	}
	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)r->at[i] << (8 * i);
	r->at += n;
	*ret_value = value;
	return true;
}

static bool read_blob(struct pb_reader *r, struct pb_field *f)
{
	uint64_t len;

	if (!read_varint(r, &len))
		return false;
	if (len > (size_t)(r->end - r->at)) {
		r->failed = true;
		return false;
	}
	f->data = r->at;
	f->len = (size_t)len;
	r->at += len;
	return true;
}

bool pb_next(struct pb_reader *r, struct pb_field *f)
{
	uint64_t tag;

	if (r->failed || r->at == r->end || !read_varint(r, &tag))
		return false;
	f->number = (uint32_t)(tag >> 3);
	f->type = (enum pb_type)(tag & 7);
	f->data = NULL;
	f->value = f->len = 0;
	switch (f->type) {
	case PB_VARINT:
		return read_varint(r, &f->value);
	case PB_FIXED64:
		return read_fixed(r, 8, &f->value);
	case PB_FIXED32:
		return read_fixed(r, 4, &f->value);
	case PB_BLOB:
		return read_blob(r, f);
	default:
		r->failed = true;
		return false;
	}
}
