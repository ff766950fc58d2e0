/* SPDX-License-Identifier: MIT */
#include "rpc/queries.h"

#include <fnmatch.h>
#include <string.h>

#include "core/lease.h"
#include "pg/text.h"
#include "rpc/lease-internal.h"
#include "rpc/lease.h"
#include "rpc/rpc-internal.h"
#include "rpc/stream.h"

enum {
	STATEMENT_BYTES = 500,
};

/* Others are answered as they come in, or wait for something that is no connection. */
static bool is_query(const struct request *r)
{
	return r->pool && r->kind && (r->state == REQUEST_WAITING || r->state == REQUEST_RUNNING);
}

static const char *state_text(const struct request *r)
{
	if (r->state == REQUEST_WAITING)
		return "waiting";
	return r->stream ? "streaming" : "running";
}

static uint64_t ms_between(usec since, usec now)
{
	return usec_sub(now, since) / USEC_PER_MS;
}

/* As the text came in; what it ends with may be half a character. */
static char *statement_of(struct request *asker, const struct request *r)
{
	const char *sql = r->simple_sql;

	if (!sql && r->n_texts > 0)
		sql = r->texts[0]->sql;
	return sql ? arena_strndup(&asker->arena, sql, strnlen(sql, STATEMENT_BYTES)) : NULL;
}

static void fill(struct request *asker, const struct client *c, const struct request *r,
		 Sidepool__V1__RequestStatus *m)
{
	const struct pg_task *task = r->lease ? lease_task(r->lease) : &r->task;
	char *statement = statement_of(asker, r);
	usec now = rpc_now();

	sidepool__v1__request_status__init(m);
	m->request_id = r->serial;
	m->application = (char *)c->name;
	m->pid = (uint32_t)c->facts.pid;
	m->unit = (char *)c->facts.unit;
	m->call_site = r->message->call_site;
	m->pool = r->pool->config->name;
	m->state = (char *)state_text(r);
	m->age_ms = ms_between(r->received, now);
	m->run_ms = r->state == REQUEST_RUNNING ? ms_between(r->granted, now) : 0;
	m->deadline_ms = r->deadline == USEC_NEVER ? 0 : MAX(ms_between(now, r->deadline), 1U);
	m->lease_id = r->lease ? r->lease->core.id : 0;
	m->backend_pid = task->conn && r->state == REQUEST_RUNNING
				 ? (uint32_t)pg_conn_backend_pid(task->conn)
				 : 0;
	m->statement = statement ? statement : (char *)"";
	m->statements = (uint32_t)r->n_texts;
}

void queries_add(struct request *asker, bool waiting_only, Sidepool__V1__StatusReply *reply)
{
	const struct rpc *rpc = asker->rpc;
	Sidepool__V1__RequestStatus *m =
		arena_alloc(&asker->arena, rpc->n_requests * sizeof(*m) + 1);
	const struct client *c;
	const struct request *r;

	reply->requests = arena_alloc(&asker->arena,
				      rpc->n_requests * sizeof(Sidepool__V1__RequestStatus *) + 1);
	if (!m || !reply->requests)
		return;
	TAILQ_FOREACH (c, &rpc->clients, link) {
		TAILQ_FOREACH (r, &c->requests, link) {
			if (!is_query(r) || (waiting_only && r->state != REQUEST_WAITING))
				continue;
			fill(asker, c, r, m);
			reply->requests[reply->n_requests++] = m++;
		}
	}
}

struct request *queries_find(const struct rpc *rpc, uint64_t serial)
{
	const struct client *c;
	struct request *r;

	TAILQ_FOREACH (c, &rpc->clients, link)
		TAILQ_FOREACH (r, &c->requests, link)
			if (r->serial == serial && is_query(r))
				return r;
	return NULL;
}

/* Cancelling one may end others, so the search begins anew. */
static struct request *next_victim(const struct client *c)
{
	struct request *r;

	TAILQ_FOREACH (r, &c->requests, link)
		if (is_query(r) && !r->cancelled)
			return r;
	return NULL;
}

static unsigned kill_requests(struct client *c)
{
	struct request *r;
	unsigned n = 0;

	for (; (r = next_victim(c)); n++)
		request_cancel(r);
	return n;
}

static unsigned kill_leases(struct client *c, usec now)
{
	struct rpc_lease *l;
	unsigned n = 0;

	TAILQ_FOREACH (l, &c->leases, link) {
		if (!l->held)
			continue;
		lease_revoke(&l->core, now);
		n++;
	}
	return n;
}

void queries_kill(struct rpc *rpc, const char *pattern, unsigned *ret_requests,
		  unsigned *ret_leases)
{
	struct client *c;

	*ret_requests = *ret_leases = 0;
	TAILQ_FOREACH (c, &rpc->clients, link) {
		if (fnmatch(pattern, c->name, 0) != 0)
			continue;
		*ret_leases += kill_leases(c, rpc_now());
		*ret_requests += kill_requests(c);
	}
}
