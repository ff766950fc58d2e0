/* SPDX-License-Identifier: MIT */
/* The requests that are answered on the spot: Hello, Ping, Cancel. */
#include <stdio.h>
#include <string.h>

#include "core/lease.h"
#include "rpc/client.h"
#include "rpc/kinds.h"
#include "rpc/lease-internal.h"
#include "rpc/rpc-internal.h"
#include "sidepool-version.h"

enum {
	WIRE_VERSION = 1,
	NAME_MAX_BYTES = 63, /* NAMEDATALEN - 1 */
	POOLS_MAX = 256,
};

void ping_handle(struct request *r)
{
	request_reply(r, NULL);
}

static void fill_parameters(const struct rpc_pool *pool, Sidepool__V1__HelloReply *m,
			    Sidepool__V1__ParameterStatus *p, Sidepool__V1__ParameterStatus **list)
{
	const char *value;

	for (size_t i = 0; i < PG_PARAMETERS_N; i++) {
		value = pg_pool_parameter(pool->pg, pg_parameter_name(i));
		if (!value)
			continue;
		sidepool__v1__parameter_status__init(&p[i]);
		p[i].name = (char *)pg_parameter_name(i);
		p[i].value = (char *)value;
		list[m->n_parameters++] = &p[i];
	}
	m->parameters = list;
}

static void fill_pools(const struct client *c, Sidepool__V1__HelloReply *m, char **names)
{
	for (size_t i = 0; i < c->rpc->n_pools && m->n_pools < POOLS_MAX; i++)
		if (config_may_use_pool(c->config, c->rpc->pools[i].config))
			names[m->n_pools++] = c->rpc->pools[i].config->name;
	m->pools = names;
}

static void reply_hello(struct request *r)
{
	struct client *c = r->client;
	const struct config *config = r->rpc->config;
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__HelloReply m = SIDEPOOL__V1__HELLO_REPLY__INIT;
	Sidepool__V1__ParameterStatus parameters[PG_PARAMETERS_N], *list[PG_PARAMETERS_N];
	char *names[POOLS_MAX], *features[2];

	m.version = WIRE_VERSION;
	m.daemon_version = (char *)SIDEPOOL_VERSION;
	m.application = c->name;
	m.max_message_bytes = (uint32_t)MIN(config->max_message_bytes, UINT32_MAX);
	m.max_chunk_bytes = (uint32_t)MIN(config->max_chunk_bytes, UINT32_MAX);
	m.idempotency_ms = (uint32_t)MIN(config->idempotency_ttl_us / USEC_PER_MS, UINT32_MAX);
	m.instance_id = r->rpc->instance_id;
	m.features = features;
	if (r->rpc->events_url) {
		m.events_url = (char *)r->rpc->events_url;
		features[m.n_features++] = (char *)"listen";
	}
	if (config->submit_queue_size > 0)
		features[m.n_features++] = (char *)"submit";
	fill_pools(c, &m, names);
	if (r->rpc->n_pools > 0)
		fill_parameters(&r->rpc->pools[0], &m, parameters, list);
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_HELLO;
	response.hello = &m;
	request_reply(r, &response);
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

static struct request *find_request(const struct client *c, uint32_t id)
{
	struct request *r;

	TAILQ_FOREACH (r, &c->requests, link)
		if (sp_request_id(&r->id) == id)
			return r;
	return NULL;
}

void cancel_handle(struct request *r)
{
	const Sidepool__V1__Cancel *m = r->message->cancel;
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__CancelReply reply = SIDEPOOL__V1__CANCEL_REPLY__INIT;
	struct request *target = m->request_id ? find_request(r->client, m->request_id) : NULL;
	struct lease *core = m->lease_id ? lease_find(r->rpc->core, m->lease_id) : NULL;
	struct rpc_lease *l = core ? core->owner : NULL;

	if (l && l->client == r->client)
		target = l->running;
	if (target == r)
		target = NULL;
	reply.found = target != NULL;
	if (target)
		request_cancel(target);
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_CANCEL;
	response.cancel = &reply;
	request_reply(r, &response);
}
