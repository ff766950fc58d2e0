/* SPDX-License-Identifier: MIT */
/*
 * What comes in from outside, and the order in which decisions go out: refusals first, then
 * deadlines, then leases, then the pools.
 *
 * Invariants, between any two calls:
 *	the slots of all pools are at most `budget` (more only right after it was lowered), and
 *core::n_slots is their number; a ticket is in the list that its state names, and in
 *core::deadlines exactly if it has a deadline that is not yet dealt with; the counts of tickets of
 *the core are the sums of those of the pools, and of those of the applications.
 */
#include "core/core.h"

#include <assert.h>
#include <stdlib.h>

#include "core/core-internal.h"
#include "core/lease.h"
#include "core/queue.h"
#include "util/error.h"

static bool due_before(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct ticket, deadline_node)->due <
	       container_of(b, struct ticket, deadline_node)->due;
}

/*
 * One slot for each connection of the budget, made beforehand: opening one cannot fail for want of
 * memory.
 */
static int provide_slots(struct core *c, uint32_t n)
{
	struct slot **slots;

	if (n <= c->n_allocated)
		return 0;
	slots = reallocarray(c->slots, n, sizeof(struct slot *));
	if (!slots)
		return err_raise(-ENOMEM);
	c->slots = slots;
	while (c->n_allocated < n) {
		struct slot *s = calloc(1, sizeof(*s));

		if (!s)
			return err_raise(-ENOMEM);
		s->index = c->n_allocated;
		slots[c->n_allocated++] = s;
		TAILQ_INSERT_TAIL(&c->free_slots, s, link);
	}
	return 0;
}

static void drop(struct core **c)
{
	core_free(*c);
}

int core_new(struct core **ret_core, const struct core_settings *settings, uint64_t seed)
{
	cleanup(drop) struct core *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_raise(-ENOMEM);
	TAILQ_INIT(&c->pools);
	TAILQ_INIT(&c->applications);
	TAILQ_INIT(&c->free_slots);
	TAILQ_INIT(&c->refused);
	heap_init(&c->deadlines, due_before);
	heap_init(&c->leases_due, lease_due_before);
	rng_init(&c->rng, seed);
	c->next_token = MAX(settings->first_token, UINT64_C(1));
	r = core_configure(c, settings, 0);
	if (r < 0)
		return err_forward(r);
	*ret_core = steal(&c);
	return 0;
}

int core_configure(struct core *c, const struct core_settings *settings, usec now)
{
	struct pool *p;
	int r;

	(void)now;
	r = provide_slots(c, MIN(settings->budget, (uint32_t)SLOTS_MAX));
	if (r < 0)
		return err_forward(r);
	c->settings = *settings;
	c->settings.budget = MIN(settings->budget, (uint32_t)SLOTS_MAX);
	TAILQ_FOREACH (p, &c->pools, link)
		pool_stir(p);
	return 0;
}

void core_refuse(struct core *c, struct ticket *t, enum refusal refusal, usec retry_after_us)
{
	heap_remove(&c->deadlines, &t->deadline_node);
	t->state = TICKET_REFUSED;
	t->refusal = (uint8_t)refusal;
	t->retry_after_us = retry_after_us;
	TAILQ_INSERT_TAIL(&c->refused, t, link);
	t->pool->stats.refused_total[refusal]++;
	if (application_queue(t->app, t->pool)) /* none at a pool that is gone */
		meter_of(t->app, t->pool)->refused_total[refusal]++;
	t->app->stats.refused_total++;
	if (refusal == REFUSE_TIMEOUT || refusal == REFUSE_DEADLINE)
		t->app->stats.timeouts_total++;
}

static bool may_share(const struct ticket *t)
{
	const struct pool_settings *s = &t->pool->settings;

	return t->pipelined && t->expected_us > 0 && t->expected_us <= s->pipeline_budget_us &&
	       s->pipeline_depth > 1;
}

static void watch_deadline(struct core *c, struct ticket *t, usec due)
{
	t->due = due;
	if (due != USEC_NEVER)
		heap_insert(&c->deadlines, &t->deadline_node);
}

