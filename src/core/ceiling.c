/* SPDX-License-Identifier: MIT */
/*
 * Additive increase, and a decrease to what is known to hold: the server that refuses the 23rd
 * connection has shown that 22 are possible, so there is nothing to be won by giving up any of
 * them. Upward it goes by one connect at a time, each after a pause that doubles while the server
 * stays full. Refusing costs the server a fork, so the pause has a ceiling of its own, low enough
 * that connections which others give back are soon found.
 *
 * Invariant: limit <= hard, unless both are CEILING_UNKNOWN.
 */
#include "core/ceiling.h"

#include "core/rng.h"
#include "core/settings.h"

#define PROBE_PAUSE_MAX_US USEC_PER_SEC

void ceiling_init(struct ceiling *c)
{
	*c = (struct ceiling){ .limit = CEILING_UNKNOWN, .hard = CEILING_UNKNOWN };
}

static void pause_probing(struct ceiling *c, usec pause, struct rng *rng, usec now)
{
	c->pause_us = MIN(MAX(pause, USEC_PER_MS), PROBE_PAUSE_MAX_US);
	c->probe_at = usec_add(now, rng_jitter(rng, c->pause_us));
}

void ceiling_full(struct ceiling *c, const struct pool_settings *s, uint32_t open, struct rng *rng,
		  usec now)
{
	bool first = c->limit == CEILING_UNKNOWN || c->limit > open;

	c->limit = MIN(c->limit, open);
	/* Several connects that were under way together fail together: one refusal, not many. */
	if (now < c->probe_at && !first)
		return;
	pause_probing(c, first ? s->backoff_min_us : 2 * c->pause_us, rng, now);
}

void ceiling_opened(struct ceiling *c, const struct pool_settings *s, uint32_t open,
		    struct rng *rng, usec now)
{
	if (c->limit == CEILING_UNKNOWN || open <= c->limit)
		return;
	c->limit = MIN(open, c->hard);
	pause_probing(c, s->backoff_min_us, rng, now);
}

static uint32_t hard_limit(const struct server_limits *l)
{
	uint32_t hard = l->max_connections ? l->max_connections : CEILING_UNKNOWN;

	if (l->role_limit)
		hard = MIN(hard, l->role_limit);
	if (l->database_limit)
		hard = MIN(hard, l->database_limit);
	return hard;
}

void ceiling_discovered(struct ceiling *c, const struct pool_settings *s,
			const struct server_limits *limits, uint32_t open, struct rng *rng,
			usec now)
{
	uint32_t free = CEILING_UNKNOWN;

	c->hard = hard_limit(limits);
	if (limits->max_connections)
		free = limits->max_connections > limits->others
			       ? limits->max_connections - limits->others
			       : 0;
	c->limit = MIN(MAX(free, open), c->hard);
	if (c->limit < c->hard)
		pause_probing(c, s->backoff_min_us, rng, now);
}

bool ceiling_allows(const struct ceiling *c, uint32_t slots, usec now)
{
	if (slots < c->limit)
		return true;
	return slots == c->limit && c->limit < c->hard && now >= c->probe_at;
}

usec ceiling_due(const struct ceiling *c)
{
	return c->limit < c->hard ? c->probe_at : USEC_NEVER;
}
