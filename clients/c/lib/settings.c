/* SPDX-License-Identifier: MIT */
/* Options are checked and copied when the handle is opened, so that nothing of the caller's is
 * needed later. */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "sidepool.h"

enum {
	GRACE_MS = 1000,
	RECONNECT_WAIT_MS = 10000,
	STATEMENT_CACHE = 256,
	MAX_IN_FLIGHT = 4096,
	MAX_IN_FLIGHT_MAX = 65535,
	KEEP_BYTES = 16384,
};

static const char *default_socket(void)
{
	const char *path = secure_getenv("SIDEPOOL_SOCKET");

	return path && *path ? path : "/run/sidepool/rpc.sock";
}

/* Returns whether it fits with its zero byte. */
static bool copy(char *to, size_t size, const char *text)
{
	if (strlen(text) >= size)
		return false;
	memcpy(to, text, strlen(text) + 1);
	return true;
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

static uint32_t number_or(uint32_t n, uint32_t otherwise)
{
	return n ? n : otherwise;
}

static bool copy_texts(struct settings *s, const struct sidepool_options *o)
{
	s->address.sun_family = AF_UNIX;
	return copy(s->address.sun_path, sizeof(s->address.sun_path),
		    text_or(o->socket, default_socket())) &&
	       copy(s->application, sizeof(s->application), text_or(o->application, "")) &&
	       copy(s->client_name, sizeof(s->client_name),
		    text_or(o->client_name, "libsidepool")) &&
	       copy(s->client_version, sizeof(s->client_version),
		    text_or(o->client_version, sidepool_version())) &&
	       copy(s->pool, sizeof(s->pool), text_or(o->pool, ""));
}

int settings_apply(struct settings *s, const struct sidepool_options *options)
{
	struct sidepool_options o = { .size = sizeof(o) };

	if (options && (options->size < sizeof(options->size) || options->size > 4096))
		return SIDEPOOL_E_INVALID_ARGUMENT;
	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	if (!copy_texts(s, &o) || o.max_in_flight > MAX_IN_FLIGHT_MAX)
		return SIDEPOOL_E_INVALID_ARGUMENT;
	s->deadline_ms = o.deadline_ms;
	s->grace_ms = number_or(o.grace_ms, GRACE_MS);
	s->connect_wait_ms = o.connect_wait_ms;
	s->reconnect_wait_ms = number_or(o.reconnect_wait_ms, RECONNECT_WAIT_MS);
	s->reconnect = !o.no_reconnect;
	s->traceparent = o.traceparent;
	s->traceparent_userdata = o.traceparent_userdata;
	s->max_in_flight = number_or(o.max_in_flight, MAX_IN_FLIGHT);
	s->keep_bytes = number_or(o.keep_bytes, KEEP_BYTES);
	s->statement_cache =
		o.no_statement_cache ? 0 : number_or(o.statement_cache, STATEMENT_CACHE);
	return 0;
}
