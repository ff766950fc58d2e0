/* SPDX-License-Identifier: MIT */
/* Health, and what an administrator may do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/breaker.h"
#include "core/health.h"
#include "core/lease.h"
#include "rpc/admin-internal.h"
#include "rpc/client.h"
#include "rpc/kinds.h"
#include "rpc/lease-internal.h"
#include "rpc/lease.h"
#include "rpc/queries.h"
#include "rpc/rpc-internal.h"
#include "rpc/status.h"
#include "rpc/submit.h"
#include "util/log.h"

enum {
	SENTENCE_BYTES = 256,
};

/* ---- Health ---- */

static void add_check(struct request *r, Sidepool__V1__HealthReply *reply, const char *name,
		      const char *pool, const struct health_check *check)
{
	Sidepool__V1__HealthCheck *m = arena_alloc(&r->arena, sizeof(*m));
	char full[128];

	if (!m)
		return;
	(void)snprintf(full, sizeof(full), "%s%s%s", name, pool ? " " : "", pool ? pool : "");
	sidepool__v1__health_check__init(m);
	m->name = arena_strndup(&r->arena, full, strlen(full));
	m->level = status_health_level(check->level);
	m->reason = arena_strndup(&r->arena, check->reason, strlen(check->reason));
	m->advice = arena_strndup(&r->arena, check->advice, strlen(check->advice));
	if (!m->name || !m->reason || !m->advice)
		return;
	reply->checks[reply->n_checks++] = m;
}

void health_handle(struct request *r)
{
	struct rpc *rpc = r->rpc;
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__HealthReply reply = SIDEPOOL__V1__HEALTH_REPLY__INIT;
	struct health_check check;
	struct submit_counts n;
	usec now = rpc_now();

	reply.checks = arena_alloc(&r->arena,
				   (2 + 3 * rpc->n_pools) * sizeof(Sidepool__V1__HealthCheck *));
	if (!reply.checks) {
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		return;
	}
	submits_count(rpc, &n);
	health_of_submits(n.waiting + n.running, n.max_size, n.journal_fails, &check);
	reply.level = status_health_level(MAX(health_level(rpc->core, now), check.level));
	add_check(r, &reply, "submits", NULL, &check);
	health_check_budget(rpc->core, now, &check);
	add_check(r, &reply, "budget", NULL, &check);
	for (size_t i = 0; i < rpc->n_pools; i++) {
		const struct pool *p = pg_pool_core(rpc->pools[i].pg);
		const char *name = pg_pool_name(rpc->pools[i].pg);

		health_check_database(p, now, &check);
		add_check(r, &reply, "database", name, &check);
		health_check_acquisition(p, now, &check);
		add_check(r, &reply, "acquisition", name, &check);
		health_check_limits(p, &check);
		add_check(r, &reply, "limits", name, &check);
	}
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_HEALTH;
	response.health = &reply;
	request_reply(r, &response);
}

/* ---- Admin ---- */

void admin_log(const struct request *r, const char *sentence)
{
	const struct facts *f = &r->client->facts;

	log_notice(LOG_FIELDS(log_uint("UID", f->uid), log_int("PID", f->pid),
			      log_str("UNIT", f->unit[0] ? f->unit : NULL),
			      log_str("APPLICATION", r->client->name)),
		   "uid %u: %s", (unsigned)f->uid, sentence);
}

void admin_reply(struct request *r, const char *sentence)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__AdminReply reply = SIDEPOOL__V1__ADMIN_REPLY__INIT;

	reply.message = (char *)sentence;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_ADMIN;
	response.admin = &reply;
	pg_engine_kick(r->rpc->engine);
	request_reply(r, &response);
}

static void reply_done(struct request *r, const char *sentence)
{
	admin_log(r, sentence);
	admin_reply(r, sentence);
}

/* Calls `fn` for the pool of that name, or for all. False: there is none, which was answered. */
static bool for_pools(struct request *r, const char *name, void (*fn)(struct pool *, usec))
{
	bool found = false;

	for (size_t i = 0; i < r->rpc->n_pools; i++) {
		if (*name && strcmp(name, pg_pool_name(r->rpc->pools[i].pg)) != 0)
			continue;
		fn(pg_pool_core(r->rpc->pools[i].pg), rpc_now());
		found = true;
	}
	if (!found)
		request_fail(r, SIDEPOOL_E_UNKNOWN_POOL, "there is no pool \"%s\"", name);
	return found;
}

