/* SPDX-License-Identifier: MIT */
#pragma once
/* From the first reply of statements to the last row. */

#include "ctl/ctl.h"

/*
 * Prints all results of request `id` and of the stream that it opens, the next chunks asked for
 * ahead. `sql` is shown with an error. Returns the exit status.
 */
int rows_print(struct ctl *ctl, uint32_t id, const char *sql);
