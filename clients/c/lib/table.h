/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Messages about the daemon itself as results: a row for each message, a column for each field of
 * the message type, so that a field that the daemon gains shows up here without a word of code.
 */

#include <protobuf-c/protobuf-c.h>

#include "result.h"

struct table {
	struct sidepool_result result;
	struct bytes text;  /* owned */
	struct bytes cells; /* owned */
};

/* Fields that are messages have no column; repeated texts are joined by ", ". NULL without memory.
 */
struct table *table_of_messages(const ProtobufCMessageDescriptor *type, size_t n,
				ProtobufCMessage *const *messages);
struct table *table_of_message(const ProtobufCMessage *message);

/* One column, a row for each text. NULL without memory. */
struct table *table_of_texts(const char *column, size_t n, char *const *texts);

/* Gives the result away; the table stays its memory. */
struct table *table_free(struct table *t);
