/* SPDX-License-Identifier: MIT */
#pragma once
/* Making a connection clean for its next client. */

#include <stdbool.h>

struct pg_backend;
struct pg_task;

/*
 * Rolls back and resets what the finished task may have left. True: something has to be waited for,
 * and pg_backend_release() follows; false: the connection is clean as it is.
 */
bool pg_reset_begin(struct pg_backend *b, struct pg_task *task);
