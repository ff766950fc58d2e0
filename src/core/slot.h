/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The right to one connection of a pool, and the connection that it stands for, as far as
 * scheduling knows it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/ticket.h"
#include "util/heap.h"
#include "util/macro.h"

struct lease;
struct pool;

enum slot_state {
	SLOT_FREE,       /* in core::free_slots: counts against nothing */
	SLOT_CONNECTING, /* DECISION_OPEN was given */
	SLOT_IDLE,
	SLOT_BUSY,    /* tickets are granted on it */
	SLOT_PINGING, /* DECISION_PING was given */
	SLOT_CLOSING, /* DECISION_CLOSE was given */
	SLOT_STATES_N,
};

struct slot {
	void *owner; /* the caller's: its connection. NULL at DECISION_OPEN; not touched by the core
		      */
	struct pool *pool; /* borrowed */
	uint32_t index;    /* in core::slots, constant */
	enum slot_state state;

	struct ticket_list tickets; /* borrowed: in the order in which they run; more than one only
				       if all are shared */
	uint32_t depth;             /* their number */
	usec opened;                /* when it came up */
	uint64_t uses;              /* tickets that were granted on it */
	struct lease *lease;        /* borrowed: whose it is */

	/* The core's. */
	bool retiring;            /* closed as soon as it is idle */
	bool broken;              /* core_slot_broken() */
	bool draining;            /* takes no more shared tickets: one that wants it alone waits. In
				     pool::draining */
	uint8_t retire_reason;    /* enum close_reason */
	struct slot *replaces;    /* borrowed: retired once this one is up */
	struct slot *replaced_by; /* borrowed */
	usec idle_since;
	usec checked;      /* last known to work */
	usec retire_at;    /* max_lifetime, with jitter */
	usec run_started;  /* when it was last idle */
	usec headed;       /* when its first ticket became the first */
	usec expected_us;  /* sum over its tickets */
	usec expected_end; /* key in pool::joinable: an estimate that is never too late, see slot.c
			    */
	TAILQ_ENTRY(slot) link;         /* pool::slots[state] or core::free_slots */
	TAILQ_ENTRY(slot) check_link;   /* pool::checks, while idle */
	TAILQ_ENTRY(slot) drain_link;   /* pool::draining */
	struct heap_node join_node;     /* pool::joinable */
	struct heap_node lifetime_node; /* pool::lifetimes */
};

TAILQ_HEAD(slot_list, slot);

const char *slot_state_to_string(enum slot_state state);
