/* SPDX-License-Identifier: MIT */
/*
 * Each check is a function from numbers to a level, a reason and an advice. The thresholds are
 * settings; what counts as no news (an acquisition time that is older than FORGET_US) is said here.
 */
#include "core/health.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/core-internal.h"

#define FORGET_US (10 * USEC_PER_SEC)

#define SAY(text, ...) snprintf(text, sizeof(text), __VA_ARGS__)

static double ms(usec t)
{
	return (double)t / (double)USEC_PER_MS;
}

void health_of_budget(const struct core_settings *s, uint32_t in_use, uint32_t budget_in_force,
		      uint32_t waiting, struct health_check *ret_check)
{
	double used =
		budget_in_force ? (double)in_use / budget_in_force : in_use > 0 || waiting > 0;
	struct health_check c = { .level = HEALTH_HEALTHY };

	if (used >= s->unhealthy_ratio)
		c.level = HEALTH_UNHEALTHY;
	else if (used >= s->degraded_ratio)
		c.level = HEALTH_DEGRADED;
	SAY(c.reason,
	    "%" PRIu32 " of %" PRIu32 " connections are in use (%.0f %%), %" PRIu32
	    " requests wait.",
	    in_use, budget_in_force, used * 100, waiting);
	if (c.level != HEALTH_HEALTHY)
		SAY(c.advice, "See who holds them with 'sidepool leases' and 'sidepool apps'; "
			      "raise the budget if the server "
			      "has room, or shorten what holds connections.");
	*ret_check = c;
}

void health_of_acquisition(const struct core_settings *s, usec acquisition_us,
			   struct health_check *ret_check)
{
	struct health_check c = { .level = HEALTH_HEALTHY };

	if (acquisition_us > s->degraded_wait_us)
		c.level = HEALTH_DEGRADED;
	SAY(c.reason, "It takes %.1f ms to get a connection (the limit is %.1f ms).",
	    ms(acquisition_us), ms(s->degraded_wait_us));
	if (c.level != HEALTH_HEALTHY)
		SAY(c.advice, "Raise max_size or the budget, or give what must not wait a minimum "
			      "or a higher weight.");
	*ret_check = c;
}

static const char *remedy(const struct breaker *b)
{
	if (b->tripped)
		return "It was opened by hand: close it with 'sidepool breaker reset'.";
	switch ((enum slot_failure)b->cause) {
	case SLOT_FAILURE_AUTH:
		return "Check the role and its password, reload, and close the breaker with "
		       "'sidepool breaker reset'.";
	case SLOT_FAILURE_OTHER:
		return "The server answers but refuses: its message is in the log. Check the name "
		       "of the database.";
	default:
		return "Check that PostgreSQL runs and accepts connections, and the network on the "
		       "way to it.";
	}
}

/* Nothing failed: what that says of the database depends on whether anything was asked of it. */
static void say_reachable(uint32_t slots_up, struct health_check *c)
{
	if (slots_up == 0)
		SAY(c->reason, "No connection is up, and none was needed or has failed lately.");
	else if (slots_up == 1)
		SAY(c->reason, "The database can be reached; 1 connection is up.");
	else
		SAY(c->reason, "The database can be reached; %" PRIu32 " connections are up.",
		    slots_up);
}

void health_of_database(const struct breaker *b, uint32_t slots_up, usec retry_after_us, usec now,
			struct health_check *ret_check)
{
	struct health_check c = { .level = HEALTH_HEALTHY };

	if (b->state == BREAKER_CLOSED && b->failures == 0) {
		say_reachable(slots_up, &c);
	} else if (b->state == BREAKER_CLOSED) {
		c.level = slots_up ? HEALTH_DEGRADED : HEALTH_UNHEALTHY;
		SAY(c.reason,
		    "The last %" PRIu32 " connects failed (%s); %" PRIu32 " connections are up.",
		    b->failures, slot_failure_to_string(b->cause), slots_up);
		SAY(c.advice, "%s", remedy(b));
	} else if (b->tripped) {
		c.level = HEALTH_UNHEALTHY;
		SAY(c.reason, "The breaker was opened by hand %.0f s ago and stays so.",
		    ms(usec_sub(now, b->since)) / 1000);
		SAY(c.advice, "%s", remedy(b));
	} else {
		c.level = HEALTH_UNHEALTHY;
		SAY(c.reason, "The breaker is %s since %.1f s (%s); the next attempt is in %.1f s.",
		    breaker_state_to_string(b->state), ms(usec_sub(now, b->since)) / 1000,
		    slot_failure_to_string(b->cause), ms(retry_after_us) / 1000);
		SAY(c.advice, "%s", remedy(b));
	}
	*ret_check = c;
}

