/* SPDX-License-Identifier: MIT */
/*
 * The life of a lease, and its four clocks: how long it is held since it began or was renewed, how
 * long it idles, how long it idles in a transaction (with a warning at half of it), how long its
 * transaction lasts. Which of them run depends on the state.
 *
 * Each statement of a lease changes its state twice and so moves its clocks. To move it in the heap
 * each time would cost more than the rest of this file together; so `due` is only ever moved
 * forward when something comes sooner, and a lease that comes up early is filed anew. Invariant:
 * due <= next_due(), and the lease is in core::leases_due from lease_begin() until it is revoked or
 * ended.
 *
 * An id holds the index of the slot in its low bits and chance above, so that it is found without a
 * table and cannot be guessed.
 */
#include "core/lease.h"

#include <assert.h>

#include "core/core-internal.h"

static const uint8_t may_follow[] = {
	[LEASE_NONE] = 1U << LEASE_IDLE,
	[LEASE_IDLE] = 1U << LEASE_RUNNING | 1U << LEASE_REVOKING | 1U << LEASE_NONE,
	[LEASE_RUNNING] = 1U << LEASE_IDLE | 1U << LEASE_IDLE_IN_TRANSACTION |
			  1U << LEASE_REVOKING | 1U << LEASE_NONE,
	[LEASE_IDLE_IN_TRANSACTION] = 1U << LEASE_RUNNING | 1U << LEASE_REVOKING | 1U << LEASE_NONE,
	[LEASE_REVOKING] = 1U << LEASE_NONE,
};

bool lease_due_before(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct lease, due_node)->due <
	       container_of(b, struct lease, due_node)->due;
}

static struct core *core_of(const struct lease *l)
{
	return l->ticket.pool->core;
}

static bool is_idle(const struct lease *l)
{
	return l->state == LEASE_IDLE || l->state == LEASE_IDLE_IN_TRANSACTION;
}

/* When it is to be revoked, as things stand, and what for. */
static usec revoke_at(const struct lease *l, enum revocation *ret_why)
{
	usec at = l->expires, candidate;

	*ret_why = REVOKE_EXPIRED;
	candidate = usec_add(l->transaction_since, l->settings.transaction_us);
	if (candidate < at) {
		at = candidate;
		*ret_why = REVOKE_TRANSACTION;
	}
	if (!is_idle(l))
		return at;
	candidate =
		usec_add(l->state_since, l->state == LEASE_IDLE ? l->settings.idle_us
								: l->settings.idle_transaction_us);
	if (candidate < at) {
		at = candidate;
		*ret_why = l->state == LEASE_IDLE ? REVOKE_IDLE : REVOKE_IDLE_IN_TRANSACTION;
	}
	return at;
}

static usec warn_at(const struct lease *l)
{
	if (l->state != LEASE_IDLE_IN_TRANSACTION || l->warned ||
	    l->settings.idle_transaction_us == USEC_NEVER)
		return USEC_NEVER;
	return usec_add(l->state_since, l->settings.idle_transaction_us / 2);
}

static usec next_due(const struct lease *l)
{
	enum revocation why;

	return l->revoke_asked ? 0 : MIN(revoke_at(l, &why), warn_at(l));
}

static void file(struct lease *l, usec due)
{
	struct core *c = core_of(l);

	heap_remove(&c->leases_due, &l->due_node);
	l->due = due;
	if (due != USEC_NEVER)
		heap_insert(&c->leases_due, &l->due_node);
}

/* Its clocks have changed. */
static void rekey(struct lease *l)
{
	usec due = next_due(l);

	if (due < l->due || (!heap_linked(&l->due_node) && due != USEC_NEVER))
		file(l, due);
}

static uint64_t new_id(struct core *c, const struct slot *s)
{
	uint64_t chance;

	do {
		chance = rng_next(&c->rng) >> LEASE_INDEX_BITS;
	} while (chance == 0);
	return chance << LEASE_INDEX_BITS | s->index;
}

void lease_begin(struct lease *l, const struct lease_settings *settings, usec now)
{
	struct core *c = core_of(l);
	struct slot *s = l->ticket.slot;

	assert(l->ticket.state == TICKET_GRANTED && l->state == LEASE_NONE && !s->lease);
	l->settings = *settings;
	l->id = new_id(c, s);
	l->token = c->next_token++;
	l->state = LEASE_IDLE;
	l->begun = l->state_since = now;
	l->expires = usec_add(now, settings->hold_us);
	l->transaction_since = USEC_NEVER;
	l->warned = l->revoke_asked = false;
	l->due = USEC_NEVER;
	s->lease = l;
	s->pool->leases++;
	s->pool->stats.leases_total++;
	l->ticket.app->stats.leases_total++;
	meter_of(l->ticket.app, s->pool)->leases_total++;
	rekey(l);
}

bool lease_may_enter(const struct lease *l, enum lease_state to)
{
	return to == l->state || may_follow[l->state] & 1U << to;
}