void core_submit(struct core *c, struct ticket *t, usec now)
{
	enum refusal refusal;
	usec retry_after_us;

	assert(t->state == TICKET_NEW || t->state == TICKET_DONE);
	t->submitted = now;
	t->expired = false;
	t->slot = NULL;
	t->shared = may_share(t);
	if (admission_refuses(c, t, now, &refusal, &retry_after_us)) {
		core_refuse(c, t, refusal, retry_after_us);
		return;
	}
	t->state = TICKET_WAITING;
	c->waiting++;
	t->pool->waiting++;
	t->app->waiting++;
	queue_push(application_queue(t->app, t->pool), t, now);
	watch_deadline(c, t, MIN(t->deadline, t->acquire_deadline));
}

static void leave_queue(struct core *c, struct ticket *t, usec now)
{
	queue_remove(application_queue(t->app, t->pool), t, now);
	c->waiting--;
	t->pool->waiting--;
	t->app->waiting--;
}

void core_withdraw(struct core *c, struct ticket *t, usec now)
{
	if (t->state == TICKET_WAITING)
		leave_queue(c, t, now);
	else if (t->state == TICKET_REFUSED)
		TAILQ_REMOVE(&c->refused, t, link);
	else
		return;
	heap_remove(&c->deadlines, &t->deadline_node);
	t->state = TICKET_DONE;
}

void core_set_deadline(struct core *c, struct ticket *t, usec deadline, usec now)
{
	(void)now; /* what has passed already is found by the next core_decide() */
	t->deadline = deadline;
	t->expired = false;
	if (t->state != TICKET_WAITING && t->state != TICKET_GRANTED)
		return;
	heap_remove(&c->deadlines, &t->deadline_node);
	watch_deadline(c, t,
		       t->state == TICKET_WAITING ? MIN(deadline, t->acquire_deadline) : deadline);
}

void core_finish(struct core *c, struct ticket *t, usec now)
{
	assert(t->state == TICKET_GRANTED && !t->slot->lease);

	heap_remove(&c->deadlines, &t->deadline_node);
	t->pool->stats.finished_total++;
	t->app->stats.finished_total++;
	hist_add(&meter_of(t->app, t->pool)->uses, usec_sub(now, t->granted));
	slot_finish(t->slot, t, now);
}

void core_slot_opened(struct core *c, struct slot *s, usec now)
{
	struct pool *p = s->pool;

	assert(s->state == SLOT_CONNECTING);
	p->stats.connects_total++;
	hist_add(&p->stats.connects, usec_sub(now, s->opened));
	breaker_succeeded(&p->breaker, now);
	p->loss_counted = false;
	p->backoff_us = 0;
	p->retry_at = 0;
	s->opened = now;
	pool_stir(p);
	if (!pool_is_live(p))
		p->turn_since = now;
	slot_idle(s, now);
	ceiling_opened(&p->ceiling, &p->settings, pool_standing(p) - p->n[SLOT_CONNECTING], &c->rng,
		       now);
	if (p->settings.max_lifetime_us != USEC_NEVER) {
		s->retire_at = usec_add(
			now, p->settings.max_lifetime_us -
				     rng_below(&c->rng, p->settings.max_lifetime_us / 10 + 1));
		heap_insert(&p->lifetimes, &s->lifetime_node);
	}
	if (s->replaces) {
		slot_retire(s->replaces, CLOSE_LIFETIME);
		s->replaces->replaced_by = NULL;
		s->replaces = NULL;
	}
}

void core_slot_broken(struct core *c, struct slot *s)
{
	(void)c;
	s->broken = true;
	heap_remove(&s->pool->joinable, &s->join_node);
	/*
	 * One that idles could still be granted: it is as good as being checked until
	 * core_slot_failed().
	 */
	if (s->state == SLOT_IDLE)
		slot_ping(s);
}

/* The one it should have replaced serves on. */
static void replace_later(struct slot *s, usec now)
{
	struct slot *old = s->replaces;

	if (!old)
		return;
	old->retire_at = usec_add(now, USEC_PER_SEC);
	heap_insert(&s->pool->lifetimes, &old->lifetime_node);
}

static void back_off(struct pool *p, usec now)
{
	if (now < p->retry_at)
		return;
	p->backoff_us =
		MIN(MAX(2 * p->backoff_us, p->settings.backoff_min_us), p->settings.backoff_max_us);
	p->retry_at = usec_add(now, rng_jitter(&p->core->rng, p->backoff_us));
}