static void do_revoke(struct request *r, const Sidepool__V1__RevokeLease *m)
{
	struct lease *l = m->lease_id ? lease_find(r->rpc->core, m->lease_id) : NULL;
	char sentence[SENTENCE_BYTES];

	if (!l) {
		request_fail(r, SIDEPOOL_E_UNKNOWN_LEASE, "there is no lease %llu",
			     (unsigned long long)m->lease_id);
		return;
	}
	(void)snprintf(sentence, sizeof(sentence), "revoked lease %llu of %s",
		       (unsigned long long)m->lease_id,
		       ((struct rpc_lease *)l->owner)->application);
	lease_revoke(l, rpc_now());
	reply_done(r, sentence);
}

static void do_breaker(struct request *r, const Sidepool__V1__BreakerCommand *m)
{
	char sentence[SENTENCE_BYTES];

	if (!for_pools(r, m->pool, m->trip ? pool_trip : pool_reset))
		return;
	(void)snprintf(sentence, sizeof(sentence), "%s the breaker of %s%s",
		       m->trip ? "tripped" : "reset", *m->pool ? "pool " : "every pool", m->pool);
	reply_done(r, sentence);
}

static void do_pool(struct request *r, const Sidepool__V1__PoolCommand *m)
{
	static const struct {
		void (*fn)(struct pool *, usec);
		const char *done;
	} actions[] = {
		[SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_PAUSE] = { pool_pause, "paused" },
		[SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_RESUME] = { pool_resume, "resumed" },
		[SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_RECONNECT] = { pool_reconnect,
								       "will replace the connections of" },
	};
	char sentence[SENTENCE_BYTES];
	unsigned action = (unsigned)m->action;

	if (action >= ARRAY_LEN(actions) || !actions[action].fn) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "pool.action is missing or unknown");
		return;
	}
	if (!for_pools(r, m->pool, actions[action].fn))
		return;
	(void)snprintf(sentence, sizeof(sentence), "%s %s%s", actions[action].done,
		       *m->pool ? "pool " : "every pool", m->pool);
	reply_done(r, sentence);
}

static void do_cancel(struct request *r, const Sidepool__V1__CancelRequest *m)
{
	struct request *other = queries_find(r->rpc, m->request_id);
	char sentence[SENTENCE_BYTES];

	if (!other) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "no request %llu waits or runs; it may have ended",
			     (unsigned long long)m->request_id);
		return;
	}
	(void)snprintf(sentence, sizeof(sentence), "cancelled request %llu of %s",
		       (unsigned long long)m->request_id, other->client->name);
	request_cancel(other);
	reply_done(r, sentence);
}

static void do_kill(struct request *r, const Sidepool__V1__KillApplication *m)
{
	char sentence[SENTENCE_BYTES];
	unsigned requests, leases;

	if (!*m->pattern) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "kill needs a name or a pattern of names (\"seed-*\")");
		return;
	}
	queries_kill(r->rpc, m->pattern, &requests, &leases);
	if (requests + leases > 0)
		(void)snprintf(sentence, sizeof(sentence),
			       "cancelled %u request%s and revoked %u lease%s of \"%.100s\"",
			       requests, requests == 1 ? "" : "s", leases, leases == 1 ? "" : "s",
			       m->pattern);
	else
		(void)snprintf(sentence, sizeof(sentence),
			       "nothing of \"%.100s\" waits, runs or holds a lease", m->pattern);
	reply_done(r, sentence);
}

static void do_drain(struct request *r)
{
	struct rpc *rpc = r->rpc;

	reply_done(r, "drains, then stops");
	rpc->ops->drain(rpc->userdata);
}

void admin_handle(struct request *r)
{
	const Sidepool__V1__Admin *m = r->message->admin;
	struct config_facts facts;

	client_facts(r->client, &facts);
	if (!config_is_admin(r->rpc->config, &facts)) {
		request_fail(r, SIDEPOOL_E_PERMISSION_DENIED,
			     "uid %u is no administrator of this daemon", (unsigned)facts.uid);
		return;
	}
	switch (m->action_case) {
	case SIDEPOOL__V1__ADMIN__ACTION_REVOKE_LEASE:
		do_revoke(r, m->revoke_lease);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_BREAKER:
		do_breaker(r, m->breaker);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_POOL:
		do_pool(r, m->pool);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_RELOAD:
		admin_reload(r);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_DRAIN:
		do_drain(r);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_CANCEL:
		do_cancel(r, m->cancel);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_KILL:
		do_kill(r, m->kill);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_CONFIG:
		admin_config(r);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_SET:
		admin_set(r, m->set);
		break;
	case SIDEPOOL__V1__ADMIN__ACTION_UNSET:
		admin_unset(r, m->unset);
		break;
	default:
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "admin.action is missing or unknown");
	}
}
