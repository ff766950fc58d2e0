/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A protobuf writer for the answers that are made at every request, and to Hello: fields go straight
 * into the output, in one pass. Everything else uses protobuf-c.
 * https://protobuf.dev/programming-guides/encoding/ Fields that have their default value are left
 * out, as proto3 wants it.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	PB_VARINT_MAX = 10,
	PB_TAG_MAX = 2, /* field numbers up to 2047 */
};

enum pb_wire_type {
	PB_WIRE_VARINT = 0,
	PB_WIRE_BYTES = 2,
};

static inline size_t pb_varint_bytes(uint64_t v)
{
	return (size_t)(9 * (64 - __builtin_clzll(v | 1)) + 64) / 64;
}

static inline uint8_t *pb_varint(uint8_t *out, uint64_t v)
{
	while (v >= 0x80) {
		*out++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*out++ = (uint8_t)v;
	return out;
}

static inline uint8_t *pb_tag(uint8_t *out, uint32_t field, enum pb_wire_type type)
{
	return pb_varint(out, (uint64_t)field << 3 | type);
}

static inline size_t pb_tag_bytes(uint32_t field)
{
	return pb_varint_bytes((uint64_t)field << 3);
}

static inline uint8_t *pb_uint(uint8_t *out, uint32_t field, uint64_t v)
{
	return v == 0 ? out : pb_varint(pb_tag(out, field, PB_WIRE_VARINT), v);
}

static inline size_t pb_uint_bytes(uint32_t field, uint64_t v)
{
	return v == 0 ? 0 : pb_tag_bytes(field) + pb_varint_bytes(v);
}

static inline uint64_t pb_zigzag(int32_t v)
{
	return (uint32_t)((uint32_t)v << 1 ^ (uint32_t)(v >> 31));
}

/* The head of a length-delimited field, also of an empty one. */
static inline uint8_t *pb_head(uint8_t *out, uint32_t field, size_t n)
{
	return pb_varint(pb_tag(out, field, PB_WIRE_BYTES), n);
}

static inline size_t pb_head_bytes(uint32_t field, size_t n)
{
	return pb_tag_bytes(field) + pb_varint_bytes(n);
}

static inline uint8_t *pb_bytes(uint8_t *out, uint32_t field, const void *data, size_t n)
{
	if (n == 0)
		return out;
	out = pb_head(out, field, n);
	memcpy(out, data, n);
	return out + n;
}

static inline size_t pb_bytes_bytes(uint32_t field, size_t n)
{
	return n == 0 ? 0 : pb_head_bytes(field, n) + n;
}
