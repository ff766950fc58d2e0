/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How many connections the server lets a pool have, as far as is known: cut to what is open when
 * the server says that it is full, probed upward one by one after that.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

struct pool_settings;
struct rng;
struct server_limits;

#define CEILING_UNKNOWN UINT32_MAX

struct ceiling {
	uint32_t limit; /* in force; CEILING_UNKNOWN: none was met yet */
	uint32_t hard;  /* what the server's settings leave; never probed above */
	usec probe_at;  /* when one connection above `limit` may be tried */
	usec pause_us;
};

void ceiling_init(struct ceiling *c);

/* The server said that it is full while `open` connections of ours were up. */
void ceiling_full(struct ceiling *c, const struct pool_settings *s, uint32_t open, struct rng *rng,
		  usec now);

/* A connection came up; `open` counts it. */
void ceiling_opened(struct ceiling *c, const struct pool_settings *s, uint32_t open,
		    struct rng *rng, usec now);

/*
 * What the server's own settings say. `open` of the pool's connections are up and not among the
 * others.
 */
void ceiling_discovered(struct ceiling *c, const struct pool_settings *s,
			const struct server_limits *limits, uint32_t open, struct rng *rng,
			usec now);

/*
 * Whether one more connection may be tried beside `slots` that are open, being opened or being
 * closed.
 */
bool ceiling_allows(const struct ceiling *c, uint32_t slots, usec now);

/* When it will allow a probe; USEC_NEVER where time changes nothing. */
usec ceiling_due(const struct ceiling *c);
