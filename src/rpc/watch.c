/* SPDX-License-Identifier: MIT */
/*
 * A pool is compared with what was last told of it: its breaker and whether it is paused after each
 * turn of decisions, its health, which changes with time alone too, every second. What is told is
 * the difference, so a state that lasted for less than that is not told of.
 */
#include "rpc/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/lease-internal.h"
#include "rpc/lease.h"
#include "rpc/plan.h"
#include "rpc/rpc-internal.h"
#include "rpc/status.h"
#include "util/error.h"

enum {
	HEALTH_EVERY_MS = 1000,
	SQL_MOST = 1000,
	NAME_BYTES = 128,
};

struct watching {
	struct rpc *rpc;
	uv_timer_t timer;
	struct topic health; /* of the daemon as a whole */
	enum health_level budget;
};

static const char *name_of(const struct rpc_pool *p)
{
	return p->config->name;
}

/* ---- breaker and pause ---- */

static Sidepool__V1__BreakerState wire_state(enum breaker_state s)
{
	switch (s) {
	case BREAKER_CLOSED:
		return SIDEPOOL__V1__BREAKER_STATE__BREAKER_STATE_CLOSED;
	case BREAKER_OPEN:
		return SIDEPOOL__V1__BREAKER_STATE__BREAKER_STATE_OPEN;
	case BREAKER_HALF_OPEN:
		break;
	}
	return SIDEPOOL__V1__BREAKER_STATE__BREAKER_STATE_HALF_OPEN;
}

static void tell_breaker(struct rpc_pool *p, struct rpc *rpc, const struct pool *core)
{
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__BreakerEvent m = SIDEPOOL__V1__BREAKER_EVENT__INIT;
	const struct breaker *b = &core->breaker;

	m.from = wire_state(p->watch.state);
	m.to = wire_state(b->state);
	m.reason = (char *)pg_pool_failure(p->pg);
	m.retry_ms =
		b->tripped ? 0 : breaker_retry_after(b, &core->settings, rpc_now()) / USEC_PER_MS;
	m.by_hand = b->tripped;
	event.kind_case = SIDEPOOL__V1__EVENT__KIND_BREAKER;
	event.breaker = &m;
	p->watch.state = b->state;
	p->watch.tripped = b->tripped;
	topic_publish(&p->watch.breaker, rpc, name_of(p), &event);
}

static void tell_pause(struct rpc_pool *p, struct rpc *rpc, bool paused)
{
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__PauseEvent m = SIDEPOOL__V1__PAUSE_EVENT__INIT;

	m.paused = paused;
	event.kind_case = SIDEPOOL__V1__EVENT__KIND_PAUSE;
	event.pause = &m;
	p->watch.paused = paused;
	topic_publish(&p->watch.pause, rpc, name_of(p), &event);
}

void watch_look(struct rpc_pool *p, struct rpc *rpc)
{
	const struct pool *core = pg_pool_core(p->pg);

	if (core->breaker.state != p->watch.state || core->breaker.tripped != p->watch.tripped)
		tell_breaker(p, rpc, core);
	if (core->paused != p->watch.paused)
		tell_pause(p, rpc, core->paused);
}

/* ---- health ---- */

struct told {
	struct topic *topic;
	const char *pool;
	const char *name;
	enum health_level *level; /* as last told */
};

static void compare(struct rpc *rpc, const struct told *t, const struct health_check *check,
		    usec now)
{
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__HealthEvent m = SIDEPOOL__V1__HEALTH_EVENT__INIT;
	Sidepool__V1__HealthCheck c = SIDEPOOL__V1__HEALTH_CHECK__INIT;
	char name[NAME_BYTES];

	if (check->level == *t->level)
		return;
	(void)snprintf(name, sizeof(name), "%s%s%s", t->name, *t->pool ? " " : "", t->pool);
	c.name = name;
	c.level = status_health_level(check->level);
	c.reason = (char *)check->reason;
	c.advice = (char *)check->advice;
	m.from = status_health_level(*t->level);
	m.check = &c;
	m.level = status_health_level(health_level(rpc->core, now));
	event.kind_case = SIDEPOOL__V1__EVENT__KIND_HEALTH;
	event.health = &m;
	*t->level = check->level;
	topic_publish(t->topic, rpc, t->pool, &event);
}

static void check_pool(struct rpc *rpc, struct rpc_pool *p, usec now)
{
	static const char *const names[] = { "database", "acquisition", "limits" };
	const struct pool *core = pg_pool_core(p->pg);
	struct health_check checks[WATCH_CHECKS_N];

	health_check_database(core, now, &checks[WATCH_DATABASE]);
	health_check_acquisition(core, now, &checks[WATCH_ACQUISITION]);
	health_check_limits(core, &checks[WATCH_LIMITS]);
	for (size_t i = 0; i < WATCH_CHECKS_N; i++)
		compare(rpc,
			&(struct told){ &p->watch.health, name_of(p), names[i],
					&p->watch.levels[i] },
			&checks[i], now);
}

