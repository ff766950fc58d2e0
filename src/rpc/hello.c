/* SPDX-License-Identifier: MIT */
/*
 * The first request of a connection. Who connects for one query pays for it each time, so the answer
 * goes straight into its bytes. Field numbers are those of proto/sidepool/v1/rpc.proto;
 * tests/integration/test_query.py reads everything back.
 */
#include <stdio.h>
#include <string.h>

#include "pg/parameters.h"
#include "rpc/client.h"
#include "rpc/kinds.h"
#include "rpc/pb.h"
#include "rpc/rpc-internal.h"
#include "sidepool-version.h"

enum {
	WIRE_VERSION = 1,
	NAME_MAX_BYTES = 63, /* NAMEDATALEN - 1 */
};

enum {
	RESPONSE_HELLO = 17,

	HELLO_VERSION = 1,
	HELLO_DAEMON_VERSION = 2,
	HELLO_FEATURES = 3,
	HELLO_APPLICATION = 4,
	HELLO_POOLS = 5,
	HELLO_MAX_MESSAGE_BYTES = 6,
	HELLO_MAX_CHUNK_BYTES = 7,
	HELLO_IDEMPOTENCY_MS = 8,
	HELLO_PARAMETERS = 9,
	HELLO_INSTANCE_ID = 10,
	HELLO_EVENTS_URL = 11,

	PARAMETER_NAME = 1,
	PARAMETER_VALUE = 2,
};

/* ---- fields ---- */

static size_t text_bytes(uint32_t field, const char *text)
{
	return pb_bytes_bytes(field, strlen(text));
}

static uint8_t *pack_text(uint8_t *at, uint32_t field, const char *text)
{
	return pb_bytes(at, field, text, strlen(text));
}

static size_t parameter_bytes(const char *name, const char *value)
{
	return text_bytes(PARAMETER_NAME, name) + text_bytes(PARAMETER_VALUE, value);
}

static size_t parameters_bytes(const struct pg_parameters *p)
{
	size_t n, all = 0;

	for (size_t i = 0; i < PG_PARAMETERS_N; i++) {
		if (!p->values[i][0])
			continue;
		n = parameter_bytes(pg_parameter_name(i), p->values[i]);
		all += pb_head_bytes(HELLO_PARAMETERS, n) + n;
	}
	return all;
}

static uint8_t *pack_parameters(uint8_t *at, const struct pg_parameters *p)
{
	const char *name;

	for (size_t i = 0; i < PG_PARAMETERS_N; i++) {
		if (!p->values[i][0])
			continue;
		name = pg_parameter_name(i);
		at = pb_head(at, HELLO_PARAMETERS, parameter_bytes(name, p->values[i]));
		at = pack_text(at, PARAMETER_NAME, name);
		at = pack_text(at, PARAMETER_VALUE, p->values[i]);
	}
	return at;
}

/* ---- the answer ---- */

enum {
	NUMBERS_BYTES = 5 * (PB_TAG_MAX + PB_VARINT_MAX),
};

/* "": that is not offered, and a text without anything in it is left out. */
static const char *listen_feature(const struct rpc *rpc)
{
	return rpc->events_url ? "listen" : "";
}

static const char *submit_feature(const struct rpc *rpc)
{
	return rpc->config->submit_queue_size > 0 ? "submit" : "";
}

static const char *events_url(const struct rpc *rpc)
{
	return rpc->events_url ? rpc->events_url : "";
}

static size_t pools_bytes(const struct client *c)
{
	size_t all = 0;

	for (size_t i = 0; i < c->rpc->n_pools; i++)
		if (config_may_use_pool(c->config, c->rpc->pools[i].config))
			all += text_bytes(HELLO_POOLS, c->rpc->pools[i].config->name);
	return all;
}

static uint8_t *pack_pools(uint8_t *at, const struct client *c)
{
	for (size_t i = 0; i < c->rpc->n_pools; i++)
		if (config_may_use_pool(c->config, c->rpc->pools[i].config))
			at = pack_text(at, HELLO_POOLS, c->rpc->pools[i].config->name);
	return at;
}

/* What the default pool's server reported; NULL: there is no pool. */
static const struct pg_parameters *parameters_of(const struct rpc *rpc)
{
	return rpc->n_pools > 0 ? pg_pool_parameters(rpc->pools[0].pg) : NULL;
}

/* The most that a HelloReply takes. */
static size_t hello_bytes(const struct client *c)
{
	const struct rpc *rpc = c->rpc;
	const struct pg_parameters *p = parameters_of(rpc);

	return NUMBERS_BYTES + text_bytes(HELLO_DAEMON_VERSION, SIDEPOOL_VERSION) +
	       text_bytes(HELLO_FEATURES, listen_feature(rpc)) +
	       text_bytes(HELLO_FEATURES, submit_feature(rpc)) +
	       text_bytes(HELLO_APPLICATION, c->name) + pools_bytes(c) +
	       (p ? parameters_bytes(p) : 0) + text_bytes(HELLO_EVENTS_URL, events_url(rpc));
}

static uint8_t *pack_hello(uint8_t *at, const struct client *c)
{
	const struct rpc *rpc = c->rpc;
	const struct config *config = rpc->config;
	const struct pg_parameters *p = parameters_of(rpc);

	at = pb_uint(at, HELLO_VERSION, WIRE_VERSION);
	at = pack_text(at, HELLO_DAEMON_VERSION, SIDEPOOL_VERSION);
	at = pack_text(at, HELLO_FEATURES, listen_feature(rpc));
	at = pack_text(at, HELLO_FEATURES, submit_feature(rpc));
	at = pack_text(at, HELLO_APPLICATION, c->name);
	at = pack_pools(at, c);
	at = pb_uint(at, HELLO_MAX_MESSAGE_BYTES, MIN(config->max_message_bytes, UINT32_MAX));
	at = pb_uint(at, HELLO_MAX_CHUNK_BYTES, MIN(config->max_chunk_bytes, UINT32_MAX));
	at = pb_uint(at, HELLO_IDEMPOTENCY_MS,
		     MIN(config->idempotency_ttl_us / USEC_PER_MS, UINT32_MAX));
	if (p)
		at = pack_parameters(at, p);
	at = pb_uint(at, HELLO_INSTANCE_ID, rpc->instance_id);
	return pack_text(at, HELLO_EVENTS_URL, events_url(rpc));
}

static void reply_hello(struct request *r)
{
	uint8_t *packed = arena_alloc(&r->arena, hello_bytes(r->client));

	if (packed)
		request_reply_packed(r, RESPONSE_HELLO, packed,
				     (size_t)(pack_hello(packed, r->client) - packed));
	else
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
}

void hello_handle(struct request *r)
{
	const Sidepool__V1__Hello *m = r->message->hello;
	struct client *c = r->client;
	uint32_t newest = m->max_version ? m->max_version : WIRE_VERSION;

	if (m->min_version > WIRE_VERSION || newest < WIRE_VERSION) {
		request_fail(r, SIDEPOOL_E_UNSUPPORTED,
			     "the client speaks versions %u to %u, this daemon version %d",
			     m->min_version, m->max_version, WIRE_VERSION);
		return;
	}
	if (strlen(m->application_name) > NAME_MAX_BYTES) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "application_name is longer than %d bytes", NAME_MAX_BYTES);
		return;
	}
	(void)snprintf(c->client_name, sizeof(c->client_name), "%.40s%s%.20s", m->client_name,
		       *m->client_version ? " " : "", m->client_version);
	if (*m->application_name)
		client_declare(c, m->application_name);
	reply_hello(r);
}
