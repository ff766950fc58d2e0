/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the service manager hears of us (sd_notify(3)): ready, reloading, stopping, a status line,
 * and that the loop turns.
 */

#include <stddef.h>

#include <uv.h>

#include "util/macro.h"

/* Writes the status line. */
typedef void (*service_status_fn)(void *userdata, char *text, size_t size);

struct service {
	uv_timer_t status_timer;
	uv_timer_t watchdog_timer;
	service_status_fn status;
	void *userdata;
	char last[128]; /* the status line as last told */
};

void service_init(struct service *s, uv_loop_t *loop, service_status_fn status, void *userdata);
void service_ready(struct service *s);
void service_reloading(struct service *s);
/* Stopping may take `at_most`. */
void service_stopping(struct service *s, usec at_most);
void service_deinit(struct service *s);