static void on_timer(uv_timer_t *timer)
{
	struct watching *w = container_of(timer, struct watching, timer);
	struct rpc *rpc = w->rpc;
	usec now = rpc_now();
	struct health_check budget;

	/* The pools go while the loop still runs; and what is about to leave has no health to tell. */
	if (!rpc->events_url || rpc->draining)
		return;
	health_check_budget(rpc->core, now, &budget);
	compare(rpc, &(struct told){ &w->health, "", "budget", &w->budget }, &budget, now);
	for (size_t i = 0; i < rpc->n_pools; i++)
		check_pool(rpc, &rpc->pools[i], now);
}

/* ---- leases and statements ---- */

void watch_lease(const struct rpc_lease *l, bool revoked, const char *reason)
{
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__LeaseEvent m = SIDEPOOL__V1__LEASE_EVENT__INIT;
	Sidepool__V1__LeaseStatus status;

	status_fill_lease(l, &status);
	m.change = revoked ? SIDEPOOL__V1__LEASE_CHANGE__LEASE_CHANGE_REVOKED
			   : SIDEPOOL__V1__LEASE_CHANGE__LEASE_CHANGE_WARNED;
	m.lease = &status;
	m.reason = (char *)reason;
	m.waiting = pg_pool_core(l->pool->pg)->waiting;
	event.kind_case = SIDEPOOL__V1__EVENT__KIND_LEASE;
	event.lease = &m;
	topic_publish(&l->pool->watch.lease, l->rpc, name_of(l->pool), &event);
}

void watch_cut(char *to, const char *sql, size_t most)
{
	size_t n = strnlen(sql, most);

	while (n > 0 && ((unsigned char)sql[n] & 0xc0) == 0x80)
		n--;
	memcpy(to, sql, n);
	to[n] = '\0';
}

void watch_tell_statement(struct rpc_pool *p, struct rpc *rpc, Sidepool__V1__StatementEvent *m)
{
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;

	event.kind_case = SIDEPOOL__V1__EVENT__KIND_STATEMENT;
	event.statement = m;
	topic_publish(&p->watch.statement, rpc, name_of(p), &event);
}

void watch_statement(const struct request *r, const char *sql, usec wait, usec run)
{
	Sidepool__V1__StatementEvent m = SIDEPOOL__V1__STATEMENT_EVENT__INIT;
	const struct client *c = r->client;
	char text[SQL_MOST + 1] = "";

	if (r->rpc->config->events_statements)
		watch_cut(text, sql, SQL_MOST);
	if (c) {
		m.application = (char *)c->name;
		m.pid = (uint32_t)c->facts.pid;
		m.unit = (char *)c->facts.unit;
	}
	m.call_site = r->message->call_site;
	m.traceparent = r->message->traceparent;
	m.wait_us = wait;
	m.run_us = run;
	m.sqlstate = (char *)r->failure.sqlstate;
	m.statements = (uint32_t)MAX(r->n_texts, (size_t)1);
	m.sql = text;
	if (!plan_begin(r, &m))
		watch_tell_statement(r->pool, r->rpc, &m);
}

/* ---- life ---- */

int watching_init(struct rpc *rpc)
{
	struct watching *w = calloc(1, sizeof(*w));

	if (!w)
		return err_raise(-ENOMEM);
	w->rpc = rpc;
	topic_init(&w->health, rpc, "event", "", "health");
	(void)uv_timer_init(rpc->loop, &w->timer);
	(void)uv_timer_start(&w->timer, on_timer, HEALTH_EVERY_MS, HEALTH_EVERY_MS);
	uv_unref((uv_handle_t *)&w->timer);
	rpc->watching = w;
	return 0;
}

void watching_add_pool(struct rpc *rpc, struct rpc_pool *p)
{
	const char *name = pg_pool_name(p->pg);

	topic_init(&p->watch.breaker, rpc, "event", name, "breaker");
	topic_init(&p->watch.lease, rpc, "event", name, "lease");
	topic_init(&p->watch.pause, rpc, "event", name, "pause");
	topic_init(&p->watch.health, rpc, "event", name, "health");
	topic_init(&p->watch.statement, rpc, "event", name, "statement");
	topic_init(&p->watch.submit, rpc, "event", name, "submit");
}

void watching_stop(struct rpc *rpc)
{
	(void)uv_timer_stop(&rpc->watching->timer);
}

static void on_closed(uv_handle_t *timer)
{
	free(container_of((uv_timer_t *)timer, struct watching, timer));
}

void watching_deinit(struct rpc *rpc)
{
	if (rpc->watching)
		uv_close((uv_handle_t *)&rpc->watching->timer, on_closed);
	rpc->watching = NULL;
}
