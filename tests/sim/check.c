/* SPDX-License-Identifier: MIT */
/*
 * What must hold after every step, computed anew from what the world and the public counts know,
 * not from how the core keeps its books: queues, heaps and estimates are not looked at.
 */
#include <inttypes.h>

#include "world.h"

/* Nobody who could be served waits longer, whatever happens. */
#define STARVED_US (20 * USEC_PER_SEC)

static uint32_t limit_of(const struct pool *p)
{
	return p->settings.max_size + p->settings.max_overflow;
}

static bool is_serving(const struct world *w, const struct pool *p)
{
	(void)w;
	return !p->paused && !p->removing && !p->breaker.tripped;
}

static bool is_held_back(const struct application *app)
{
	return app->share.max && app->granted >= app->share.max;
}

void check_open(struct world *w, const struct decision *d)
{
	struct core_numbers n;

	core_numbers(w->core, w->now, &n);
	demand(w, n.slots <= w->settings.budget);
	demand(w, d->pool->n_slots <= limit_of(d->pool));
	demand(w, d->pool->n_slots <= d->pool->ceiling.hard);
	demand(w, !w->settings.max_connecting ||
			  d->pool->n[SLOT_CONNECTING] <= w->settings.max_connecting);
	demand(w, is_serving(w, d->pool) && !n.draining);
	demand(w, d->pool->breaker.state == BREAKER_CLOSED || d->pool->n[SLOT_CONNECTING] == 1);
}

static void note_served(struct world *w, const struct ticket *t)
{
	for (uint32_t a = 0; a < w->n_apps; a++)
		for (uint32_t i = 0; i < w->n_pools; i++)
			if (w->apps[a] == t->app && w->pools[i] == t->pool)
				w->eligible_since[a][i] = w->now;
}

void check_grant(struct world *w, const struct decision *d)
{
	const struct conn *c = d->slot->owner;
	const struct ticket *t = d->ticket;
	const struct job *j;

	demand(w, c->up && d->slot->state == SLOT_BUSY && t->slot == d->slot);
	demand(w, c->n_jobs == d->depth && d->slot->depth == d->depth + 1);
	demand(w, d->depth == 0 || t->shared);
	demand(w, d->depth < w->most_depth);
	TAILQ_FOREACH (j, &c->jobs, link)
		demand(w, j->lease.ticket.shared);
	demand(w, !t->app->share.max || t->app->granted <= t->app->share.max);
	demand(w, t->deadline > w->now && t->acquire_deadline > w->now);
	demand(w, is_serving(w, d->pool));
	demand(w, !d->slot->retiring);
	note_served(w, t);
}

static uint64_t minima_at(const struct world *w, const struct pool *p)
{
	uint64_t sum = 0;
	bool active[APPS_MAX] = { false };
	const struct job *j;

	TAILQ_FOREACH (j, &w->jobs, all)
		for (uint32_t i = 0; i < w->n_apps; i++)
			active[i] |= j->lease.ticket.app == w->apps[i] && j->lease.ticket.pool == p;
	for (uint32_t i = 0; i < w->n_apps; i++)
		sum += active[i] ? w->apps[i]->share.min : 0;
	return sum;
}

void check_minima(struct world *w, const struct decision *d)
{
	const struct application *app = d->ticket->app;
	const struct job *j;

	/* Who had its minimum already got the connection, */
	if (d->depth > 0 || app->share.min > app->in_use - 1)
		return;
	/* although the minima of all leave something for others, */
	if (minima_at(w, d->pool) >=
	    d->pool->n_slots - d->pool->n[SLOT_CLOSING] - d->pool->n[SLOT_CONNECTING])
		return;
	/* and nobody who is below his own waits for one. */
	TAILQ_FOREACH (j, &w->jobs, all) {
		const struct ticket *t = &j->lease.ticket;

		demand(w, t->state != TICKET_WAITING || t->pool != d->pool ||
				  is_held_back(t->app) || t->app->in_use >= t->app->share.min);
	}
}

static void check_counts(struct world *w)
{
	uint32_t slots = 0, waiting = 0, in_use = 0;
	struct core_numbers n;

	core_numbers(w->core, w->now, &n);
	for (uint32_t i = 0; i < w->n_pools; i++) {
		const struct pool *p = w->pools[i];
		uint32_t sum = 0;

		for (int state = SLOT_CONNECTING; state < SLOT_STATES_N; state++)
			sum += p->n[state];
		demand(w, sum == p->n_slots);
		slots += p->n_slots;
		waiting += p->waiting;
		in_use += p->n[SLOT_BUSY];
		demand(w, p->granted >= p->n[SLOT_BUSY]);
	}
	demand(w, n.slots == slots && n.waiting == waiting && n.in_use == in_use);
	demand(w, n.slots <= w->settings.budget || w->lowered);
	for (uint32_t i = 0; i < w->n_apps; i++) {
		waiting -= w->apps[i]->waiting;
		in_use -= w->apps[i]->in_use;
	}
	demand(w, waiting == 0 && in_use == 0);
}

static void check_deadlines(struct world *w)
{
	const struct job *j;

	TAILQ_FOREACH (j, &w->jobs, all) {
		const struct ticket *t = &j->lease.ticket;

		demand(w, t->state == TICKET_WAITING || t->state == TICKET_GRANTED);
		if (t->state == TICKET_WAITING)
			demand(w, t->deadline > w->now && t->acquire_deadline > w->now);
		else
			demand(w, t->expired == (t->deadline <= w->now));
	}
}

