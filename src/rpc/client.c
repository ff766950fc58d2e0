/* SPDX-License-Identifier: MIT */
/*
 * What a process has open hangs on its client object, so that all of it is found when the process
 * is gone: its requests are withdrawn or cancelled, its leases rolled back, its streams given up,
 * before anything else happens.
 *
 * Its share is that of the first [application] section that fits, and belongs to the section:
 * whoever invents names gains nothing. A process that no section fits has the share of its name.
 */
#include "rpc/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/idempotency.h"
#include "rpc/kinds.h"
#include "rpc/lease.h"
#include "rpc/listen.h"
#include "rpc/rpc-internal.h"
#include "rpc/stream.h"
#include "util/log.h"

/* ---- who it is ---- */

void client_facts(const struct client *c, struct config_facts *f)
{
	*f = (struct config_facts){
		.name = c->declared,
		.unit = c->facts.unit[0] ? c->facts.unit : NULL,
		.executable = c->facts.executable[0] ? c->facts.executable : NULL,
		.uid = c->facts.uid,
		.gid = c->facts.gid,
		.groups = c->facts.groups,
		.n_groups = c->facts.n_groups,
	};
}

static struct share_settings share_of(const struct config_application *a)
{
	return (struct share_settings){
		.min = a->min,
		.max = a->max,
		.weight = a->weight,
		.priority = a->priority,
		.queue_limit = a->queue_limit,
		.read_only = a->read_only,
	};
}

/* It has the name of a section, and not what the section asks for as a proof. */
static bool is_impostor(const struct client *c)
{
	const struct config *config = c->rpc->config;

	for (size_t i = 0; i < config->n_applications; i++)
		if (c->config != &config->applications[i] &&
		    !strcmp(config->applications[i].pattern, c->declared))
			return true;
	return false;
}

void client_match(struct client *c)
{
	struct config_facts facts;
	struct share_settings share;
	struct application *app;
	const char *name;

	client_facts(c, &facts);
	c->config = config_match(c->rpc->config, &facts);
	share = share_of(c->config);
	if (is_impostor(c))
		(void)snprintf(c->name, sizeof(c->name), "%.50s (not proved)", c->declared);
	else
		memcpy(c->name, c->declared, sizeof(c->name));
	name = c->config == &c->rpc->config->other ? c->name : c->config->pattern;
	if (application_get(c->rpc->core, name, &share, &app) != 0)
		app = application_ref(c->rpc->fallback);
	application_unref(c->application);
	c->application = app;
}

void client_declare(struct client *c, const char *application_name)
{
	size_t n = 0;

	for (; *application_name && n < sizeof(c->declared) - 1; application_name++)
		c->declared[n++] = (unsigned char)*application_name < ' ' ? '?' : *application_name;
	c->declared[n] = '\0';
	client_match(c);
}

/* ---- its uid ---- */

static struct rpc_user *user_get(struct rpc *rpc, uint32_t uid)
{
	struct rpc_user *u;

	HASH_FIND(hh, rpc->users, &uid, sizeof(uid), u);
	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u)
			return NULL;
		u->uid = uid;
		HASH_ADD(hh, rpc->users, uid, sizeof(u->uid), u);
		if (!hash_took(u, hh)) {
			free(u);
			return NULL;
		}
	}
	u->clients++;
	return u;
}

static void user_put(struct rpc *rpc, struct rpc_user *u)
{
	if (--u->clients > 0)
		return;
	HASH_DELETE(hh, rpc->users, u);
	free(u);
}

/* ---- coming and going ---- */

void client_on_open(struct sp_conn *conn, void *userdata)
{
	const struct sp_peer *peer = sp_conn_peer(conn);
	struct rpc *rpc = userdata;
	struct client *c = calloc(1, sizeof(*c));

	if (c)
		c->user = user_get(rpc, peer->uid);
	if (!c || !c->user) {
		free(c);
		sp_conn_close(conn);
		return;
	}
	c->rpc = rpc;
	c->conn = conn;
	c->id = sp_conn_serial(conn);
	c->connected = rpc_now();
	TAILQ_INIT(&c->requests);
	TAILQ_INIT(&c->leases);
	TAILQ_INIT(&c->listens);
	facts_read(&c->facts, &rpc->known, c->connected, peer->uid, peer->gid, peer->pid);
	c->facts.n_groups = sp_conn_peer_groups(conn, c->facts.groups, FACTS_GROUPS_MAX);
	facts_name(&c->facts, c->declared, sizeof(c->declared));
	client_match(c);
	TAILQ_INSERT_TAIL(&rpc->clients, c, link);
	rpc->n_clients++;
	sp_conn_set_owner(conn, c);
}

