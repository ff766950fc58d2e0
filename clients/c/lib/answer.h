/* SPDX-License-Identifier: MIT */
#pragma once
/* How requests end: with the daemon's answer, or with an error of the library's own. */

#include <stdbool.h>
#include <stddef.h>

#include "sidepool.h"

struct connection;
struct request;
struct sidepool;
struct sidepool_reply;

/* Ends `q` with an error of our own. */
void answer_error(struct sidepool *sp, struct request *q, int code, enum sidepool_outcome outcome,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * Ends `q`, which was sent on `c`, with the message of `len` bytes in `reply`, which it takes; or
 * queues it again where the daemon's word is that it did nothing and another try is due. Returns false where that is
 * not a Response: `q` has ended, and the connection is of no use.
 */
bool answer_message(struct sidepool *sp, struct connection *c, struct request *q,
		    struct sidepool_reply *reply, size_t len);

/*
 * The connection is gone with `code`: what was sent ends with an unknown outcome, what was not
 * waits for the next connection unless it belonged to this one.
 */
void answer_lost(struct sidepool *sp, struct connection *c, int code, const char *why);

/* It goes to another daemon than it was written for: without ids, which mean nothing there. */
void answer_rewrite(struct sidepool *sp, struct request *q);

/* Ends all that is queued, as not sent. */
void answer_queued(struct sidepool *sp, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
