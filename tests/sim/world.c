/* SPDX-License-Identifier: MIT */
/*
 * The world's mechanics. Each thing that takes time is an event in one heap; world_step() fires the
 * next one, or lets the core wake, and world_settle() then does what the core decides until it has
 * nothing more to say. The jobs on a connection are known here as well as in the core, so that each
 * can be held against the other.
 */
#include "world.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void world_fail(const struct world *w, const char *what, const char *file, int line)
{
	fprintf(stderr,
		"%s:%d: violated: %s\nseed %" PRIu64 ", step %" PRIu64 ", virtual time %.6f s\n",
		file, line, what, w->seed, w->steps, (double)w->now / 1e6);
	abort();
}

static bool sooner(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct event, node)->at < container_of(b, struct event, node)->at;
}

void world_init(struct world *w, uint64_t seed, const struct core_settings *settings)
{
	*w = (struct world){
		.seed = seed, .now = USEC_PER_SEC, .settings = *settings, .most_depth = 1
	};
	rng_init(&w->rng, seed);
	heap_init(&w->events, sooner);
	LIST_INIT(&w->conns);
	TAILQ_INIT(&w->jobs);
	demand(w, core_new(&w->core, settings, seed ^ 0x5eed) == 0);
}

struct core_settings world_core_settings(uint32_t budget)
{
	return (struct core_settings){
		.budget = budget,
		.queue_limit = 100000,
		.max_connecting = 4,
		.degraded_ratio = 0.8,
		.unhealthy_ratio = 0.9,
		.degraded_wait_us = 50 * USEC_PER_MS,
	};
}

struct pool_settings world_pool_settings(uint32_t max_size)
{
	return (struct pool_settings){
		.max_size = max_size,
		.pipeline_depth = 1,
		.pipeline_budget_us = 5 * USEC_PER_MS,
		.idle_timeout_us = 600 * USEC_PER_SEC,
		.max_lifetime_us = USEC_NEVER,
		.keepalive_us = USEC_NEVER,
		.backoff_min_us = 100 * USEC_PER_MS,
		.backoff_max_us = 10 * USEC_PER_SEC,
		.breaker_threshold = 10,
		.breaker_reset_us = 60 * USEC_PER_SEC,
	};
}

struct pool *world_add_pool(struct world *w, const struct pool_settings *s, struct server *server)
{
	struct pool *p;

	demand(w, pool_add(w->core, s, server, w->now, &p) == 0);
	w->pools[w->n_pools++] = p;
	w->most_depth = MAX(w->most_depth, s->pipeline_depth);
	return p;
}

struct application *world_add_app(struct world *w, const char *name, const struct share_settings *s)
{
	struct application *app;

	demand(w, application_get(w->core, name, s, &app) == 0);
	w->apps[w->n_apps++] = app;
	return app;
}

uint64_t world_below(struct world *w, uint64_t n)
{
	return rng_below(&w->rng, n);
}

bool world_chance(struct world *w, double p)
{
	return (double)(rng_next(&w->rng) >> 11) < p * (double)(UINT64_C(1) << 53);
}

usec world_between(struct world *w, usec least, usec most)
{
	double x = (double)(rng_next(&w->rng) >> 11) / (double)(UINT64_C(1) << 53);

	return (usec)((double)least * pow((double)most / (double)least, x));
}

void world_schedule(struct world *w, struct event *e, usec at)
{
	heap_remove(&w->events, &e->node);
	e->at = MAX(at, w->now);
	heap_insert(&w->events, &e->node);
}

static void unschedule(struct world *w, struct event *e)
{
	heap_remove(&w->events, &e->node);
}

static struct job *job_of(struct ticket *t)
{
	return container_of(t, struct job, lease.ticket);
}

struct job *job_new(struct world *w, struct application *app, struct pool *p, usec run_us)
{
	struct job *j = calloc(1, sizeof(*j));

	demand(w, j);
	j->lease.ticket.app = app;
	j->lease.ticket.pool = p;
	j->lease.ticket.deadline = j->lease.ticket.acquire_deadline = USEC_NEVER;
	j->run_us = run_us;
	return j;
}

void job_submit(struct world *w, struct job *j)
{
	TAILQ_INSERT_TAIL(&w->jobs, j, all);
	w->submitted++;
	j->submitted = w->now;
	core_submit(w->core, &j->lease.ticket, w->now);
}

static void job_free(struct world *w, struct job *j)
{
	unschedule(w, &j->event);
	TAILQ_REMOVE(&w->jobs, j, all);
	if (j->on_end)
		j->on_end(w, j);
	free(j);
}

static void job_run(struct world *w, struct job *j);

/* It is off its connection: the next one runs. */
static void job_finish(struct world *w, struct job *j)
{
	struct conn *c = j->conn;

	TAILQ_REMOVE(&c->jobs, j, link);
	c->n_jobs--;
	lease_end(&j->lease, w->now);
	core_finish(w->core, &j->lease.ticket, w->now);
	demand(w, j->lease.ticket.state == TICKET_DONE);
	w->finished++;
	job_free(w, j);
	if (c->up && !TAILQ_EMPTY(&c->jobs) && !heap_linked(&TAILQ_FIRST(&c->jobs)->event.node))
		job_run(w, TAILQ_FIRST(&c->jobs));
}