static void enter(struct lease *l, enum lease_state to, usec now)
{
	l->state = to;
	if (to != LEASE_REVOKING)
		l->state_since = now; /* what it is revoked for counts from then */
	l->warned = false;
}

void lease_enter(struct lease *l, enum lease_state to, usec now)
{
	assert(lease_may_enter(l, to) && to != LEASE_NONE && to != LEASE_REVOKING);
	if (l->state == to)
		return;
	enter(l, to, now);
	if (to == LEASE_IDLE)
		l->transaction_since = USEC_NEVER;
	else if (to == LEASE_IDLE_IN_TRANSACTION && l->transaction_since == USEC_NEVER)
		l->transaction_since = now;
	rekey(l);
}

void lease_in_transaction(struct lease *l, bool in_transaction, usec now)
{
	if (in_transaction == (l->transaction_since != USEC_NEVER))
		return;
	l->transaction_since = in_transaction ? now : USEC_NEVER;
	if (l->state != LEASE_NONE && l->state != LEASE_REVOKING)
		rekey(l);
}

usec lease_renew(struct lease *l, usec hold_us, usec now)
{
	if (l->state == LEASE_REVOKING || l->state == LEASE_NONE || l->revoke_asked)
		return 0;
	l->expires = usec_add(now, hold_us ? hold_us : l->settings.hold_us);
	rekey(l);
	return l->expires == USEC_NEVER ? USEC_NEVER : l->expires - now;
}

void lease_revoke(struct lease *l, usec now)
{
	(void)now;
	if (l->state == LEASE_REVOKING || l->state == LEASE_NONE)
		return;
	l->revoke_asked = true;
	rekey(l);
}

struct lease *lease_find(const struct core *c, uint64_t id)
{
	uint32_t index = id & (SLOTS_MAX - 1);
	struct lease *l;

	if (index >= c->n_allocated)
		return NULL;
	l = c->slots[index]->lease;
	return l && l->id == id ? l : NULL;
}

struct lease *lease_next(const struct core *c, const struct lease *after)
{
	uint32_t index = after ? after->ticket.slot->index + 1 : 0;

	for (; index < c->n_allocated; index++)
		if (c->slots[index]->lease)
			return c->slots[index]->lease;
	return NULL;
}

void lease_end(struct lease *l, usec now)
{
	if (l->state == LEASE_NONE)
		return;
	heap_remove(&core_of(l)->leases_due, &l->due_node);
	l->ticket.slot->lease = NULL;
	l->ticket.pool->leases--;
	enter(l, LEASE_NONE, now);
	l->transaction_since = USEC_NEVER;
}

static bool warn(struct lease *l, struct decision *d)
{
	l->warned = true;
	file(l, next_due(l));
	*d = (struct decision){
		.type = DECISION_WARN,
		.pool = l->ticket.pool,
		.slot = l->ticket.slot,
		.ticket = &l->ticket,
		.lease = l,
		.revocation = REVOKE_IDLE_IN_TRANSACTION,
	};
	return true;
}

static bool take_away(struct lease *l, enum revocation why, usec now, struct decision *d)
{
	file(l, USEC_NEVER);
	l->revoked_in = l->state;
	l->revocation = (uint8_t)why;
	enter(l, LEASE_REVOKING, now);
	l->ticket.app->stats.revoked_total++;
	meter_of(l->ticket.app, l->ticket.pool)->revoked_total[why]++;
	*d = (struct decision){
		.type = DECISION_REVOKE,
		.pool = l->ticket.pool,
		.slot = l->ticket.slot,
		.ticket = &l->ticket,
		.lease = l,
		.revocation = why,
	};
	return true;
}

bool lease_decide(struct core *c, usec now, struct decision *d)
{
	enum revocation why;
	struct lease *l;

	for (;;) {
		l = container_of_or_null(heap_peek(&c->leases_due), struct lease, due_node);
		if (!l || l->due > now)
			return false;
		if (l->revoke_asked)
			return take_away(l, REVOKE_ADMIN, now, d);
		if (revoke_at(l, &why) <= now)
			return take_away(l, why, now, d);
		if (warn_at(l) <= now)
			return warn(l, d);
		file(l, next_due(l));
	}
}

usec lease_wakeup(const struct core *c)
{
	const struct lease *l =
		container_of_or_null(heap_peek(&c->leases_due), struct lease, due_node);

	return l ? l->due : USEC_NEVER;
}

const char *lease_state_to_string(enum lease_state state)
{
	static const char *const names[] = {
		[LEASE_NONE] = "none",         [LEASE_IDLE] = "idle",
		[LEASE_RUNNING] = "running",   [LEASE_IDLE_IN_TRANSACTION] = "idle in transaction",
		[LEASE_REVOKING] = "revoking",
	};

	return (unsigned)state < ARRAY_LEN(names) ? names[state] : "?";
}
