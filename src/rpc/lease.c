/* SPDX-License-Identifier: MIT */
/*
 * Requests on a lease wait in its queue, the first of them runs. The lease itself waits for its
 * connection as any request does; what comes for it meanwhile waits with it.
 *
 *	asked for --granted--> held --finish, release, revoked, lost, client gone--> closing --reset--> gone
 *
 * A lease that was taken away leaves a gravestone with its client, so that the next message on it
 * hears why.
 */
#include "rpc/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lease.h"
#include "pg/classify.h"
#include "pg/text.h"
#include "rpc/lease-internal.h"
#include "rpc/rpc-internal.h"

struct pg_task *lease_task(struct rpc_lease *l)
{
	return &l->task;
}

struct xact *lease_xact(struct rpc_lease *l)
{
	return &l->xact;
}

bool lease_is_held(const struct rpc_lease *l)
{
	return l->held;
}

enum sidepool_error_code lease_close_code(const struct rpc_lease *l)
{
	return l->close_code;
}

bool lease_begin_is_setup(const struct rpc_lease *l)
{
	return l->session_setup;
}

const char *lease_take_begin(struct rpc_lease *l)
{
	if (!l->to_begin)
		return NULL;
	l->to_begin = false;
	return l->begin_sql;
}

bool lease_is_to_begin(const struct rpc_lease *l)
{
	return l->to_begin;
}

/* ---- its requests ---- */

static void fail_queue(struct rpc_lease *l, const struct failure *f)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&l->queue))) {
		lease_dequeue(l, r);
		r->state = REQUEST_ENDED;
		r->lease = NULL;
		request_fail_with(r, f);
	}
}

void lease_dequeue(struct rpc_lease *l, struct request *r)
{
	if (!r->in_lease_queue)
		return;
	TAILQ_REMOVE(&l->queue, r, on_lease);
	r->in_lease_queue = false;
}

static void run_next(struct rpc_lease *l)
{
	struct request *r = TAILQ_FIRST(&l->queue);

	if (!r || l->running || !l->held)
		return;
	lease_dequeue(l, r);
	l->running = r;
	if (l->core.state != LEASE_REVOKING)
		lease_enter(&l->core, LEASE_RUNNING, rpc_now());
	request_run(r);
}

void lease_enqueue(struct rpc_lease *l, struct request *r)
{
	TAILQ_INSERT_TAIL(&l->queue, r, on_lease);
	r->in_lease_queue = true;
	if (l->held && l->running && r->deadline < l->core.ticket.deadline)
		lease_watch_deadline(l, l->deadline);
	run_next(l);
}

/*
 * The lease has one place in the core's list of deadlines: it is the first's, of those that run and
 * wait here.
 */
void lease_watch_deadline(struct rpc_lease *l, usec deadline)
{
	const struct request *r;

	l->deadline = deadline;
	TAILQ_FOREACH (r, &l->queue, on_lease)
		deadline = MIN(deadline, r->deadline);
	core_set_deadline(l->rpc->core, &l->core.ticket, deadline, rpc_now());
	pg_engine_kick(l->rpc->engine);
}

static void expire_queue(struct rpc_lease *l, usec now)
{
	struct request *r, *next;

	for (r = TAILQ_FIRST(&l->queue); r; r = next) {
		next = TAILQ_NEXT(r, on_lease);
		if (r->deadline > now)
			continue;
		lease_dequeue(l, r);
		r->state = REQUEST_ENDED;
		r->lease = NULL;
		r->failure.outcome = FAILURE_NOT_SENT;
		request_fail(
			r, SIDEPOOL_E_DEADLINE_EXCEEDED,
			"the deadline passed while the request waited for its turn on the lease");
	}
}

void lease_request_ended(struct rpc_lease *l, struct request *r)
{
	usec now = rpc_now();
	char transaction;

	l->running = NULL;
	lease_watch_deadline(l, USEC_NEVER);
	if (r->finishes_lease)
		l->closing = true;
	if (!l->task.conn || pg_conn_state(l->task.conn) != PG_CONN_UP) {
		l->closing = true;
		l->close_code = SIDEPOOL_E_LEASE_LOST;
		return;
	}
	transaction = pg_conn_transaction(l->task.conn);
	if (transaction == 'I')
		l->xact.id[0] = '\0';
	if (l->core.state != LEASE_REVOKING)
		lease_enter(&l->core, transaction == 'I' ? LEASE_IDLE : LEASE_IDLE_IN_TRANSACTION,
			    now);
	pg_engine_kick(r->rpc->engine);
}