void health_of_limits(uint32_t asked, uint32_t in_force, uint32_t would_fit,
		      struct health_check *ret_check)
{
	struct health_check c = { .level = HEALTH_HEALTHY };

	if (would_fit) {
		c.level = HEALTH_DEGRADED;
		SAY(c.reason,
		    "Up to %" PRIu32
		    " connections are asked for, the server's limits leave %" PRIu32 ".",
		    asked, would_fit);
		SAY(c.advice,
		    "Set max_size and max_overflow to %" PRIu32
		    " together, or raise the server's limit.",
		    would_fit);
	} else if (in_force < asked) {
		c.level = HEALTH_DEGRADED;
		SAY(c.reason,
		    "The server is full: it lets us have %" PRIu32 " of %" PRIu32 " connections.",
		    in_force, asked);
		SAY(c.advice,
		    "Others hold the rest: see pg_stat_activity. More are tried for all the time.");
	} else {
		SAY(c.reason, "The server's limits leave room for all %" PRIu32 " connections.",
		    asked);
	}
	*ret_check = c;
}

void health_of_submits(uint32_t queued, uint32_t most, bool journal_fails,
		       struct health_check *ret_check)
{
	struct health_check c = { .level = HEALTH_HEALTHY };

	if (journal_fails) {
		c.level = HEALTH_DEGRADED;
		SAY(c.reason,
		    "The journal of submitted writes cannot be written: none is "
		    "accepted, %" PRIu32 " are not done yet.",
		    queued);
		SAY(c.advice, "Make room on its disk: the log has the reason.");
	} else if (UINT64_C(5) * queued > UINT64_C(4) * most) {
		c.level = HEALTH_DEGRADED;
		SAY(c.reason,
		    "%" PRIu32 " of at most %" PRIu32 " submitted writes are not done yet.", queued,
		    most);
		SAY(c.advice, "See with 'sidepool queue' what they wait for.");
	} else {
		SAY(c.reason,
		    "%" PRIu32 " submitted writes are not done yet (the limit is %" PRIu32 ").",
		    queued, most);
	}
	*ret_check = c;
}

void health_check_budget(const struct core *c, usec now, struct health_check *ret_check)
{
	struct core_numbers n;

	core_numbers(c, now, &n);
	health_of_budget(&c->settings, n.in_use, n.budget_in_force, n.waiting, ret_check);
}

/* What the last ones waited, or the one that waits now if that is more. */
usec health_acquisition(const struct pool *p, usec now)
{
	usec oldest = pool_oldest(p);
	usec recent = usec_sub(now, p->last_granted) > FORGET_US ? 0 : p->recent_wait_us;

	return oldest == USEC_NEVER ? recent : MAX(recent, usec_sub(now, oldest));
}

void health_check_acquisition(const struct pool *p, usec now, struct health_check *ret_check)
{
	health_of_acquisition(&p->core->settings, health_acquisition(p, now), ret_check);
	if (!p->paused)
		return;
	/* What waits for somebody who knows of it is not the pool's fault. */
	ret_check->level = HEALTH_DEGRADED;
	SAY(ret_check->reason, "The pool is paused by hand: nothing is granted, %" PRIu32 " wait.",
	    p->waiting);
	SAY(ret_check->advice, "Let it go on with 'sidepool resume'.");
}

void health_check_database(const struct pool *p, usec now, struct health_check *ret_check)
{
	uint32_t up = p->n[SLOT_IDLE] + p->n[SLOT_BUSY] + p->n[SLOT_PINGING];

	health_of_database(&p->breaker, up, breaker_retry_after(&p->breaker, &p->settings, now),
			   now, ret_check);
}

void health_check_limits(const struct pool *p, struct health_check *ret_check)
{
	uint32_t asked =
		MIN(p->settings.max_size + p->settings.max_overflow, p->core->settings.budget);

	health_of_limits(asked, pool_limit(p), pool_would_fit(p), ret_check);
}

enum health_level health_level(const struct core *c, usec now)
{
	struct health_check check;
	enum health_level worst;
	const struct pool *p;

	health_check_budget(c, now, &check);
	worst = check.level;
	TAILQ_FOREACH (p, &c->pools, link) {
		health_check_acquisition(p, now, &check);
		worst = MAX(worst, check.level);
		health_check_database(p, now, &check);
		worst = MAX(worst, check.level);
		health_check_limits(p, &check);
		worst = MAX(worst, check.level);
	}
	return worst;
}

const char *health_level_to_string(enum health_level level)
{
	static const char *const names[] = {
		[HEALTH_HEALTHY] = "healthy",
		[HEALTH_DEGRADED] = "degraded",
		[HEALTH_UNHEALTHY] = "unhealthy",
	};

	return (unsigned)level < ARRAY_LEN(names) ? names[level] : "?";
}
