/* SPDX-License-Identifier: MIT */
#pragma once
/* What sidepool_open() was told, checked and with defaults in place. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sidepool.h"

struct settings {
	struct sockaddr_un address;
	char application[64];
	char client_name[64];
	char client_version[32];
	char pool[64];
	uint32_t deadline_ms;
	uint32_t grace_ms;
	uint32_t connect_wait_ms;
	uint32_t reconnect_wait_ms;
	uint32_t statement_cache;
	uint32_t max_in_flight;
	uint32_t keep_bytes;
	bool reconnect;
	sidepool_traceparent_fn traceparent; /* NULL: none */
	void *traceparent_userdata;          /* borrowed */
};

/* `options` may be NULL. Returns 0 or SIDEPOOL_E_INVALID_ARGUMENT. */
int settings_apply(struct settings *s, const struct sidepool_options *options);
