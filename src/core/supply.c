/* SPDX-License-Identifier: MIT */
/*
 * How many connections a pool has. It opens one for each ticket that waits and finds none idle,
 * being opened or being checked, up to max_size and max_overflow, the server's ceiling and the
 * budget, so many at once and not before a failed connect's pause is over; and for min_size without
 * anybody waiting. It closes what idles: above max_size after OVERFLOW_IDLE_US, above min_size
 * after idle_timeout, the one that idled longest first. The last used is used next, so that what is
 * too much comes to idle.
 *
 * A connection whose lifetime is over is replaced before it goes, if there is room for one more;
 * until then it serves on. Where there is no room it goes when it is idle, and is opened again as
 * need be.
 *
 * Invariant: pool::n_slots <= max_size + max_overflow and core::n_slots <= budget hold after every
 * open; they may be exceeded only when the settings were lowered, and then nothing that becomes
 * idle stays.
 */
#include "core/core-internal.h"
#include "core/queue.h"

#define OVERFLOW_IDLE_US USEC_PER_SEC
#define POSTPONE_US USEC_PER_SEC

static uint32_t size_max(const struct pool *p)
{
	return p->settings.max_size + p->settings.max_overflow;
}

static uint32_t less(uint32_t a, uint32_t b)
{
	return a > b ? a - b : 0;
}

static bool may_connect(const struct pool *p, usec now)
{
	if (pool_is_closing(p) || p->paused || !breaker_allows(&p->breaker, now))
		return false;
	return p->breaker.state != BREAKER_CLOSED || now >= p->retry_at;
}

/* Connects that may begin now, as far as the pool's own limits go. */
static uint32_t room(const struct pool *p, usec now)
{
	uint32_t n = less(size_max(p), p->n_slots);

	if (p->core->settings.max_connecting)
		n = MIN(n, less(p->core->settings.max_connecting, p->n[SLOT_CONNECTING]));
	if (!ceiling_allows(&p->ceiling, p->n_slots, now))
		return 0;
	return MIN(n, MAX(less(p->ceiling.limit, p->n_slots), 1U));
}

uint32_t supply_wanted(const struct pool *p, usec now)
{
	uint32_t coming = p->n[SLOT_IDLE] + p->n[SLOT_CONNECTING] + p->n[SLOT_PINGING];
	uint32_t want = less(p->eligible[TICKET_ALONE] + p->eligible[TICKET_SHARED], coming);

	if (p->pressed && coming == 0 && pool_standing(p) < p->settings.max_size)
		want = MAX(want, 1U);
	want = MAX(want, less(p->settings.min_size, pool_standing(p)));
	/*
	 * One probe at a time; a connect that began before the breaker opened is as good as one.
	 */
	if (p->breaker.state != BREAKER_CLOSED)
		want = p->n[SLOT_CONNECTING] ? 0 : 1;
	if (want == 0 || !may_connect(p, now))
		return 0;
	return MIN(want, room(p, now));
}

static bool close_slot(struct slot *s, enum close_reason reason, struct decision *d)
{
	s->pool->stats.closed_total[reason]++;
	slot_close(s);
	*d = (struct decision){
		.type = DECISION_CLOSE, .pool = s->pool, .slot = s, .close_reason = reason
	};
	return true;
}

static bool open_slot(struct pool *p, struct slot *replaces, usec now, struct decision *d)
{
	struct slot *s = slot_take(p);

	s->replaces = replaces;
	if (replaces)
		replaces->replaced_by = s;
	s->opened = now;
	p->pressed = false;
	breaker_connecting(&p->breaker);
	budget_changed(p->core);
	*d = (struct decision){ .type = DECISION_OPEN, .pool = p, .slot = s };
	return true;
}

static struct slot *idle_retiring(const struct pool *p)
{
	struct slot *s;

	if (p->n_retiring == 0)
		return NULL;
	TAILQ_FOREACH (s, &p->slots[SLOT_IDLE], link)
		if (s->retiring)
			break;
	return s;
}

bool supply_is_too_large(const struct pool *p)
{
	const struct core *c = p->core;

	return c->n_slots - c->n_closing > c->settings.budget || pool_standing(p) > size_max(p) ||
	       pool_standing(p) > p->ceiling.hard;
}

/* What must go before anybody gets it. */
bool supply_close_due(struct pool *p, usec now, struct decision *d)
{
	struct slot *s = TAILQ_LAST(&p->slots[SLOT_IDLE], slot_list);
	struct slot *retiring;

	if (!s)
		return false;
	if (pool_is_closing(p))
		return close_slot(s, CLOSE_DRAIN, d);
	retiring = idle_retiring(p);
	if (retiring)
		return close_slot(retiring, retiring->retire_reason, d);
	if (supply_is_too_large(p))
		return close_slot(s, CLOSE_SHRUNK, d);
	if (p->core->n_blocked && budget_hands_over(p, now))
		return close_slot(s, CLOSE_RECLAIMED, d);
	return false;
}

