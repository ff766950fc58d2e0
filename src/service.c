/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <systemd/sd-daemon.h>

enum {
	STATUS_EVERY_MS = 1000,
};

static void tell_status(struct service *s)
{
	char text[sizeof(s->last)];

	s->status(s->userdata, text, sizeof(text));
	if (!strcmp(text, s->last))
		return;
	memcpy(s->last, text, sizeof(text));
	(void)sd_notifyf(0, "STATUS=%s", text);
}

static void on_status(uv_timer_t *timer)
{
	tell_status(timer->data);
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	(void)sd_notify(0, "WATCHDOG=1");
}

static void start_timer(uv_loop_t *loop, uv_timer_t *timer, uv_timer_cb fn, uint64_t ms, void *data)
{
	(void)uv_timer_init(loop, timer);
	timer->data = data;
	if (ms > 0)
		(void)uv_timer_start(timer, fn, ms, ms);
	uv_unref((uv_handle_t *)timer);
}

void service_init(struct service *s, uv_loop_t *loop, service_status_fn status, void *userdata)
{
	uint64_t watchdog_us = 0;
	bool watched = sd_watchdog_enabled(0, &watchdog_us) > 0;

	*s = (struct service){ .status = status, .userdata = userdata };
	start_timer(loop, &s->status_timer, on_status, STATUS_EVERY_MS, s);
	start_timer(loop, &s->watchdog_timer, on_watchdog,
		    watched ? MAX(watchdog_us / 2000, (uint64_t)1) : 0, s);
}

void service_ready(struct service *s)
{
	(void)sd_notify(0, "READY=1");
	tell_status(s);
}

/*
 * systemd wants the time from which on READY counts:
 * https://www.freedesktop.org/software/systemd/man/sd_notify.html
 */
void service_reloading(struct service *s)
{
	struct timespec now;

	(void)s;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
			 (unsigned long long)now.tv_sec * 1000000ULL +
				 (unsigned long long)now.tv_nsec / 1000);
}

void service_stopping(struct service *s, usec at_most)
{
	(void)s;
	(void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu", (unsigned long long)at_most);
}

void service_deinit(struct service *s)
{
	uv_close((uv_handle_t *)&s->status_timer, NULL);
	uv_close((uv_handle_t *)&s->watchdog_timer, NULL);
}