static void connect_failed(struct pool *p, enum slot_failure failure, usec now)
{
	struct core *c = p->core;

	p->loss_counted = false;
	if (failure == SLOT_FAILURE_NONE) {
		breaker_abandoned(&p->breaker);
		return;
	}
	p->stats.connect_failures_total++;
	if (failure == SLOT_FAILURE_SERVER_FULL) {
		breaker_succeeded(&p->breaker, now);
		ceiling_full(&p->ceiling, &p->settings, pool_standing(p) - p->n[SLOT_CONNECTING],
			     &c->rng, now);
		return;
	}
	breaker_failed(&p->breaker, &p->settings, failure, &c->rng, now);
	back_off(p, now);
}

/*
 * A server that goes down takes all its connections along: they count once, until the next connect
 * has shown how it is. While the breaker is not closed, probes alone decide.
 */
static void connection_lost(struct pool *p, enum slot_failure failure, usec now)
{
	if (failure == SLOT_FAILURE_NONE || failure == SLOT_FAILURE_SERVER_FULL ||
	    p->loss_counted || p->breaker.state != BREAKER_CLOSED)
		return;
	p->loss_counted = true;
	breaker_failed(&p->breaker, &p->settings, failure, &p->core->rng, now);
}

void core_slot_failed(struct core *c, struct slot *s, enum slot_failure failure, usec now)
{
	struct pool *p = s->pool;
	enum slot_state was = s->state;

	(void)c;
	p->stats.failures_total[failure]++;
	replace_later(s, now);
	slot_free(s);
	if (was == SLOT_CONNECTING)
		connect_failed(p, failure, now);
	else if (was != SLOT_CLOSING)
		connection_lost(p, failure, now);
	budget_changed(p->core);
}

void core_slot_closed(struct core *c, struct slot *s, usec now)
{
	(void)c;
	(void)now;
	assert(s->state == SLOT_CLOSING);
	slot_free(s);
}

void core_slot_pinged(struct core *c, struct slot *s, usec now)
{
	(void)c;
	assert(s->state == SLOT_PINGING && !s->broken);
	s->pool->loss_counted = false;
	if (s->pool->breaker.state == BREAKER_CLOSED)
		breaker_succeeded(&s->pool->breaker, now);
	slot_back_from_ping(s, now);
}

static bool take_refused(struct core *c, struct decision *d)
{
	struct ticket *t = TAILQ_FIRST(&c->refused);

	if (!t)
		return false;
	TAILQ_REMOVE(&c->refused, t, link);
	t->state = TICKET_DONE;
	*d = (struct decision){
		.type = DECISION_REFUSE,
		.pool = t->pool,
		.ticket = t,
		.refusal = t->refusal,
		.retry_after_us = t->retry_after_us,
	};
	return true;
}

static void time_out(struct core *c, struct ticket *t, usec now)
{
	usec retry_after_us = MAX(admission_estimate(t), USEC_PER_MS);

	leave_queue(c, t, now);
	core_refuse(c, t, t->deadline <= now ? REFUSE_DEADLINE : REFUSE_TIMEOUT, retry_after_us);
}

static bool expire(struct ticket *t, struct decision *d)
{
	t->expired = true;
	t->pool->stats.expired_total++;
	t->app->stats.expired_total++;
	*d = (struct decision){
		.type = DECISION_EXPIRE, .pool = t->pool, .slot = t->slot, .ticket = t
	};
	return true;
}

/*
 * Deadlines of those who wait make refusals; one of those who run makes a decision, and ends the
 * search.
 */
static bool check_deadlines(struct core *c, usec now, struct decision *d)
{
	struct ticket *t;

	for (;;) {
		t = container_of_or_null(heap_peek(&c->deadlines), struct ticket, deadline_node);
		if (!t || t->due > now)
			return false;
		heap_remove(&c->deadlines, &t->deadline_node);
		if (t->state == TICKET_WAITING)
			time_out(c, t, now);
		else if (t->deadline <= now)
			return expire(t, d);
		else
			watch_deadline(c, t,
				       t->deadline); /* granted since: only the other one counts */
	}
}

bool core_decide(struct core *c, usec now, struct decision *ret_decision)
{
	struct pool *p;

	if (check_deadlines(c, now, ret_decision) || take_refused(c, ret_decision))
		return true;
	if (heap_peek(&c->leases_due) && lease_decide(c, now, ret_decision))
		return true;
	TAILQ_FOREACH (p, &c->pools, link) {
		if (p->stirred && p->waiting)
			admission_refuse_waiting(p, now);
		if (take_refused(c, ret_decision) || pool_decide(p, now, ret_decision))
			return true;
	}
	/* One pool's look may have stirred another one that was passed already. */
	TAILQ_FOREACH (p, &c->pools, link)
		if (p->stirred || p->called)
			return core_decide(c, now, ret_decision);
	return false;
}