void lease_go_on(struct rpc_lease *l)
{
	if (l->closing)
		lease_close(l);
	else
		run_next(l);
}

void lease_prolong(struct rpc_lease *l, uint32_t hold_ms)
{
	(void)lease_renew(&l->core, hold_ms * USEC_PER_MS, rpc_now());
	pg_engine_kick(l->client->rpc->engine);
}

/* ---- its end ---- */

static void bury(struct client *c, const struct rpc_lease *l)
{
	struct gravestone *g = &c->graves[c->n_graves++ % GRAVES_MAX];

	*g = (struct gravestone){ .id = l->core.id, .token = l->core.token, .code = l->close_code };
}

static void leave_client(struct rpc_lease *l)
{
	struct client *c = l->client;

	if (!c)
		return;
	if (l->close_code && l->core.id)
		bury(c, l);
	TAILQ_REMOVE(&c->leases, l, link);
	c->user->leases--;
	l->client = NULL;
}

void lease_close(struct rpc_lease *l)
{
	struct failure f = { .code = 0 };

	if (l->closed)
		return;
	l->closed = true;
	l->held = false;
	failure_set(&f, l->close_code ? l->close_code : SIDEPOOL_E_UNKNOWN_LEASE, NULL);
	f.outcome = FAILURE_NOT_SENT;
	leave_client(l);
	fail_queue(l, &f);
	lease_end(&l->core, rpc_now());
	pg_task_finish(l->rpc->engine, &l->task);
}

void lease_take_away(struct rpc_lease *l, enum sidepool_error_code code)
{
	l->close_code = code;
	l->closing = true;
	if (l->running)
		request_cancel(l->running);
	else
		lease_close(l);
}

static void lease_free(struct rpc_lease *l)
{
	leave_client(l);
	l->rpc->n_leases--;
	buf_deinit(&l->notifications);
	free(l);
}

static void on_granted(struct pg_task *task)
{
	struct rpc_lease *l = container_of(task, struct rpc_lease, task);

	lease_begin(&l->core, &l->settings, rpc_now());
	l->held = true;
	pg_parameters_take(&l->told, task->conn);
	if (l->session_setup)
		pg_task_touches(task, PG_TOUCH_SETTINGS);
	/*
	 * Who asked for it may have gone, or have cancelled the request that was to take it: then
	 * nobody knows of it.
	 */
	if (l->client && !TAILQ_EMPTY(&l->queue))
		run_next(l);
	else
		lease_close(l);
}

static void on_refused(struct pg_task *task, enum refusal why, usec retry_after_us,
		       const char *reason)
{
	struct rpc_lease *l = container_of(task, struct rpc_lease, task);
	struct request *r;

	l->closed = true;
	while ((r = TAILQ_FIRST(&l->queue))) {
		lease_dequeue(l, r);
		r->state = REQUEST_ENDED;
		request_set_refusal(r, why, retry_after_us, reason);
		r->lease = NULL;
		request_answer(r);
	}
	lease_free(l);
}

static void on_expired(struct pg_task *task)
{
	struct rpc_lease *l = container_of(task, struct rpc_lease, task);

	usec now = rpc_now();

	expire_queue(l, now);
	if (l->running && l->deadline <= now)
		request_expire(l->running);
	else
		lease_watch_deadline(l, l->deadline);
}

static void on_lost(struct pg_task *task)
{
	struct rpc_lease *l = container_of(task, struct rpc_lease, task);

	/* Held up by a cancel for another, it was not granted yet. */
	if (!l->held && l->client && !TAILQ_EMPTY(&l->queue)) {
		pg_task_again(l->rpc->engine, task);
		return;
	}
	l->close_code = SIDEPOOL_E_LEASE_LOST;
	l->closing = true;
	lease_close(l);
}

static void on_done(struct pg_task *task)
{
	lease_free(container_of(task, struct rpc_lease, task));
}

static const struct pg_task_ops task_ops = {
	.granted = on_granted,
	.refused = on_refused,
	.expired = on_expired,
	.lost = on_lost,
	.done = on_done,
};