/* Marks that would outlive their slot. */
static void check_marks(struct world *w)
{
	for (uint32_t i = 0; i < w->n_pools; i++) {
		const struct pool *p = w->pools[i];
		uint32_t retiring = 0, draining = 0;
		const struct conn *c;

		LIST_FOREACH (c, &w->conns, link) {
			if (c->slot->pool != p)
				continue;
			retiring += c->slot->retiring;
			draining += c->slot->draining;
			demand(w, !c->slot->replaces || c->slot->replaces->replaced_by == c->slot);
			demand(w,
			       !c->slot->replaced_by || c->slot->replaced_by->replaces == c->slot);
		}
		demand(w, retiring == p->n_retiring && draining == p->n_draining);
	}
}

static void check_conns(struct world *w)
{
	const struct conn *c;

	LIST_FOREACH (c, &w->conns, link) {
		const struct ticket *t = TAILQ_FIRST(&c->slot->tickets);
		const struct job *j;

		demand(w, c->slot->owner == c && c->slot->depth == c->n_jobs);
		demand(w, (c->slot->state == SLOT_BUSY) == (c->n_jobs > 0));
		TAILQ_FOREACH (j, &c->jobs, link) {
			demand(w, &j->lease.ticket == t);
			t = TAILQ_NEXT(t, link);
		}
	}
}

/*
 * The least work that a shared ticket could be put behind, where that is known: not behind one that
 * is over its time.
 */
static usec least_work(const struct world *w, const struct pool *p)
{
	usec least = USEC_NEVER;
	const struct conn *c;

	LIST_FOREACH (c, &w->conns, link) {
		const struct slot *s = c->slot;
		const struct ticket *first = TAILQ_FIRST(&s->tickets), *t;
		usec work = 0;

		if (s->pool != p || !first || !first->shared || s->retiring ||
		    s->depth >= p->settings.pipeline_depth ||
		    w->now - s->headed > first->expected_us)
			continue;
		TAILQ_FOREACH (t, &s->tickets, link)
			work += t->expected_us;
		least = MIN(least, work - (w->now - s->headed));
	}
	return least;
}

/*
 * Where somebody waits who may have it, no connection idles. And where shared tickets alone wait,
 * not even the first ones of all applications fit behind what runs: the one whose turn it is does
 * not.
 */
static void check_pool(struct world *w, const struct pool *p)
{
	bool seen[APPS_MAX] = { false }, alone = false;
	usec longest = 0;
	const struct job *j;

	if (!is_serving(w, p))
		return;
	TAILQ_FOREACH (j, &w->jobs, all) {
		const struct ticket *t = &j->lease.ticket;

		if (t->pool != p || t->state != TICKET_WAITING || is_held_back(t->app))
			continue;
		demand(w, p->n[SLOT_IDLE] == 0);
		alone |= !t->shared;
		for (uint32_t a = 0; a < w->n_apps && t->shared; a++)
			if (w->apps[a] == t->app && !seen[a]) {
				seen[a] = true;
				longest = MAX(longest, t->expected_us);
			}
	}
	if (longest && !alone)
		demand(w, usec_add(least_work(w, p), longest) > p->settings.pipeline_budget_us);
}

static void check_work_conserving(struct world *w)
{
	for (uint32_t i = 0; i < w->n_pools; i++)
		check_pool(w, w->pools[i]);
}

/*
 * Where the budget and the pool have room and nothing forbids connecting, those who wait have
 * something coming.
 */
static void check_opening(struct world *w)
{
	struct core_numbers n;
	uint32_t reserved = 0;

	core_numbers(w->core, w->now, &n);
	for (uint32_t i = 0; i < w->n_pools; i++)
		reserved += w->pools[i]->settings.min_size;
	for (uint32_t i = 0; i < w->n_pools; i++) {
		const struct pool *p = w->pools[i];
		bool waits = false;
		const struct job *j;

		if (!is_serving(w, p) || p->breaker.state != BREAKER_CLOSED ||
		    p->retry_at > w->now || n.draining)
			continue;
		if (n.slots + reserved >= w->settings.budget || p->n_slots >= limit_of(p) ||
		    p->n_slots >= p->ceiling.limit)
			continue;
		TAILQ_FOREACH (j, &w->jobs, all)
			waits |= j->lease.ticket.pool == p &&
				 j->lease.ticket.state == TICKET_WAITING &&
				 !is_held_back(j->lease.ticket.app);
		demand(w, !waits || p->n[SLOT_CONNECTING] + p->n[SLOT_PINGING] > 0);
	}
}

/* For each application at each pool: how long it could have been served and was not. */
static void check_starvation(struct world *w)
{
	bool waits[APPS_MAX][POOLS_MAX] = { { false } };
	const struct job *j;

	TAILQ_FOREACH (j, &w->jobs, all)
		for (uint32_t a = 0; a < w->n_apps; a++)
			for (uint32_t i = 0; i < w->n_pools; i++)
				waits[a][i] |= j->lease.ticket.app == w->apps[a] &&
					       j->lease.ticket.pool == w->pools[i] &&
					       j->lease.ticket.state == TICKET_WAITING;
	for (uint32_t a = 0; a < w->n_apps; a++)
		for (uint32_t i = 0; i < w->n_pools; i++) {
			const struct pool *p = w->pools[i];
			bool could = waits[a][i] && !is_held_back(w->apps[a]) && is_serving(w, p) &&
				     p->breaker.state == BREAKER_CLOSED && p->retry_at == 0 &&
				     p->ceiling.limit > 0;

			if (!could || w->eligible_since[a][i] == 0)
				w->eligible_since[a][i] = w->now;
			demand(w, w->now - w->eligible_since[a][i] < STARVED_US);
		}
}

void check_all(struct world *w)
{
	demand(w, core_wakeup(w->core) > w->now);
	check_counts(w);
	check_deadlines(w);
	check_conns(w);
	check_marks(w);
	check_work_conserving(w);
	check_opening(w);
	check_starvation(w);
}
