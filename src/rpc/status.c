/* SPDX-License-Identifier: MIT */
/*
 * Status: the numbers of the core and ours, put into one message. It is built in the request's
 * arena, so that nothing has to be freed.
 */
#include "rpc/status.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/breaker.h"
#include "rpc/holders.h"
#include "rpc/kinds.h"
#include "rpc/lease-internal.h"
#include "rpc/queries.h"
#include "rpc/rpc-internal.h"
#include "rpc/submit.h"
#include "sidepool-version.h"

/* `n` bytes of the request's arena, zeroed. Without memory the part is left out of the answer. */
static void *allocate(struct request *r, size_t n)
{
	void *p = arena_alloc(&r->arena, n + 1);

	if (p)
		memset(p, 0, n);
	return p;
}

static uint64_t age_ms(usec since)
{
	return since == USEC_NEVER ? 0 : usec_sub(rpc_now(), since) / USEC_PER_MS;
}

static uint64_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	/* The kernel writes it: NOLINTNEXTLINE(cert-err34-c) */
	if (fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	(void)fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static Sidepool__V1__BreakerState breaker_state(const struct breaker *b)
{
	switch (b->state) {
	case BREAKER_OPEN:
		return SIDEPOOL__V1__BREAKER_STATE__BREAKER_STATE_OPEN;
	case BREAKER_HALF_OPEN:
		return SIDEPOOL__V1__BREAKER_STATE__BREAKER_STATE_HALF_OPEN;
	case BREAKER_CLOSED:
		break;
	}
	return SIDEPOOL__V1__BREAKER_STATE__BREAKER_STATE_CLOSED;
}

static void fill_pool_totals(const struct rpc_pool *p, const struct pool_stats *s,
			     Sidepool__V1__PoolStatus *m)
{
	m->queries_total = p->queries_total;
	m->batches_total = p->batches_total;
	m->leases_total = p->leases_total;
	m->errors_total = p->errors_total;
	m->timeouts_total = p->timeouts_total;
	m->connects_total = s->connects_total;
	m->connect_failures_total = s->connect_failures_total;
	m->pipelined_total = s->pipelined_total;
	m->wait_us_total = s->wait_us_total;
	m->run_us_total = s->run_us_total;
	m->wait_p99_us = hist_quantile(&s->waits, 0.99);
}

static void fill_pool(const struct rpc_pool *p, Sidepool__V1__PoolStatus *m)
{
	const struct pool *core = pg_pool_core(p->pg);

	sidepool__v1__pool_status__init(m);
	m->name = (char *)pg_pool_name(p->pg);
	m->target = (char *)pg_pool_target(p->pg);
	m->idle = core->n[SLOT_IDLE] + core->n[SLOT_PINGING];
	m->in_use = core->n[SLOT_BUSY];
	m->size = m->idle + m->in_use;
	m->leased = core->leases;
	m->connecting = core->n[SLOT_CONNECTING];
	m->min_size = core->settings.min_size;
	m->max_size = core->settings.max_size + core->settings.max_overflow;
	m->limit_in_force = pool_limit(core);
	m->waiting = core->waiting;
	m->oldest_wait_ms = age_ms(pool_oldest(core));
	m->breaker = breaker_state(&core->breaker);
	m->breaker_reason = (char *)pg_pool_failure(p->pg);
	m->breaker_retry_ms =
		breaker_retry_after(&core->breaker, &core->settings, rpc_now()) / USEC_PER_MS;
	m->paused = core->paused;
	fill_pool_totals(p, &core->stats, m);
}

static void add_pools(struct request *r, Sidepool__V1__StatusReply *reply)
{
	struct rpc *rpc = r->rpc;
	Sidepool__V1__PoolStatus *m = allocate(r, rpc->n_pools * sizeof(*m));

	reply->pools = allocate(r, rpc->n_pools * sizeof(Sidepool__V1__PoolStatus *));
	for (size_t i = 0; m && reply->pools && i < rpc->n_pools; i++) {
		fill_pool(&rpc->pools[i], &m[i]);
		reply->pools[reply->n_pools++] = &m[i];
	}
}

static unsigned clients_of(const struct rpc *rpc, const struct application *app)
{
	const struct client *c;
	unsigned n = 0;

	TAILQ_FOREACH (c, &rpc->clients, link)
		n += c->application == app;
	return n;
}

static void fill_application(const struct rpc *rpc, const struct application *app,
			     Sidepool__V1__ApplicationStatus *m)
{
	sidepool__v1__application_status__init(m);
	m->name = app->name;
	m->in_use = app->in_use;
	m->waiting = app->waiting;
	m->min = app->share.min;
	m->max = app->share.max;
	m->weight = app->share.weight;
	m->priority = app->share.priority;
	m->queries_total = app->stats.finished_total;
	m->refused_total = app->stats.refused_total;
	m->connection_us_total = app->stats.connection_us_total;
	m->wait_p99_us = hist_quantile(&app->stats.waits, 0.99);
	m->oldest_wait_ms = age_ms(application_oldest(app));
	m->clients = clients_of(rpc, app);
}

static void add_applications(struct request *r, Sidepool__V1__StatusReply *reply)
{
	const struct core *core = r->rpc->core;
	struct application *app;
	Sidepool__V1__ApplicationStatus *m;
	size_t n = 0;

	for (app = application_next(core, NULL); app; app = application_next(core, app))
		n++;
	m = allocate(r, n * sizeof(*m));
	reply->applications = allocate(r, n * sizeof(Sidepool__V1__ApplicationStatus *));
	if (!m || !reply->applications)
		return;
	for (app = application_next(core, NULL); app; app = application_next(core, app)) {
		fill_application(r->rpc, app, m);
		reply->applications[reply->n_applications++] = m++;
	}
}

Sidepool__V1__HealthLevel status_health_level(enum health_level level)
{
	switch (level) {
	case HEALTH_HEALTHY:
		return SIDEPOOL__V1__HEALTH_LEVEL__HEALTH_LEVEL_HEALTHY;
	case HEALTH_DEGRADED:
		return SIDEPOOL__V1__HEALTH_LEVEL__HEALTH_LEVEL_DEGRADED;
	case HEALTH_UNHEALTHY:
		break;
	}
	return SIDEPOOL__V1__HEALTH_LEVEL__HEALTH_LEVEL_UNHEALTHY;
}

void status_fill_lease(const struct rpc_lease *l, Sidepool__V1__LeaseStatus *m)
{
	sidepool__v1__lease_status__init(m);
	m->lease_id = l->core.id;
	m->pool = l->pool->config->name;
	m->application = (char *)l->application;
	m->pid = l->client ? (uint32_t)l->client->facts.pid : 0;
	m->uid = l->client ? l->client->facts.uid : 0;
	m->unit = l->client ? l->client->facts.unit : (char *)"";
	m->call_site = (char *)l->call_site;
	m->state = (char *)lease_state_text(l);
	m->held_ms = age_ms(l->core.begun);
	m->state_ms = age_ms(l->core.state_since);
	m->expires_ms = l->core.expires == USEC_NEVER
				? 0
				: usec_sub(l->core.expires, rpc_now()) / USEC_PER_MS;
	m->backend_pid = l->task.conn ? (uint32_t)pg_conn_backend_pid(l->task.conn) : 0;
}

static void fill_lease(struct request *r, const struct rpc_lease *l, Sidepool__V1__LeaseStatus *m)
{
	char *blame = allocate(r, LEASE_BLAME_BYTES);

	status_fill_lease(l, m);
	if (blame) {
		lease_blame(l, blame, LEASE_BLAME_BYTES);
		m->blame = blame;
	}
}

static void add_leases(struct request *r, Sidepool__V1__StatusReply *reply)
{
	struct rpc *rpc = r->rpc;
	Sidepool__V1__LeaseStatus *m = allocate(r, rpc->n_leases * sizeof(*m));
	struct client *c;
	struct rpc_lease *l;

	reply->leases = allocate(r, rpc->n_leases * sizeof(Sidepool__V1__LeaseStatus *));
	if (!m || !reply->leases)
		return;
	TAILQ_FOREACH (c, &rpc->clients, link) {
		TAILQ_FOREACH (l, &c->leases, link) {
			if (!l->held)
				continue;
			fill_lease(r, l, m);
			reply->leases[reply->n_leases++] = m++;
		}
	}
}

static void fill_client(const struct client *c, Sidepool__V1__ClientStatus *m)
{
	sidepool__v1__client_status__init(m);
	m->client_id = c->id;
	m->application = (char *)c->name;
	m->pid = (uint32_t)c->facts.pid;
	m->uid = c->facts.uid;
	m->unit = (char *)c->facts.unit;
	m->executable = (char *)c->facts.executable;
	m->client_name = (char *)c->client_name;
	m->connected_ms = age_ms(c->connected);
	m->requests_total = c->requests_total;
	m->in_flight = c->in_flight;
}

static void add_clients(struct request *r, Sidepool__V1__StatusReply *reply)
{
	struct rpc *rpc = r->rpc;
	Sidepool__V1__ClientStatus *m = allocate(r, rpc->n_clients * sizeof(*m));
	struct client *c;

	reply->client_list = allocate(r, rpc->n_clients * sizeof(Sidepool__V1__ClientStatus *));
	if (!m || !reply->client_list)
		return;
	TAILQ_FOREACH (c, &rpc->clients, link) {
		fill_client(c, m);
		reply->client_list[reply->n_client_list++] = m++;
	}
}

static void add_warning(struct request *r, Sidepool__V1__StatusReply *reply, const char *text)
{
	reply->warnings[reply->n_warnings] = arena_strndup(&r->arena, text, strlen(text));
	reply->n_warnings += reply->warnings[reply->n_warnings] != NULL;
}

static void add_pool_warnings(struct request *r, Sidepool__V1__StatusReply *reply,
			      const struct pg_pool *pool)
{
	const struct pool *p = pg_pool_core(pool);
	uint32_t fits = pool_would_fit(p);
	char text[512];

	if (fits > 0) {
		(void)snprintf(
			text, sizeof(text),
			"pool %s: max_size %u is more than the server gives; %u would fit (others hold %u of %u)",
			pg_pool_name(pool), p->settings.max_size + p->settings.max_overflow, fits,
			p->discovered.others, p->discovered.max_connections);
		add_warning(r, reply, text);
	}
	if (*pg_pool_hidden(pool)) {
		(void)snprintf(text, sizeof(text),
			       "pool %s: %s: every statement is followed by a reset",
			       pg_pool_name(pool), pg_pool_hidden(pool));
		add_warning(r, reply, text);
	}
}

static void add_warnings(struct request *r, Sidepool__V1__StatusReply *reply)
{
	struct rpc *rpc = r->rpc;

	reply->warnings = allocate(r, 2 * rpc->n_pools * sizeof(*reply->warnings));
	for (size_t i = 0; reply->warnings && i < rpc->n_pools; i++)
		add_pool_warnings(r, reply, rpc->pools[i].pg);
}

static bool wants(const Sidepool__V1__Status *m, Sidepool__V1__StatusPart part)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (m->parts[i] == part)
			return true;
	return m->n_parts == 0;
}

