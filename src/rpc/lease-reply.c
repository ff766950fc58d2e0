/* SPDX-License-Identifier: MIT */
/* Lease, Release, Renew; and what answers, the log and the core say of a lease. */
#include <stdio.h>
#include <string.h>

#include "core/application.h"
#include "rpc/kinds.h"
#include "rpc/lease-internal.h"
#include "rpc/lease.h"
#include "rpc/watch.h"
#include "util/error.h"
#include "util/log.h"

enum {
	NOTIFICATIONS_MAX_BYTES = 1024 * 1024,
};

const char *lease_state_text(const struct rpc_lease *l)
{
	if (l->running)
		return "running";
	return l->task.conn && pg_conn_transaction(l->task.conn) != 'I' ? "idle in transaction"
									: "idle";
}

/* ---- Lease ---- */

static void run_lease(struct request *r)
{
	request_end(r);
}

static const struct request_kind lease_kind = {
	.name = "lease",
	.run = run_lease,
};

void lease_handle(struct request *r)
{
	static Sidepool__V1__LeaseOptions defaults = SIDEPOOL__V1__LEASE_OPTIONS__INIT;

	if (r->message->lease) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "a lease cannot be taken on a lease");
		return;
	}
	if (!r->message->acquire)
		r->message->acquire = &defaults;
	if (lease_resolve(r))
		request_submit(r, &lease_kind);
}

/* ---- Release ---- */

static void run_release(struct request *r)
{
	if (pg_conn_transaction(r->lease->task.conn) == 'I') {
		request_end(r);
		return;
	}
	request_begin_call(r);
	request_end_call(r);
}

static const struct request_kind release_kind = {
	.name = "release",
	.run = run_release,
};

void release_handle(struct request *r)
{
	if (!r->message->lease) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "release needs the lease");
		return;
	}
	if (r->message->finish == SIDEPOOL__V1__FINISH__FINISH_UNSPECIFIED)
		r->message->finish = SIDEPOOL__V1__FINISH__FINISH_ROLLBACK;
	if (!lease_resolve(r))
		return;
	(void)lease_take_begin(r->lease); /* a transaction that never began needs no end */
	request_submit(r, &release_kind);
}

/* ---- Renew ---- */

void renew_handle(struct request *r)
{
	if (!r->message->lease) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "renew needs the lease");
		return;
	}
	if (!lease_resolve(r))
		return;
	lease_prolong(r->lease, r->message->renew->hold_ms);
	r->tells_grant = true;
	request_answer(r);
}

/* ---- what an answer says ---- */

static Sidepool__V1__TransactionStatus transaction_of(const struct rpc_lease *l)
{
	char status = l->task.conn && !l->closing ? pg_conn_transaction(l->task.conn) : 'I';

	switch (status) {
	case 'I':
		return SIDEPOOL__V1__TRANSACTION_STATUS__TRANSACTION_STATUS_IDLE;
	case 'E':
		return SIDEPOOL__V1__TRANSACTION_STATUS__TRANSACTION_STATUS_FAILED;
	default:
		return SIDEPOOL__V1__TRANSACTION_STATUS__TRANSACTION_STATUS_ACTIVE;
	}
}

static void fill_grant(const struct rpc_lease *l, Sidepool__V1__LeaseGrant *g)
{
	usec left =
		l->core.expires == USEC_NEVER ? USEC_NEVER : usec_sub(l->core.expires, rpc_now());

	g->lease_id = l->core.id;
	g->token = l->core.token;
	g->expires_ms = (uint32_t)MIN(left / USEC_PER_MS, (usec)UINT32_MAX);
	g->backend_pid = (uint32_t)pg_conn_backend_pid(l->task.conn);
}

/* The settings that PostgreSQL reports otherwise than the client was told. Returns their number. */
static size_t changed_parameters(struct rpc_lease *l, struct pg_parameters *now,
				 Sidepool__V1__ParameterStatus *p,
				 Sidepool__V1__ParameterStatus **list)
{
	size_t n = 0;

	if (!l->task.conn || pg_conn_state(l->task.conn) != PG_CONN_UP ||
	    !pg_parameters_differ(&l->told, l->task.conn))
		return 0;
	pg_parameters_take(now, l->task.conn);
	for (size_t i = 0; i < PG_PARAMETERS_N; i++) {
		if (!strcmp(now->values[i], l->told.values[i]))
			continue;
		sidepool__v1__parameter_status__init(&p[n]);
		p[n].name = (char *)pg_parameter_name(i);
		p[n].value = now->values[i];
		list[n] = &p[n];
		n++;
	}
	l->told = *now;
	return n;
}

