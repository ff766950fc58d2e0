/* SPDX-License-Identifier: MIT */
#pragma once
/* From queued requests to the socket: many in one system call, none of them copied. */

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct list;
struct request;
struct sidepool;

enum {
	OUTBOX_E_FULL = 1, /* the socket takes no more now */
};

/*
 * Sends the requests of `queue` in order; those that are out go to the sent list, those whose time
 * is up or that are longer than the daemon takes end as not sent. Returns 0 when nothing is left,
 * OUTBOX_E_FULL, or a negative errno that ends the connection.
 */
int outbox_flush(struct sidepool *sp, struct connection *c, struct list *queue);

/*
 * Nobody waits for `q` any more. If a part of it is out, the rest has to follow: what comes behind
 * it would be taken for it. Returns whether that is so; the daemon will answer it then.
 */
bool outbox_keep_rest(struct sidepool *sp, struct request *q);
