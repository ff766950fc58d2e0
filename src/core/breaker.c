/* SPDX-License-Identifier: MIT */
/*
 * closed --(threshold failures in a row, or one refused password)--> open --(its pause is over, a
 * connect begins)--> half-open half-open --(it worked)--> closed; --(it failed)--> open, with twice
 * the pause.
 *
 * What counts: everything but a full server. A missing database (SLOT_FAILURE_OTHER) counts as
 * well: each further connect would end the same way, and those who wait should hear of it. A
 * refused role or password opens at once and pauses for breaker_reset: servers lock accounts that
 * are tried again and again.
 *
 * Invariant: in the closed state failures < threshold (unless the threshold is 0: never opens);
 * open and not tripped has a retry_at that is at most breaker_reset away from when it opened.
 */
#include "core/breaker.h"

#include "core/rng.h"
#include "core/settings.h"

static void enter(struct breaker *b, enum breaker_state state)
{
	if (b->state != state)
		b->entered_total[state]++;
	b->state = state;
}

static void open_for(struct breaker *b, usec pause, struct rng *rng, usec now)
{
	if (b->state == BREAKER_CLOSED) {
		b->opened_total++;
		b->since = now;
	}
	enter(b, BREAKER_OPEN);
	b->pause_us = pause;
	b->retry_at = usec_add(now, rng_jitter(rng, pause));
}

static usec first_pause(const struct pool_settings *s, enum slot_failure failure)
{
	return failure == SLOT_FAILURE_AUTH ? s->breaker_reset_us
					    : MIN(s->backoff_min_us, s->breaker_reset_us);
}

static usec next_pause(const struct breaker *b, const struct pool_settings *s,
		       enum slot_failure failure)
{
	usec twice = usec_add(b->pause_us, b->pause_us);

	return MIN(MAX(twice, first_pause(s, failure)), s->breaker_reset_us);
}

void breaker_failed(struct breaker *b, const struct pool_settings *s, enum slot_failure failure,
		    struct rng *rng, usec now)
{
	b->failures++;
	b->cause = (uint8_t)failure;
	switch (b->state) {
	case BREAKER_CLOSED:
		if (s->breaker_threshold == 0)
			return;
		if (failure == SLOT_FAILURE_AUTH || b->failures >= s->breaker_threshold)
			open_for(b, first_pause(s, failure), rng, now);
		return;
	case BREAKER_HALF_OPEN:
		open_for(b, next_pause(b, s, failure), rng, now);
		return;
	case BREAKER_OPEN:
		/* A connect that began before it opened: known already. */
		return;
	}
}

void breaker_succeeded(struct breaker *b, usec now)
{
	b->failures = 0;
	if (b->state == BREAKER_CLOSED || b->tripped)
		return;
	breaker_reset(b, now);
}

bool breaker_allows(const struct breaker *b, usec now)
{
	switch (b->state) {
	case BREAKER_CLOSED:
		return true;
	case BREAKER_OPEN:
		return !b->tripped && now >= b->retry_at;
	case BREAKER_HALF_OPEN:
		return false;
	}
	return false;
}

void breaker_connecting(struct breaker *b)
{
	if (b->state == BREAKER_OPEN)
		enter(b, BREAKER_HALF_OPEN);
}

void breaker_abandoned(struct breaker *b)
{
	if (b->state == BREAKER_HALF_OPEN)
		enter(b, BREAKER_OPEN);
}

usec breaker_retry_after(const struct breaker *b, const struct pool_settings *s, usec now)
{
	if (b->state == BREAKER_CLOSED)
		return 0;
	if (b->tripped)
		return s->breaker_reset_us;
	/*
	 * While the probe is under way nobody knows: as long as it takes to fail again, at the
	 * least.
	 */
	return MAX(usec_sub(b->retry_at, now), MIN(s->backoff_min_us, s->breaker_reset_us));
}

void breaker_trip(struct breaker *b, usec now)
{
	if (b->state == BREAKER_CLOSED) {
		b->opened_total++;
		b->since = now;
	}
	enter(b, BREAKER_OPEN);
	b->tripped = true;
	b->retry_at = USEC_NEVER;
}

void breaker_reset(struct breaker *b, usec now)
{
	if (b->state != BREAKER_CLOSED)
		b->since = now;
	enter(b, BREAKER_CLOSED);
	b->failures = 0;
	b->tripped = false;
	b->pause_us = 0;
	b->retry_at = 0;
}

const char *breaker_state_to_string(enum breaker_state state)
{
	switch (state) {
	case BREAKER_CLOSED:
		return "closed";
	case BREAKER_OPEN:
		return "open";
	case BREAKER_HALF_OPEN:
		return "half-open";
	}
	return "?";
}
