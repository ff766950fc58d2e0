/* SPDX-License-Identifier: MIT */
#pragma once
/* JSON, written as it goes. `name` is NULL for what stands in an array, or alone. */

#include <stdbool.h>
#include <stdint.h>

#include "http/text.h"

struct json {
	struct text *text; /* borrowed */
	bool follows;      /* something stands before it: a comma is due */
};

void json_open(struct json *j, const char *name, char bracket);
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *name, const char *value);
void json_uint(struct json *j, const char *name, uint64_t value);
void json_int(struct json *j, const char *name, int64_t value);
/* With a digit behind the point: percentages and milliseconds. */
void json_tenths(struct json *j, const char *name, double value);
void json_bool(struct json *j, const char *name, bool value);