void client_on_drained(struct sp_conn *conn, void *userdata)
{
	struct client *c = sp_conn_owner(conn);

	(void)userdata;
	if (c)
		streams_drained(c);
}

void client_on_close(struct sp_conn *conn, void *userdata)
{
	struct rpc *rpc = userdata;
	struct client *c = sp_conn_owner(conn);
	struct request *r;

	if (!c)
		return;
	sp_conn_set_owner(conn, NULL);
	while ((r = TAILQ_FIRST(&c->requests)))
		request_abandon(r);
	leases_abandon(c);
	listens_abandon(c);
	TAILQ_REMOVE(&rpc->clients, c, link);
	rpc->n_clients--;
	application_unref(c->application);
	user_put(rpc, c->user);
	pg_engine_kick(rpc->engine);
	free(c);
}

/* ---- its requests ---- */

static void (*const handlers[])(struct request *) = {
	[SIDEPOOL__V1__REQUEST__KIND_QUERY] = query_handle,
	[SIDEPOOL__V1__REQUEST__KIND_BATCH] = batch_handle,
	[SIDEPOOL__V1__REQUEST__KIND_FETCH] = fetch_handle,
	[SIDEPOOL__V1__REQUEST__KIND_TAKE_LEASE] = lease_handle,
	[SIDEPOOL__V1__REQUEST__KIND_RELEASE] = release_handle,
	[SIDEPOOL__V1__REQUEST__KIND_RENEW] = renew_handle,
	[SIDEPOOL__V1__REQUEST__KIND_CANCEL] = cancel_handle,
	[SIDEPOOL__V1__REQUEST__KIND_HELLO] = hello_handle,
	[SIDEPOOL__V1__REQUEST__KIND_COPY_IN] = copy_in_handle,
	[SIDEPOOL__V1__REQUEST__KIND_COPY_DATA] = copy_data_handle,
	[SIDEPOOL__V1__REQUEST__KIND_COPY_OUT] = copy_out_handle,
	[SIDEPOOL__V1__REQUEST__KIND_LISTEN] = listen_handle,
	[SIDEPOOL__V1__REQUEST__KIND_UNLISTEN] = unlisten_handle,
	[SIDEPOOL__V1__REQUEST__KIND_STATUS] = status_handle,
	[SIDEPOOL__V1__REQUEST__KIND_HEALTH] = health_handle,
	[SIDEPOOL__V1__REQUEST__KIND_ADMIN] = admin_handle,
	[SIDEPOOL__V1__REQUEST__KIND_PING] = ping_handle,
	[SIDEPOOL__V1__REQUEST__KIND_SUBMIT] = submit_handle,
};

static bool check_lengths(struct request *r)
{
	const Sidepool__V1__Request *m = r->message;

	if (strlen(m->call_site) > 255 || strlen(m->traceparent) > 255) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "call_site and traceparent have at most 255 bytes");
		return false;
	}
	if (m->idempotency_key.len > 255) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "idempotency_key has at most 255 bytes");
		return false;
	}
	return true;
}

void client_on_message(struct sp_conn *conn, const struct sp_request *id, uint8_t *body, size_t len,
		       void *userdata)
{
	struct rpc *rpc = userdata;
	struct client *c = sp_conn_owner(conn);
	struct request *r;
	unsigned kind;

	if (!c)
		return;
	rpc->requests_total++;
	c->requests_total++;
	r = request_new(rpc, c, id, body, len);
	if (!r || !check_lengths(r))
		return;
	kind = (unsigned)r->message->kind_case;
	if (kind >= ARRAY_LEN(handlers) || !handlers[kind])
		request_fail(r, SIDEPOOL_E_UNKNOWN_REQUEST, NULL);
	else
		handlers[kind](r);
}