static void fill_whole(const struct rpc *rpc, Sidepool__V1__StatusReply *m)
{
	struct core_numbers n;

	core_numbers(rpc->core, rpc_now(), &n);
	m->daemon_version = (char *)SIDEPOOL_VERSION;
	m->pid = (uint32_t)getpid();
	m->uptime_ms = age_ms(rpc->started);
	m->draining = rpc->draining;
	m->budget = n.budget;
	m->budget_in_force = n.budget_in_force;
	m->connections = n.slots;
	m->clients = rpc->n_clients;
	m->requests_total = rpc->requests_total;
	m->memory_bytes = resident_bytes();
}

void status_handle(struct request *r)
{
	const Sidepool__V1__Status *m = r->message->status;
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__StatusReply reply = SIDEPOOL__V1__STATUS_REPLY__INIT;

	fill_whole(r->rpc, &reply);
	if (wants(m, SIDEPOOL__V1__STATUS_PART__STATUS_PART_POOLS))
		add_pools(r, &reply);
	if (wants(m, SIDEPOOL__V1__STATUS_PART__STATUS_PART_APPLICATIONS))
		add_applications(r, &reply);
	if (wants(m, SIDEPOOL__V1__STATUS_PART__STATUS_PART_LEASES))
		add_leases(r, &reply);
	if (wants(m, SIDEPOOL__V1__STATUS_PART__STATUS_PART_CLIENTS))
		add_clients(r, &reply);
	if (wants(m, SIDEPOOL__V1__STATUS_PART__STATUS_PART_REQUESTS))
		queries_add(r, m->waiting_only, &reply);
	submits_fill(r, &reply);
	if (wants(m, SIDEPOOL__V1__STATUS_PART__STATUS_PART_SUBMISSIONS))
		submits_add(r, &reply);
	if (wants(m, SIDEPOOL__V1__STATUS_PART__STATUS_PART_FAILED_SUBMISSIONS))
		submits_add_failed(r, &reply);
	add_warnings(r, &reply);
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_STATUS;
	response.status = &reply;
	request_reply(r, &response);
}
