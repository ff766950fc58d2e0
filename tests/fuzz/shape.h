/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Any message of the contract, from any bytes: what a mutation changes is a field and its value,
 * and the lengths around it fit. The descriptors of protobuf-c say what there is.
 */

#include <protobuf-c/protobuf-c.h>

#include "fuzz.h"

enum {
	SHAPED_MOST_BYTES = 4096,
	SHAPED =
		0xff, /* as the first byte of an input: no message begins with it, as it is no tag */
};

/* Writes a message, and reads the plan of it. Returns its length. */
size_t shape(uint8_t out[SHAPED_MOST_BYTES], const ProtobufCMessageDescriptor *of,
	     struct input *plan);