/* How long the next to go may idle; USEC_NEVER: it stays. */
static usec idle_timeout(const struct pool *p)
{
	if (pool_standing(p) <= p->settings.min_size)
		return USEC_NEVER;
	if (pool_standing(p) > p->settings.max_size)
		return MIN(p->settings.idle_timeout_us, OVERFLOW_IDLE_US);
	return p->settings.idle_timeout_us;
}

/* What nobody needs. */
bool supply_close_surplus(struct pool *p, usec now, struct decision *d)
{
	struct slot *s = TAILQ_LAST(&p->slots[SLOT_IDLE], slot_list);

	if (!s || usec_add(s->idle_since, idle_timeout(p)) > now)
		return false;
	return close_slot(s, CLOSE_IDLE, d);
}

bool supply_open(struct pool *p, usec now, struct decision *d)
{
	if (supply_wanted(p, now) == 0) {
		if (p->blocked)
			budget_block(p, false);
		return false;
	}
	if (budget_allows(p) && budget_is_next(p))
		return open_slot(p, NULL, now, d);
	/* Only those who wait have a claim on what others hold. */
	budget_block(p, p->eligible[TICKET_ALONE] + p->eligible[TICKET_SHARED] > 0);
	return false;
}

static void postpone(struct slot *s, usec now)
{
	heap_remove(&s->pool->lifetimes, &s->lifetime_node);
	s->retire_at = usec_add(now, POSTPONE_US);
	heap_insert(&s->pool->lifetimes, &s->lifetime_node);
}

static bool is_surplus(const struct pool *p, const struct slot *s)
{
	return p->n[SLOT_IDLE] > (s->state == SLOT_IDLE) && pool_standing(p) > p->settings.min_size;
}

/* Sees to the connections whose lifetime is over. */
bool supply_renew(struct pool *p, usec now, struct decision *d)
{
	struct slot *s;

	for (;;) {
		s = container_of_or_null(heap_peek(&p->lifetimes), struct slot, lifetime_node);
		if (!s || s->retire_at > now)
			return false;
		if (p->breaker.state != BREAKER_CLOSED || !may_connect(p, now)) {
			/* What works is kept while no other can be had. */
			postpone(s, now);
		} else if (!is_surplus(p, s) && room(p, now) && p->n_slots < p->ceiling.limit &&
			   budget_allows(p)) {
			heap_remove(&p->lifetimes, &s->lifetime_node);
			return open_slot(p, s, now, d);
		} else {
			heap_remove(&p->lifetimes, &s->lifetime_node);
			slot_retire(s, CLOSE_LIFETIME);
		}
	}
}

/* At most half of what idles at once, so that a check that hangs does not take all. */
bool supply_ping(struct pool *p, usec now, struct decision *d)
{
	struct slot *s = TAILQ_FIRST(&p->checks);

	if (!s || usec_add(s->checked, p->settings.keepalive_us) > now)
		return false;
	if (p->n[SLOT_PINGING] > 0 && p->n[SLOT_PINGING] + 2 > p->n[SLOT_IDLE])
		return false;
	p->stats.pings_total++;
	slot_ping(s);
	*d = (struct decision){ .type = DECISION_PING, .pool = p, .slot = s };
	return true;
}

static usec sooner(usec due, usec candidate, usec after)
{
	return candidate > after ? MIN(due, candidate) : due;
}

usec supply_due(const struct pool *p, usec after)
{
	const struct slot *idle = TAILQ_LAST(&p->slots[SLOT_IDLE], slot_list);
	const struct slot *check = TAILQ_FIRST(&p->checks);
	const struct slot *old =
		container_of_or_null(heap_peek(&p->lifetimes), struct slot, lifetime_node);
	usec due = USEC_NEVER;

	if (idle)
		due = sooner(due, usec_add(idle->idle_since, idle_timeout(p)), after);
	if (check)
		due = sooner(due, usec_add(check->checked, p->settings.keepalive_us), after);
	if (old)
		due = sooner(due, old->retire_at, after);
	if (p->breaker.state == BREAKER_OPEN)
		due = sooner(due, p->breaker.retry_at, after);
	due = sooner(due, p->retry_at, after);
	return p->ceiling.limit == CEILING_UNKNOWN ? due
						   : sooner(due, ceiling_due(&p->ceiling), after);
}
