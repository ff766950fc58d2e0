/* SPDX-License-Identifier: MIT */
#pragma once
/* What the targets share. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run as a finding, also where NDEBUG is set. */
#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* An input that is read from its start; behind its end there are zeros. */
struct input {
	const uint8_t *at, *end;
};

static inline size_t input_left(const struct input *in)
{
	return (size_t)(in->end - in->at);
}

static inline uint8_t input_byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Up to `n` bytes, as many as there are. */
static inline const uint8_t *input_bytes(struct input *in, size_t n, size_t *ret_n)
{
	const uint8_t *from = in->at;

	*ret_n = n < input_left(in) ? n : input_left(in);
	in->at += *ret_n;
	return from;
}