usec core_wakeup(const struct core *c)
{
	const struct ticket *t =
		container_of_or_null(heap_peek(&c->deadlines), struct ticket, deadline_node);
	usec due = MIN(t ? t->due : USEC_NEVER, lease_wakeup(c));
	const struct pool *p;

	if (!TAILQ_EMPTY(&c->refused))
		return 0;
	TAILQ_FOREACH (p, &c->pools, link)
		due = p->stirred || p->called ? 0 : MIN(due, p->due);
	return due;
}

void core_drain(struct core *c, usec now)
{
	struct pool *p;

	(void)now;
	c->draining = true;
	TAILQ_FOREACH (p, &c->pools, link)
		pool_stir(p);
}

bool core_is_idle(const struct core *c)
{
	return c->n_slots == 0 && c->waiting == 0 && c->granted == 0 && TAILQ_EMPTY(&c->refused);
}

void core_numbers(const struct core *c, usec now, struct core_numbers *ret_numbers)
{
	struct core_numbers n = {
		.budget = c->settings.budget,
		.slots = c->n_slots,
		.waiting = c->waiting,
		.draining = c->draining,
	};
	const struct pool *p;
	uint64_t limits = 0;

	(void)now;
	TAILQ_FOREACH (p, &c->pools, link) {
		limits += pool_limit(p);
		n.in_use += p->n[SLOT_BUSY];
	}
	n.budget_in_force = (uint32_t)MIN(limits, (uint64_t)n.budget);
	*ret_numbers = n;
}

struct core *core_free(struct core *c)
{
	struct application *app;
	struct pool *p;

	if (!c)
		return NULL;
	assert(c->waiting == 0 && c->granted == 0);
	while ((app = TAILQ_FIRST(&c->applications))) {
		TAILQ_REMOVE(&c->applications, app, link);
		application_free(app);
	}
	while ((p = TAILQ_FIRST(&c->pools))) {
		TAILQ_REMOVE(&c->pools, p, link);
		meters_free(p);
		free(p);
	}
	for (uint32_t i = 0; i < c->n_allocated; i++)
		free(c->slots[i]);
	free(c->slots);
	free(c);
	return NULL;
}

const char *slot_failure_to_string(enum slot_failure failure)
{
	static const char *const names[] = {
		[SLOT_FAILURE_NONE] = "none",
		[SLOT_FAILURE_NETWORK] = "network",
		[SLOT_FAILURE_AUTH] = "authentication",
		[SLOT_FAILURE_SERVER_FULL] = "server full",
		[SLOT_FAILURE_OTHER] = "refused by server",
	};

	return (unsigned)failure < ARRAY_LEN(names) ? names[failure] : "?";
}

const char *close_reason_to_string(enum close_reason reason)
{
	static const char *const names[] = {
		[CLOSE_IDLE] = "idle",           [CLOSE_LIFETIME] = "lifetime",
		[CLOSE_RECLAIMED] = "reclaimed", [CLOSE_RECONNECT] = "reconnect",
		[CLOSE_SHRUNK] = "shrunk",       [CLOSE_DRAIN] = "drain",
	};

	return (unsigned)reason < ARRAY_LEN(names) ? names[reason] : "?";
}

const char *refusal_to_string(enum refusal refusal)
{
	static const char *const names[] = {
		[REFUSE_QUEUE_FULL] = "queue full", [REFUSE_TIMEOUT] = "acquire timeout",
		[REFUSE_DEADLINE] = "deadline",     [REFUSE_UNREACHABLE] = "deadline unreachable",
		[REFUSE_BREAKER] = "breaker open",  [REFUSE_DRAINING] = "draining",
	};

	return (unsigned)refusal < ARRAY_LEN(names) ? names[refusal] : "?";
}

const char *revocation_to_string(enum revocation revocation)
{
	static const char *const names[] = {
		[REVOKE_EXPIRED] = "expired",
		[REVOKE_IDLE] = "idle",
		[REVOKE_IDLE_IN_TRANSACTION] = "idle in transaction",
		[REVOKE_TRANSACTION] = "transaction too long",
		[REVOKE_ADMIN] = "revoked by an administrator",
	};

	return (unsigned)revocation < ARRAY_LEN(names) ? names[revocation] : "?";
}