int lease_pack_envelope(struct rpc_lease *l, struct request *r, struct buf *out)
{
	Sidepool__V1__Response m = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__LeaseGrant grant = SIDEPOOL__V1__LEASE_GRANT__INIT;
	Sidepool__V1__ParameterStatus parameters[PG_PARAMETERS_N], *list[PG_PARAMETERS_N];
	struct pg_parameters now;
	uint8_t *at;

	if (!l->core.id)
		return 0;
	m.transaction_status = transaction_of(l);
	if ((r->taking_lease || r->tells_grant) && !l->closing) {
		fill_grant(l, &grant);
		m.lease = &grant;
	}
	m.n_parameters = changed_parameters(l, &now, parameters, list);
	m.parameters = list;
	at = buf_reserve(out,
			 sidepool__v1__response__get_packed_size(&m) + buf_len(&l->notifications));
	if (!at)
		return err_raise(-ENOMEM);
	buf_added(out, sidepool__v1__response__pack(&m, at));
	(void)buf_append(out, buf_len(&l->notifications) ? buf_at(&l->notifications) : NULL,
			 buf_len(&l->notifications));
	buf_reset(&l->notifications, 0);
	return 0;
}

void lease_notified(struct rpc_lease *l, const char *channel, const char *payload, int backend_pid)
{
	Sidepool__V1__Response m = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Notification n = SIDEPOOL__V1__NOTIFICATION__INIT, *list = &n;
	uint8_t *at;

	n.channel = (char *)channel;
	n.payload = (char *)payload;
	n.backend_pid = (uint32_t)backend_pid;
	m.n_notifications = 1;
	m.notifications = &list;
	if (buf_len(&l->notifications) > NOTIFICATIONS_MAX_BYTES)
		return;
	at = buf_reserve(&l->notifications, sidepool__v1__response__get_packed_size(&m));
	if (at)
		buf_added(&l->notifications, sidepool__v1__response__pack(&m, at));
}

/* ---- what the core decides ---- */

/* "pid 4121 cron-reports.service seed.ts:88 idle in transaction 41 s, 6 of api waiting" */
void lease_blame(const struct rpc_lease *l, char *text, size_t size)
{
	const struct client *c = l->client;
	const struct application *waits;
	uint32_t n_waiting;
	int n;

	n = snprintf(text, size, "pid %d %s%s%s %s %.0f s", c ? (int)c->facts.pid : 0,
		     c && c->facts.unit[0] ? c->facts.unit : l->application,
		     l->call_site[0] ? " " : "", l->call_site, lease_state_text(l),
		     (double)usec_sub(rpc_now(), l->core.state_since) / USEC_PER_SEC);
	waits = application_waiting_most(pg_pool_core(l->pool->pg), &n_waiting);
	if (waits && n >= 0 && (size_t)n < size)
		(void)snprintf(text + n, size - (size_t)n, ", %u of %s waiting", n_waiting,
			       waits->name);
}

static void tell(const struct rpc_lease *l, const char *what)
{
	const struct client *c = l->client;
	char blame[LEASE_BLAME_BYTES];

	lease_blame(l, blame, sizeof(blame));
	log_warning(LOG_FIELDS(log_str("APPLICATION", l->application),
			       log_str("POOL", l->pool->config->name),
			       log_uint("LEASE", l->core.id), log_int("PID", c ? c->facts.pid : 0),
			       log_str("UNIT", c ? c->facts.unit : ""),
			       log_str("CALL_SITE", l->call_site)),
		    "lease %llu of %s %s: %s", (unsigned long long)l->core.id, l->application, what,
		    blame);
}

static enum sidepool_error_code code_of(enum revocation why)
{
	switch (why) {
	case REVOKE_EXPIRED:
		return SIDEPOOL_E_LEASE_EXPIRED;
	case REVOKE_IDLE:
		return SIDEPOOL_E_LEASE_IDLE;
	case REVOKE_IDLE_IN_TRANSACTION:
		return SIDEPOOL_E_IDLE_IN_TRANSACTION;
	case REVOKE_TRANSACTION:
		return SIDEPOOL_E_TRANSACTION_TIMEOUT;
	case REVOKE_ADMIN:
		break;
	}
	return SIDEPOOL_E_LEASE_REVOKED;
}

static void publish(const struct rpc_lease *l, const struct decision *d)
{
	char blame[LEASE_BLAME_BYTES], reason[LEASE_BLAME_BYTES + 64];

	lease_blame(l, blame, sizeof(blame));
	(void)snprintf(reason, sizeof(reason), "%s: %s", revocation_to_string(d->revocation),
		       blame);
	watch_lease(l, d->type == DECISION_REVOKE, reason);
}

void lease_decided(const struct decision *d)
{
	struct rpc_lease *l = d->lease->owner;

	if (d->type == DECISION_WARN) {
		tell(l, "will be revoked");
		publish(l, d);
		return;
	}
	tell(l, "is revoked");
	publish(l, d);
	lease_take_away(l, code_of(d->revocation));
}