void leases_abandon(struct client *c)
{
	struct rpc_lease *l, *next;

	for (l = TAILQ_FIRST(&c->leases); l; l = next) {
		next = TAILQ_NEXT(l, link);
		if (l->held && l->running) {
			/* its running request was abandoned, and is being cancelled */
			l->closing = true;
			leave_client(l);
		} else if (l->held) {
			lease_close(l);
		} else if (pg_task_withdraw(c->rpc->engine, &l->task)) {
			lease_free(l);
		} else {
			leave_client(l);
		}
	}
}

/* ---- taking one ---- */

static const char *isolation_sql(Sidepool__V1__Isolation isolation)
{
	switch (isolation) {
	case SIDEPOOL__V1__ISOLATION__ISOLATION_READ_UNCOMMITTED:
		return " ISOLATION LEVEL READ UNCOMMITTED";
	case SIDEPOOL__V1__ISOLATION__ISOLATION_READ_COMMITTED:
		return " ISOLATION LEVEL READ COMMITTED";
	case SIDEPOOL__V1__ISOLATION__ISOLATION_REPEATABLE_READ:
		return " ISOLATION LEVEL REPEATABLE READ";
	case SIDEPOOL__V1__ISOLATION__ISOLATION_SERIALIZABLE:
		return " ISOLATION LEVEL SERIALIZABLE";
	default:
		return "";
	}
}

static void write_begin(char *sql, size_t size, const struct request *r,
			const Sidepool__V1__TransactionOptions *o)
{
	bool read_only = r->client->config->read_only || (o && o->read_only);

	(void)snprintf(sql, size, "BEGIN%s%s%s", o ? isolation_sql(o->isolation) : "",
		       read_only ? " READ ONLY" : "", o && o->deferrable ? " DEFERRABLE" : "");
}

const char *lease_begin_sql(struct request *r, const Sidepool__V1__TransactionOptions *options)
{
	char sql[LEASE_SQL_BYTES];
	const char *copy;

	write_begin(sql, sizeof(sql), r, options);
	copy = arena_strndup(&r->arena, sql, strlen(sql));
	return copy ? copy : "BEGIN";
}

static struct lease_settings settings_for(const struct config_timeouts *t, uint32_t hold_ms)
{
	return (struct lease_settings){
		.hold_us = hold_ms ? MIN(hold_ms * USEC_PER_MS, t->lease_us) : t->lease_us,
		.idle_us = t->lease_idle_us,
		.idle_transaction_us = t->idle_transaction_us,
		.transaction_us = t->transaction_us,
	};
}

