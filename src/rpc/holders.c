/* SPDX-License-Identifier: MIT */
#include "rpc/holders.h"

#include <stdio.h>
#include <string.h>

#include "rpc/lease-internal.h"
#include "rpc/rpc-internal.h"
#include "rpc/status.h"
#include "util/error.h"

/* Keeps the list sorted by age; what is younger than all of a full list is left out. */
static size_t insert(struct holder *list, size_t n, const struct holder *h)
{
	size_t at = n;

	while (at > 0 && list[at - 1].since > h->since)
		at--;
	if (at == HOLDERS_MAX)
		return n;
	if (n == HOLDERS_MAX)
		n--;
	memmove(&list[at + 1], &list[at], (n - at) * sizeof(*list));
	list[at] = *h;
	return n + 1;
}

static struct holder of_lease(const struct client *c, const struct rpc_lease *l)
{
	return (struct holder){
		.application = l->application,
		.unit = c->facts.unit,
		.call_site = l->call_site,
		.state = lease_state_text(l),
		.pid = (uint32_t)c->facts.pid,
		.since = l->core.begun,
		.lease_id = l->core.id,
	};
}

static struct holder of_request(const struct client *c, const struct request *r)
{
	return (struct holder){
		.application = c->name,
		.unit = c->facts.unit,
		.call_site = r->message->call_site,
		.state = "running",
		.pid = (uint32_t)c->facts.pid,
		.since = r->granted,
	};
}

size_t holders_find(const struct rpc *rpc, const struct rpc_pool *pool, struct holder *list)
{
	const struct client *c;
	const struct rpc_lease *l;
	const struct request *r;
	struct holder h;
	size_t n = 0;

	TAILQ_FOREACH (c, &rpc->clients, link) {
		TAILQ_FOREACH (l, &c->leases, link) {
			if (!l->held || l->pool != pool)
				continue;
			h = of_lease(c, l);
			n = insert(list, n, &h);
		}
		TAILQ_FOREACH (r, &c->requests, link) {
			if (r->pool != pool || r->ticket.state != TICKET_GRANTED)
				continue;
			h = of_request(c, r);
			n = insert(list, n, &h);
		}
	}
	return n;
}

static void fill_holder(const struct holder *h, Sidepool__V1__Holder *m)
{
	sidepool__v1__holder__init(m);
	m->application = (char *)h->application;
	m->pid = h->pid;
	m->unit = (char *)h->unit;
	m->call_site = (char *)h->call_site;
	m->state = (char *)h->state;
	m->held_ms = (uint32_t)MIN(usec_sub(rpc_now(), h->since) / USEC_PER_MS, UINT32_MAX);
	m->lease_id = h->lease_id;
}

static void pack_state(const struct request *r, const struct holder *list, size_t n,
		       struct buf *out)
{
	const struct pool *core = pg_pool_core(r->pool->pg);
	Sidepool__V1__PoolState m = SIDEPOOL__V1__POOL_STATE__INIT;
	Sidepool__V1__Holder holders[HOLDERS_MAX], *pointers[HOLDERS_MAX];
	uint8_t *at;

	m.pool = (char *)pg_pool_name(r->pool->pg);
	m.in_use = core->n[SLOT_BUSY];
	m.limit = pool_limit(core);
	m.waiting = core->waiting;
	m.waited_ms = (uint32_t)(usec_sub(rpc_now(), r->received) / USEC_PER_MS);
	for (size_t i = 0; i < n; i++) {
		fill_holder(&list[i], &holders[i]);
		pointers[i] = &holders[i];
	}
	m.n_holders = n;
	m.holders = pointers;
	at = buf_reserve(out, sidepool__v1__pool_state__get_packed_size(&m));
	if (at)
		buf_added(out, sidepool__v1__pool_state__pack(&m, at));
}

/*
 * "pool main 25/25 in use, waited 5.0 s; longest: celery[812] 93 s idle in transaction, api[77] 4 s
 * running"
 */
static void describe_wait(const struct request *r, struct failure *f, const struct holder *list,
			  size_t n)
{
	const struct pool *core = pg_pool_core(r->pool->pg);
	usec now = rpc_now();
	size_t at;

	(void)snprintf(f->message, sizeof(f->message),
		       "pool %s %u/%u in use, %u waiting, waited %.1f s", pg_pool_name(r->pool->pg),
		       core->n[SLOT_BUSY], pool_limit(core), core->waiting,
		       (double)usec_sub(now, r->received) / USEC_PER_SEC);
	if (core->paused) {
		at = strlen(f->message);
		(void)snprintf(f->message + at, sizeof(f->message) - at,
			       "; it is paused by an administrator");
	}
	for (size_t i = 0; i < n && i < 3; i++) {
		at = strlen(f->message);
		(void)snprintf(f->message + at, sizeof(f->message) - at, "%s %s[%u]%s%s %.0f s %s",
			       i == 0 ? "; longest:" : ",", list[i].application, list[i].pid,
			       *list[i].call_site ? " " : "", list[i].call_site,
			       (double)usec_sub(now, list[i].since) / USEC_PER_SEC, list[i].state);
	}
}

static void describe_breaker(const struct request *r, struct failure *f, const char *reason)
{
	const struct breaker *b = &pg_pool_core(r->pool->pg)->breaker;
	double since = (double)usec_sub(rpc_now(), b->since) / USEC_PER_SEC;

	if (b->tripped)
		(void)snprintf(f->message, sizeof(f->message),
			       "pool %s: the breaker was tripped by an administrator %.0f s ago, "
			       "and stays open until it is reset",
			       pg_pool_name(r->pool->pg), since);
	else
		(void)snprintf(f->message, sizeof(f->message),
			       "pool %s: the database cannot be reached, the breaker is open for "
			       "%.0f s: %s; next try in %.1f s",
			       pg_pool_name(r->pool->pg), since,
			       reason ? reason : "no reason is known",
			       (double)f->retry_after_us / USEC_PER_SEC);
}

void status_describe_refusal(const struct request *r, struct failure *f, enum refusal why,
			     const char *reason)
{
	struct holder list[HOLDERS_MAX];
	size_t n;

	if (why == REFUSE_DRAINING)
		return;
	if (why == REFUSE_BREAKER) {
		describe_breaker(r, f, reason);
		return;
	}
	if (f->code == SIDEPOOL_E_CONNECT_FAILED) {
		(void)snprintf(f->message, sizeof(f->message),
			       "pool %s has no connection, waited %.1f s: %s",
			       pg_pool_name(r->pool->pg),
			       (double)usec_sub(rpc_now(), r->received) / USEC_PER_SEC, reason);
		return;
	}
	n = holders_find(r->rpc, r->pool, list);
	describe_wait(r, f, list, n);
	pack_state(r, list, n, &f->pool);
}
