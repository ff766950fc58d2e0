/* SPDX-License-Identifier: MIT */
#pragma once
/* The events socket of the daemon: where it is, and that it stays usable. */

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

struct config;
struct publisher;

struct publishing {
	struct publisher *publisher; /* owned; NULL: nothing is published */
	uv_timer_t timer;
	bool broken; /* it could not be made anew, which was logged */
};

/*
 * `inherited` is the socket that clients connect to, if it came from systemd, else -1. Returns 0, also where nothing shall be published or,
 * by default, cannot be; -1 when what was asked for cannot be had, which has been logged.
 */
int publishing_init(struct publishing *p, uv_loop_t *loop, const struct config *config,
		    int inherited);

/* Where, or NULL. */
const char *publishing_url(const struct publishing *p);

void publishing_send(struct publishing *p, const void *topic, size_t topic_bytes, const void *body,
		     size_t body_bytes);

void publishing_configure(struct publishing *p, const struct config *config);

/* After it the loop has to run once more. */
void publishing_deinit(struct publishing *p);
