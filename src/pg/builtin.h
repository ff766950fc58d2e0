/* SPDX-License-Identifier: MIT */
#pragma once
/* Names that are known to leave nothing behind in a session. */

#include <stdbool.h>

/*
 * Whether `name` (lower case) before a parenthesis is SQL's own syntax or a function that is known
 * to be harmless.
 */
bool pg_is_builtin(const char *name);
