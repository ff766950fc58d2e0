/* SPDX-License-Identifier: MIT */
#pragma once
/* One result inside a reply. What it points to belongs to the reply, except the columns, which it
 * shares. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "columns.h"
#include "rows.h"

struct sidepool_error;

struct sidepool_result {
	struct columns *columns; /* shared; NULL: none */
	char *base;              /* the cells' offsets count from here */
	size_t rows_bytes;
	const struct cell *cells;
	uint32_t rows;
	uint8_t format;
	bool more;
	char *tag; /* NULL, or ends with a zero byte */
	size_t tag_bytes;
	uint64_t affected;
	uint64_t statement_id;
	uint64_t columns_id;
	uint32_t statement_index;
	uint32_t set_index;
	struct sidepool_error *error;   /* owned */
	struct sidepool_error *notices; /* owned, linked by their `next` */
};

void result_deinit(struct sidepool_result *r);
