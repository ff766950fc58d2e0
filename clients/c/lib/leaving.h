/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Daemons that leave. One that drains refuses what is new with SHUTTING_DOWN and finishes what it
 * has: the handle makes another connection for what is new, while leases and streams live on over
 * the old one until the daemon closes it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct sidepool;

enum {
	LEAVING_MAX = 8, /* connections left behind; beyond it the program is told SHUTTING_DOWN */
};

struct leaving {
	struct connection *left[LEAVING_MAX]; /* owned */
	size_t count;
};

/*
 * The daemon at the other end of `c` leaves: nothing new goes there. What is queued waits for the
 * next connection unless it can go nowhere else. Returns false where that is impossible.
 */
bool leaving_begin(struct sidepool *sp, struct connection *c);

/* Forgets connections that were closed. */
void leaving_sweep(struct sidepool *sp);

/* Closes all of them; what they still had to send is queued with the rest. */
void leaving_deinit(struct sidepool *sp);
