/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the core is told by the configuration: numbers only, already checked. Defaults and meaning:
 * src/config/.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

struct core_settings {
	uint32_t budget;           /* connections of all pools together */
	uint32_t queue_limit;      /* waiting tickets of all applications together */
	uint32_t max_connecting;   /* connects under way at once, in one pool; 0: no limit */
	uint32_t max_applications; /* that are remembered at once; 0: APPLICATIONS_DEFAULT */
	uint64_t first_token;  /* fencing tokens grow from here: wall-clock microseconds make them
				  grow across restarts too */
	double degraded_ratio; /* health: part of the budget in use */
	double unhealthy_ratio;
	usec degraded_wait_us; /* health: time to acquire */
};

struct pool_settings {
	uint32_t min_size; /* kept open, also idle */
	uint32_t max_size;
	uint32_t max_overflow;   /* opened above max_size under pressure, closed when it is over */
	uint32_t pipeline_depth; /* tickets on one connection at once; 1: no pipelining */
	usec pipeline_budget_us; /* the most expected work that a ticket may be put behind */
	usec idle_timeout_us;
	usec max_lifetime_us; /* USEC_NEVER: none; each connection gets up to 10 % less, by chance
			       */
	usec keepalive_us;    /* ping after idling so long; USEC_NEVER: never */
	usec backoff_min_us;  /* between failed connects, doubling with jitter */
	usec backoff_max_us;
	uint32_t breaker_threshold; /* consecutive connection failures that open it */
	usec breaker_reset_us;      /* the longest between two probes */
};

enum {
	APPLICATIONS_DEFAULT = 1024,
	PRIORITY_MIN = -100,
	PRIORITY_MAX = 100,
	PRIORITY_LEVELS = PRIORITY_MAX - PRIORITY_MIN + 1,
};

struct share_settings {
	uint32_t min;     /* slots that are kept for it */
	uint32_t max;     /* 0: no limit of its own */
	uint32_t weight;  /* 1 and up */
	int32_t priority; /* PRIORITY_MIN to PRIORITY_MAX: higher goes first; equal ones share by
			     weight */
	uint32_t queue_limit; /* its waiting tickets; 0: only core_settings.queue_limit */
	bool read_only;
};

/* How long a lease may last; USEC_NEVER: for ever. */
struct lease_settings {
	usec hold_us;             /* lease_timeout, or what was asked for: until it is renewed */
	usec idle_us;             /* lease_idle_timeout */
	usec idle_transaction_us; /* idle_transaction_timeout */
	usec transaction_us;      /* transaction_timeout: from its begin, whatever it does */
};

/*
 * What the server was found to allow (max_connections and its relatives), see pool_discovered().
 */
struct server_limits {
	uint32_t max_connections; /* for roles like ours: without what is reserved */
	uint32_t role_limit;      /* 0: none */
	uint32_t database_limit;  /* 0: none */
	uint32_t others;          /* connections that others than this pool hold at the moment */
};