static void on_finish(struct world *w, struct event *e)
{
	job_finish(w, container_of(e, struct job, event));
}

static void on_lease_statement(struct world *w, struct event *e);

static void on_lease_idle(struct world *w, struct event *e)
{
	struct job *j = container_of(e, struct job, event);

	if (j->lease.state == LEASE_REVOKING)
		return;
	if (j->statements-- == 0) {
		job_finish(w, j);
		return;
	}
	lease_enter(&j->lease, LEASE_RUNNING, w->now);
	if (world_chance(w, 0.2))
		lease_in_transaction(&j->lease, true, w->now);
	j->event.fire = on_lease_statement;
	world_schedule(w, &j->event, w->now + j->run_us);
}

static void on_lease_statement(struct world *w, struct event *e)
{
	struct job *j = container_of(e, struct job, event);

	if (j->lease.state == LEASE_REVOKING)
		return;
	lease_enter(&j->lease, world_chance(w, 0.5) ? LEASE_IDLE : LEASE_IDLE_IN_TRANSACTION,
		    w->now);
	if (world_chance(w, 0.1))
		lease_renew(&j->lease, 0, w->now);
	if (j->forgets)
		return;
	j->event.fire = on_lease_idle;
	world_schedule(w, &j->event, w->now + world_below(w, 20 * USEC_PER_MS));
}

static void lease_job_run(struct world *w, struct job *j)
{
	const struct lease_settings s = {
		.hold_us = 2 * USEC_PER_SEC,
		.idle_us = USEC_PER_SEC,
		.idle_transaction_us = USEC_PER_SEC / 2,
		.transaction_us = USEC_PER_SEC,
	};

	lease_begin(&j->lease, &s, w->now);
	demand(w, lease_find(w->core, j->lease.id) == &j->lease);
	j->event.fire = on_lease_idle;
	world_schedule(w, &j->event, w->now);
}

static void job_run(struct world *w, struct job *j)
{
	if (j->is_lease && !j->cancelled) {
		lease_job_run(w, j);
		return;
	}
	j->event.fire = on_finish;
	world_schedule(w, &j->event, w->now + (j->cancelled ? USEC_PER_MS : j->run_us));
}

/* What runs ends soon; what stands behind others ends soon after its turn comes. */
static void job_cancel(struct world *w, struct job *j)
{
	j->cancelled = true;
	if (TAILQ_FIRST(&j->conn->jobs) != j)
		return;
	j->event.fire = on_finish;
	world_schedule(w, &j->event, w->now + USEC_PER_MS);
}

void job_abandon(struct world *w, struct job *j)
{
	if (j->lease.ticket.state == TICKET_GRANTED) {
		job_cancel(w, j);
		return;
	}
	core_withdraw(w->core, &j->lease.ticket, w->now);
	demand(w, j->lease.ticket.state == TICKET_DONE);
	w->withdrawn++;
	job_free(w, j);
}

static void conn_free(struct world *w, struct conn *c)
{
	unschedule(w, &c->event);
	LIST_REMOVE(c, link);
	free(c);
}

void conn_break(struct world *w, struct conn *c, enum slot_failure failure)
{
	struct slot *s = c->slot;

	if (c->up)
		c->server->ours--;
	c->up = false;
	core_slot_broken(w->core, s);
	while (!TAILQ_EMPTY(&c->jobs))
		job_finish(w, TAILQ_FIRST(&c->jobs));
	conn_free(w, c);
	core_slot_failed(w->core, s, failure, w->now);
}

static void on_connected(struct world *w, struct event *e)
{
	struct conn *c = container_of(e, struct conn, event);
	struct server *server = c->server;

	if (!server->up) {
		conn_break(w, c, SLOT_FAILURE_NETWORK);
	} else if (!server->knows_us) {
		conn_break(w, c, SLOT_FAILURE_AUTH);
	} else if (server->ours + server->others >= server->max) {
		conn_break(w, c, SLOT_FAILURE_SERVER_FULL);
	} else {
		server->ours++;
		c->up = true;
		core_slot_opened(w->core, c->slot, w->now);
	}
}

static void on_pinged(struct world *w, struct event *e)
{
	struct conn *c = container_of(e, struct conn, event);

	core_slot_pinged(w->core, c->slot, w->now);
}

static void on_closed(struct world *w, struct event *e)
{
	struct conn *c = container_of(e, struct conn, event);
	struct slot *s = c->slot;

	c->server->ours--;
	c->up = false;
	conn_free(w, c);
	core_slot_closed(w->core, s, w->now);
}

static void carry_out_open(struct world *w, const struct decision *d)
{
	struct conn *c = calloc(1, sizeof(*c));

	demand(w, c);
	check_open(w, d);
	c->slot = d->slot;
	c->server = d->pool->owner;
	TAILQ_INIT(&c->jobs);
	d->slot->owner = c;
	LIST_INSERT_HEAD(&w->conns, c, link);
	c->event.fire = on_connected;
	world_schedule(w, &c->event, w->now + world_below(w, c->server->connect_us));
}

