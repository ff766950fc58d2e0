/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Answers that are kept for a while, so that a repeated request is answered without being run
 * again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "util/macro.h"

struct idempotency;
struct idempotency_table;
struct request;

int idempotency_new(struct idempotency_table **ret_table, uv_loop_t *loop);
/* Ends with the loop's next turn. */
struct idempotency_table *idempotency_free(struct idempotency_table *t);

/*
 * True: the request is the first with its key (or has none) and shall run. False: it was answered,
 * waits for the first one's answer, or was refused because the key belongs to another request.
 */
bool idempotency_admit(struct request *r);

/* The answer of the first one. `body` NULL: there is none to keep. */
void idempotency_answered(struct request *r, const uint8_t *body, size_t len);

/* The request does not wait any more. */
void idempotency_forget(struct request *r);
