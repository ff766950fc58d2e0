/* SPDX-License-Identifier: MIT */
#pragma once
/* The columns of a result: one block of memory, shared by every reply that has the same. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pb.h"

struct column {
	const char *name; /* in the same block */
	uint32_t type;
	uint32_t table;
	uint32_t number;
	int32_t modifier;
	int32_t size;
};

struct columns {
	unsigned refs;
	uint64_t id; /* Result.columns_id; 0: none */
	size_t count;
	struct column column[];
};

/*
 * Room for `count` columns whose names take `name_bytes` with their zero bytes. *ret_names is where
 * the names go. NULL without memory.
 */
struct columns *columns_new(size_t count, size_t name_bytes, char **ret_names);

/* From the fields 1 (Column) of a Result. NULL without memory or where they are malformed:
 * *ret_malformed tells. */
struct columns *columns_parse(struct pb_reader result, bool *ret_malformed);

struct columns *columns_ref(struct columns *c);
struct columns *columns_unref(struct columns *c);
