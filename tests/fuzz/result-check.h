/* SPDX-License-Identifier: MIT */
#pragma once
/* What an answer must be, read back by protobuf-c: a message whose packed rows add up. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct failure;
struct output;

/* What goes on in the next answer of a stream. */
struct answer_state {
	bool is_any; /* of a stream, of which is not known: only rows that come with columns */
	bool more;
	uint32_t index, set;
	size_t n_columns;
};

/* Packs what is there as a Response, and aborts where it is none. */
void check_answer(struct answer_state *state, const struct output *o, const struct failure *f,
		  bool more);

/* A Response that came by the wire; aborts where it is none. */
void check_response(struct answer_state *state, const uint8_t *bytes, size_t n);