static void carry_out_later(struct world *w, const struct decision *d,
			    void (*fire)(struct world *, struct event *), usec most)
{
	struct conn *c = d->slot->owner;

	demand(w, c->up && TAILQ_EMPTY(&c->jobs));
	c->event.fire = fire;
	world_schedule(w, &c->event, w->now + world_below(w, most));
}

static void carry_out_grant(struct world *w, const struct decision *d)
{
	struct job *j = job_of(d->ticket);
	struct conn *c = d->slot->owner;

	check_grant(w, d);
	check_minima(w, d);
	j->conn = c;
	j->was_granted = true;
	TAILQ_INSERT_TAIL(&c->jobs, j, link);
	c->n_jobs++;
	if (w->on_grant)
		w->on_grant(w, j);
	if (c->n_jobs == 1)
		job_run(w, j);
}

static void carry_out_refuse(struct world *w, const struct decision *d)
{
	struct job *j = job_of(d->ticket);

	demand(w, !j->was_granted && j->lease.ticket.state == TICKET_DONE);
	j->was_refused = true;
	w->refused++;
	job_free(w, j);
}

static void carry_out_revoke(struct world *w, const struct decision *d)
{
	struct job *j = container_of(d->lease, struct job, lease);

	demand(w, j->lease.state == LEASE_REVOKING);
	j->event.fire = on_finish;
	world_schedule(w, &j->event, w->now + world_below(w, 2 * USEC_PER_MS));
}

static void carry_out_gone(struct world *w, const struct decision *d)
{
	for (uint32_t i = 0; i < w->n_pools; i++)
		if (w->pools[i] == d->pool)
			w->pools[i] = w->pools[--w->n_pools];
	for (uint32_t a = 0; a < APPS_MAX; a++)
		for (uint32_t i = 0; i < POOLS_MAX; i++)
			w->eligible_since[a][i] = 0;
	pool_free(d->pool);
}

static void carry_out(struct world *w, const struct decision *d)
{
	switch (d->type) {
	case DECISION_OPEN:
		carry_out_open(w, d);
		break;
	case DECISION_CLOSE:
		carry_out_later(w, d, on_closed, 2 * USEC_PER_MS);
		break;
	case DECISION_PING:
		carry_out_later(w, d, on_pinged, 2 * USEC_PER_MS);
		break;
	case DECISION_GRANT:
		carry_out_grant(w, d);
		break;
	case DECISION_REFUSE:
		carry_out_refuse(w, d);
		break;
	case DECISION_EXPIRE:
		demand(w, d->ticket->deadline <= w->now && d->ticket->state == TICKET_GRANTED);
		job_cancel(w, job_of(d->ticket));
		break;
	case DECISION_WARN:
		demand(w, d->lease->state == LEASE_IDLE_IN_TRANSACTION);
		break;
	case DECISION_REVOKE:
		carry_out_revoke(w, d);
		break;
	case DECISION_GONE:
		carry_out_gone(w, d);
		break;
	case DECISION_NONE:
		demand(w, false && "a decision to do nothing");
	}
}

void world_settle(struct world *w)
{
	uint32_t decisions = 0;
	struct decision d;

	while (core_decide(w->core, w->now, &d)) {
		carry_out(w, &d);
		demand(w, ++decisions < 1000000);
	}
	check_all(w);
}

bool world_step(struct world *w, usec until)
{
	struct event *e = container_of_or_null(heap_peek(&w->events), struct event, node);
	usec at = MIN(e ? e->at : USEC_NEVER, core_wakeup(w->core));

	if (at > until) {
		w->now = until;
		return false;
	}
	w->now = MAX(w->now, at);
	w->steps++;
	if (e && e->at <= w->now) {
		heap_remove(&w->events, &e->node);
		e->fire(w, e);
	}
	world_settle(w);
	return true;
}

void world_end(struct world *w)
{
	for (uint32_t i = 0; i < w->n_pools; i++)
		pool_reset(w->pools[i], w->now);
	core_drain(w->core, w->now);
	world_settle(w);
	while (world_step(w, w->now + 60 * USEC_PER_SEC))
		;
	demand(w, core_is_idle(w->core));
	demand(w, TAILQ_EMPTY(&w->jobs) && LIST_EMPTY(&w->conns));
	demand(w, w->submitted == w->finished + w->refused + w->withdrawn);
	for (uint32_t i = 0; i < w->n_servers; i++)
		demand(w, w->servers[i].ours == 0);
	for (uint32_t i = 0; i < w->n_apps; i++) {
		demand(w, w->apps[i]->stats.granted_total == w->apps[i]->stats.finished_total);
		demand(w, w->apps[i]->in_use == 0 && w->apps[i]->granted == 0 &&
				  w->apps[i]->waiting == 0);
		application_unref(w->apps[i]);
	}
	w->core = core_free(w->core);
}