static void prepare_begin(struct rpc_lease *l, struct request *r,
			  const Sidepool__V1__LeaseOptions *o)
{
	if (o && o->begin) {
		write_begin(l->begin_sql, sizeof(l->begin_sql), r, o->transaction);
		l->to_begin = true;
	} else if (r->client->config->read_only) {
		(void)snprintf(l->begin_sql, sizeof(l->begin_sql),
			       "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
		l->session_setup = true;
		l->to_begin = true;
	}
}

static struct rpc_lease *new_lease(struct request *r, const Sidepool__V1__LeaseOptions *o)
{
	struct client *c = r->client;
	struct rpc_lease *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->rpc = r->rpc;
	l->client = c;
	l->pool = r->pool;
	l->settings = settings_for(&c->config->timeouts, o ? o->hold_ms : 0);
	l->core.owner = l;
	l->deadline = USEC_NEVER;
	TAILQ_INIT(&l->queue);
	l->core.ticket.pool = pg_pool_core(r->pool->pg);
	l->core.ticket.app = c->application;
	l->core.ticket.deadline = r->deadline;
	l->core.ticket.acquire_deadline =
		usec_add(r->received, config_acquire_timeout(r->pool->config, c->config));
	l->task.ticket = &l->core.ticket;
	l->task.ops = &task_ops;
	l->task.exclusive = true;
	l->task.session = true;
	(void)snprintf(l->application, sizeof(l->application), "%s", c->name);
	l->task.application = l->application;
	(void)snprintf(l->call_site, sizeof(l->call_site), "%s", r->message->call_site);
	prepare_begin(l, r, o);
	TAILQ_INSERT_TAIL(&c->leases, l, link);
	c->user->leases++;
	r->rpc->n_leases++;
	return l;
}

static bool take(struct request *r, const Sidepool__V1__LeaseOptions *options)
{
	struct client *c = r->client;

	if (r->rpc->draining) {
		request_fail_draining(r);
		return false;
	}
	if (c->user->leases >= r->rpc->config->max_leases_per_uid) {
		request_fail(r, SIDEPOOL_E_TOO_MANY_REQUESTS,
			     "uid %u has %u leases, which is max_leases_per_uid", c->user->uid,
			     c->user->leases);
		return false;
	}
	r->taking_lease = true;
	r->lease_options = options;
	return true;
}

bool lease_attach_new(struct request *r)
{
	struct rpc_lease *l = new_lease(r, r->lease_options);

	if (!l) {
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		return false;
	}
	r->lease = l;
	r->pool->leases_total++;
	pg_task_submit(r->rpc->engine, &l->task);
	return true;
}

/* ---- finding one ---- */

static void fail_unknown(struct request *r, const Sidepool__V1__LeaseRef *ref)
{
	const struct client *c = r->client;

	r->failure.outcome = FAILURE_NOT_SENT;
	for (size_t i = 0; i < GRAVES_MAX; i++) {
		if (c->graves[i].id == ref->lease_id && ref->lease_id != 0) {
			request_fail(r, c->graves[i].code, NULL);
			return;
		}
	}
	request_fail(r, SIDEPOOL_E_UNKNOWN_LEASE, "this connection holds no lease %llu",
		     (unsigned long long)ref->lease_id);
}

static bool find(struct request *r, const Sidepool__V1__LeaseRef *ref)
{
	struct lease *core = ref->lease_id ? lease_find(r->rpc->core, ref->lease_id) : NULL;
	struct rpc_lease *l = core ? core->owner : NULL;

	/* Of another client's lease nobody learns that it exists. */
	if (!l || l->client != r->client || !l->held) {
		fail_unknown(r, ref);
		return false;
	}
	if (core->token != ref->token) {
		request_fail(r, SIDEPOOL_E_STALE_TOKEN, NULL);
		return false;
	}
	if (l->closing) {
		r->failure.outcome = FAILURE_NOT_SENT;
		request_fail(r, l->close_code ? l->close_code : SIDEPOOL_E_UNKNOWN_LEASE, NULL);
		return false;
	}
	r->lease = l;
	r->pool = l->pool;
	if (*r->message->call_site)
		(void)snprintf(l->call_site, sizeof(l->call_site), "%s", r->message->call_site);
	return true;
}

static bool choose_pool(struct request *r)
{
	const char *name = r->message->pool;
	struct rpc *rpc = r->rpc;

	for (size_t i = 0; i < rpc->n_pools; i++) {
		if (!config_may_use_pool(r->client->config, rpc->pools[i].config))
			continue;
		if (*name && strcmp(name, rpc->pools[i].config->name) != 0)
			continue;
		r->pool = &rpc->pools[i];
		return true;
	}
	if (*name)
		request_fail(r, SIDEPOOL_E_UNKNOWN_POOL, "there is no pool \"%s\" for %s", name,
			     r->client->name);
	else
		request_fail(r, SIDEPOOL_E_UNKNOWN_POOL, "there is no pool that %s may use",
			     r->client->name);
	return false;
}

static bool check_finish(struct request *r)
{
	const Sidepool__V1__Request *m = r->message;

	if (m->finish == SIDEPOOL__V1__FINISH__FINISH_UNSPECIFIED)
		return true;
	if (!r->lease && !r->taking_lease) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "finish is for requests on a lease");
		return false;
	}
	r->finishes_lease = true;
	return true;
}

bool lease_resolve(struct request *r)
{
	const Sidepool__V1__Request *m = r->message;

	if (m->lease && m->acquire) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "lease and acquire exclude each other");
		return false;
	}
	r->deadline =
		usec_add(r->received, m->deadline_ms ? m->deadline_ms * USEC_PER_MS
						     : r->client->config->timeouts.request_us);
	if (m->lease) {
		if (!find(r, m->lease))
			return false;
	} else if (!choose_pool(r)) {
		return false;
	}
	if (m->acquire && !take(r, m->acquire))
		return false;
	return check_finish(r);
}
