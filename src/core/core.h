/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The scheduler: who gets which connection when. It owns the budget, the pools, the applications
 * and the wait queues, and knows nothing of sockets, PostgreSQL, protobuf, clocks or logs: events
 * come in as calls that carry the time, and what shall be done goes out as decisions that the
 * caller takes one by one:
 *
 *	core_submit(core, &ticket, now);
 *	while (core_decide(core, now, &decision))
 *		carry_out(&decision);
 *	wake me again at core_wakeup(core);
 *
 * No call calls back, none allocates on the path from submit over grant to finish, and all state is
 * consistent between any two calls, so a caller may submit, finish or fail things while it carries
 * out a decision.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/settings.h"
#include "core/ticket.h"
#include "util/macro.h"

struct application;
struct core;
struct lease;
struct pool;
struct slot;

/* What a connection failed of, as far as scheduling cares. */
enum slot_failure {
	SLOT_FAILURE_NONE,
	SLOT_FAILURE_NETWORK, /* refused, reset, timed out, not resolved, 57P01 to 57P03 */
	SLOT_FAILURE_AUTH,    /* the server refused the role or its password: not to be hammered */
	SLOT_FAILURE_SERVER_FULL, /* SQLSTATE 53300, reserved slots: back-pressure, never the
				     breaker's business */
	SLOT_FAILURE_OTHER, /* the server was reached and said no for a reason of its own: no such
			       database */
};

enum close_reason {
	CLOSE_IDLE,      /* idle_timeout, or overflow that pressure no longer needs */
	CLOSE_LIFETIME,  /* max_lifetime */
	CLOSE_RECLAIMED, /* another pool's waiters need the slot */
	CLOSE_RECONNECT, /* asked for by reconnect, or the target changed */
	CLOSE_SHRUNK,    /* the limit in force fell */
	CLOSE_DRAIN,     /* the pool is going away */
};

enum refusal {
	REFUSE_QUEUE_FULL,
	REFUSE_TIMEOUT,     /* acquire timeout: waited as long as the settings allow */
	REFUSE_DEADLINE,    /* the request's own deadline passed in the queue */
	REFUSE_UNREACHABLE, /* the deadline cannot be met: refused at once */
	REFUSE_BREAKER,
	REFUSE_DRAINING,
};

enum decision_type {
	DECISION_NONE,
	DECISION_OPEN,  /* slot: connect it; answer with core_slot_opened() or core_slot_failed() */
	DECISION_CLOSE, /* slot, close_reason: idle; close it and answer with core_slot_closed() */
	DECISION_PING,  /* slot: idle for long; check it; answer with core_slot_pinged() or
			   core_slot_failed() */
	DECISION_GRANT, /* ticket, slot: run it there; `depth` tickets are ahead of it on this slot
			 */
	DECISION_REFUSE, /* ticket, refusal, retry_after_us: it is out of the queue, the caller's
			    again */
	DECISION_EXPIRE, /* ticket: granted, and its deadline has passed: cancel; it stays granted
			    until core_finish() */
	DECISION_WARN,   /* lease, revocation: it has idled in its transaction for half of what it
			    may: tell */
	DECISION_REVOKE, /* lease, revocation: take it away; it stays granted until lease_end() and
			    core_finish() */
	DECISION_GONE,   /* pool: removed, and nothing of it is left; free what hangs on it and call
			    pool_free() */
};

/* Why a lease is taken away. */
enum revocation {
	REVOKE_EXPIRED,             /* lease_timeout, or the hold asked for, without a renewal */
	REVOKE_IDLE,                /* lease_idle_timeout */
	REVOKE_IDLE_IN_TRANSACTION, /* idle_transaction_timeout */
	REVOKE_TRANSACTION,         /* transaction_timeout */
	REVOKE_ADMIN,
};

struct decision {
	enum decision_type type;
	struct pool *pool; /* of OPEN, CLOSE, PING, GRANT, GONE */
	struct slot *slot;
	struct ticket *ticket;
	struct lease *lease;
	enum close_reason close_reason;
	enum refusal refusal;
	enum revocation revocation;
	unsigned depth;
	usec retry_after_us;
};

/* `settings` is copied. `seed` feeds the jitter. Returns 0 or -ENOMEM. */
int core_new(struct core **ret_core, const struct core_settings *settings, uint64_t seed);

/*
 * New budget and limits, in force from the next decision on. Returns 0, or -ENOMEM with the old
 * ones in force.
 */
int core_configure(struct core *c, const struct core_settings *settings, usec now);

/*
 * Takes a ticket whose pool, application, kind and deadline are set. Its owner may withdraw it
 * until it is granted.
 */
void core_submit(struct core *c, struct ticket *t, usec now);

/* Takes a waiting ticket back (its client is gone). Nothing happens if it does not wait. */
void core_withdraw(struct core *c, struct ticket *t, usec now);

/*
 * A ticket that waits or is granted has another deadline from now on. DECISION_EXPIRE comes once
 * for each deadline: moving it makes it come again.
 */
void core_set_deadline(struct core *c, struct ticket *t, usec deadline, usec now);

/*
 * A granted ticket is done and its connection is clean again: reset, in no transaction. The slot
 * goes on or idles. For a connection that is not usable any more call core_slot_failed()
 * afterwards, when the last of its tickets is finished.
 */
void core_finish(struct core *c, struct ticket *t, usec now);

/* A connection that DECISION_OPEN asked for is up. */
void core_slot_opened(struct core *c, struct slot *s, usec now);

/*
 * The slot's connection was found broken, and its tickets are about to be finished: nothing more is
 * put on it. To be called where core_decide() might run before the core_slot_failed() that must
 * follow.
 */
void core_slot_broken(struct core *c, struct slot *s);

/*
 * A connect, a ping or an established connection failed. No ticket may be granted on the slot any
 * more: the caller has finished them. The slot is freed.
 */
void core_slot_failed(struct core *c, struct slot *s, enum slot_failure failure, usec now);

/* The close that DECISION_CLOSE asked for is done. The slot is freed. */
void core_slot_closed(struct core *c, struct slot *s, usec now);

/* The check that DECISION_PING asked for went well. */
void core_slot_pinged(struct core *c, struct slot *s, usec now);

/* The next thing to do, if there is one; call until it returns false. */
bool core_decide(struct core *c, usec now, struct decision *ret_decision);

/* When to call core_decide() again if nothing else happens; USEC_NEVER if nothing is due. */
usec core_wakeup(const struct core *c);

/* No new work: waiting and new tickets are refused with REFUSE_DRAINING, idle slots are closed. */
void core_drain(struct core *c, usec now);

/* Whether nothing waits, nothing is granted and no slot is left. */
bool core_is_idle(const struct core *c);

/* Numbers of the whole, for status and health. */
struct core_numbers {
	uint32_t budget;          /* as configured */
	uint32_t budget_in_force; /* what the pools' limits in force leave of it */
	uint32_t slots;           /* open, being opened or closed */
	uint32_t in_use;
	uint32_t waiting;
	bool draining;
};
void core_numbers(const struct core *c, usec now, struct core_numbers *ret_numbers);

const char *slot_failure_to_string(enum slot_failure failure);
const char *close_reason_to_string(enum close_reason reason);
const char *refusal_to_string(enum refusal refusal);
const char *revocation_to_string(enum revocation revocation);

/* With all its pools and applications. No ticket may be waiting or granted, no lease alive. */
struct core *core_free(struct core *c);
