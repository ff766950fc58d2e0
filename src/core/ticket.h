/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One request for a connection: it waits, is granted a slot, and is finished. It is embedded in
 * whatever asks (a query, a batch, a lease), so that queueing allocates nothing. It starts out
 * zeroed, and may be submitted again once it is refused, withdrawn or done.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "util/heap.h"
#include "util/macro.h"

struct application;
struct pool;
struct slot;

enum ticket_state {
	TICKET_NEW,
	TICKET_WAITING, /* in queue::waiting of its application at its pool */
	TICKET_REFUSED, /* in core::refused until the decision is taken */
	TICKET_GRANTED, /* in slot::tickets */
	TICKET_DONE,
};

struct ticket {
	/* Set by the owner before core_submit(), constant until it is done. */
	void *owner;             /* the owner's; not touched by the core */
	struct pool *pool;       /* borrowed */
	struct application *app; /* borrowed */
	usec deadline; /* of the request as a whole; USEC_NEVER: none. core_set_deadline() moves it
			*/
	usec acquire_deadline; /* of the wait alone; USEC_NEVER: none */
	usec expected_us;      /* how long it will probably hold the connection; 0: not known */
	bool pipelined; /* may share a connection: run behind, and have behind it, others of the
			   kind */
	bool write;     /* may write; the owner's: the core does not look at it */

	/* The core's; to be read by anyone. */
	enum ticket_state state;
	bool shared;         /* pipelined, and short enough to be so */
	bool expired;        /* DECISION_EXPIRE was given */
	uint8_t refusal;     /* enum refusal, while it is refused */
	struct slot *slot;   /* where it is granted */
	usec submitted;      /* when it came */
	usec granted;        /* when it got its slot */
	usec due;            /* key in core::deadlines */
	usec retry_after_us; /* while it is refused */
	TAILQ_ENTRY(ticket)
	link; /* queue::waiting, core::refused or slot::tickets, as the state says */
	struct heap_node deadline_node; /* core::deadlines */
};

TAILQ_HEAD(ticket_list, ticket);
