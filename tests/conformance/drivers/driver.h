/* SPDX-License-Identifier: MIT */
/* The conformance driver of libsidepool: driver.c reads operations, operations.c carries them out,
 * answers.c makes JSON of replies. */
#pragma once

#include <stdint.h>

#include <jansson.h>
#include <sidepool.h>

/* A transaction or a session of the case. */
struct held {
	char name[32];
	struct sidepool_lease lease;
	int begins; /* a transaction, whose first statement takes the lease */
	int has;    /* it was taken */
};

/* A query that was sent and is waited for later. */
struct started {
	json_int_t step;
	uint32_t id;
};

struct driver {
	struct sidepool *sp;
	struct held held[8];
	struct started started[32];
	size_t n_held, n_started;
};

/* Carries `step` out. Returns {"ok": ...} or {"error": ...}, the caller's. */
json_t *driver_do(struct driver *d, json_t *step);

/* All of these return a new object, and free the reply. */
json_t *answer_empty(struct sidepool_reply *reply);
json_t *answer_error(const struct sidepool_error *error);
json_t *answer_affected(struct sidepool_reply *reply);
json_t *answer_submit(struct sidepool_reply *reply);

/* Waits for request `id`, and for the rest of its rows. */
json_t *answer_rows(struct sidepool *sp, uint32_t id);

/* The same for what was begun already. */
json_t *answer_batch(struct sidepool_reply *reply);
json_t *answer_stream(struct sidepool *sp, uint32_t id, json_int_t take);
json_t *answer_copy(struct sidepool *sp, uint32_t id);
