/* SPDX-License-Identifier: MIT */
#pragma once
/* Text that grows: the body of an answer. Once memory ran out nothing more is added. */

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/macro.h"

struct text {
	struct buf buf; /* owned */
	bool out_of_memory;
};

enum text_form {
	TEXT_JSON,  /* as it stands between the quotes of a JSON string */
	TEXT_LABEL, /* of a label's value in Prometheus' format */
};

void text_put(struct text *t, const char *format, ...) printf_like(2, 3);

/*
 * A string that others have chosen: escaped, and with U+FFFD for each byte that is not UTF-8,
 * which neither form may have.
 */
void text_escape(struct text *t, enum text_form form, const char *s);

void text_deinit(struct text *t);
