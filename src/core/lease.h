/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One connection for one client until it is released, revoked, or its time is over. The lease is
 * embedded in what its owner keeps of it and has the ticket that got it the connection.
 *
 *	core_submit(core, &lease->ticket, now);             ... DECISION_GRANT ...
 *	lease_begin(lease, &settings, now);                 id and token are set, it is LEASE_IDLE
 *	lease_enter(lease, LEASE_RUNNING, now);             with each statement, and back
 *	lease_end(lease, now);                              released, lost or revoked: the
 *connection is cleaned core_finish(core, &lease->ticket, now);
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "core/settings.h"
#include "core/ticket.h"
#include "util/heap.h"
#include "util/macro.h"

enum lease_state {
	LEASE_NONE, /* not begun, or ended */
	LEASE_IDLE,
	LEASE_RUNNING,
	LEASE_IDLE_IN_TRANSACTION,
	LEASE_REVOKING, /* DECISION_REVOKE was given */
};

struct lease {
	struct ticket ticket;
	void *owner;    /* the caller's; not touched by the core */
	uint64_t id;    /* not to be guessed; 0 before it begins */
	uint64_t token; /* grows with each lease of the daemon */
	enum lease_state state;
	struct lease_settings settings;
	usec begun;
	usec state_since;
	usec expires;                /* lease_timeout, counted from begin or the last renewal */
	usec transaction_since;      /* USEC_NEVER: in none */
	enum lease_state revoked_in; /* the state in which it was revoked: whether something has to
					be cancelled */
	uint8_t revocation;          /* enum revocation, once it is revoked */

	/* The core's. */
	bool warned;       /* of this idling in a transaction */
	bool revoke_asked; /* by lease_revoke() */
	usec due;          /* key in core::leases_due: never later than the next thing to be done */
	struct heap_node due_node;
};

/* Of a granted ticket. */
void lease_begin(struct lease *l, const struct lease_settings *settings, usec now);

/* Whether `to` may follow on the state that it is in. */
bool lease_may_enter(const struct lease *l, enum lease_state to);

/*
 * Must be allowed; entering the state that it is in changes nothing. LEASE_REVOKING is entered by
 * the core alone.
 */
void lease_enter(struct lease *l, enum lease_state to, usec now);

/*
 * A transaction began or ended while it runs: between the two transaction_timeout counts.
 * lease_enter() says so by itself for the states that imply it.
 */
void lease_in_transaction(struct lease *l, bool in_transaction, usec now);

/*
 * From now on it has `hold_us` again; 0: what it began with. Nothing happens to one that is being
 * revoked. Returns the time left.
 */
usec lease_renew(struct lease *l, usec hold_us, usec now);

/* DECISION_REVOKE with REVOKE_ADMIN follows, unless it is being revoked already. */
void lease_revoke(struct lease *l, usec now);

/*
 * By id alone, in O(1); NULL if there is none. Compare lease::token, and whose it is, before it is
 * used.
 */
struct lease *lease_find(const struct core *c, uint64_t id);

/* All that live: NULL gives the first, the last gives NULL. */
struct lease *lease_next(const struct core *c, const struct lease *after);

/* To be called before core_finish(), or core_slot_failed(), of its ticket. Safe twice. */
void lease_end(struct lease *l, usec now);

const char *lease_state_to_string(enum lease_state state);
