/* SPDX-License-Identifier: MIT */
/*
 * /health: every check of core/health.h with the numbers that it is about. 503 says that somebody
 * has to do something: unhealthy, or leaving. /health/ready: whether new work is worth sending
 * here: not while the daemon leaves, and not while no pool can be reached. A busy daemon is ready:
 * it queues. /health/live: whoever gets an answer knows that the loop turns.
 */
#include <stdio.h>

#include "core/breaker.h"
#include "core/core.h"
#include "core/health.h"
#include "core/pool.h"
#include "http/json.h"
#include "http/site.h"
#include "pg/engine.h"

enum {
	RETRY_SEC = 5, /* where nothing better is known */
	RETRY_MOST_SEC = 60,
	POOL_NAME_BYTES = 66, /* with a colon, a blank and a zero byte */
};

static const char *level_name(enum health_level level)
{
	static const char *const names[] = {
		[HEALTH_HEALTHY] = "Healthy",
		[HEALTH_DEGRADED] = "Degraded",
		[HEALTH_UNHEALTHY] = "Unhealthy",
	};

	return names[level];
}

static double percent(uint32_t part, uint32_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static void put_check(struct json *j, const char *name, const char *pool,
		      const struct health_check *check)
{
	json_open(j, NULL, '{');
	json_string(j, "name", name);
	if (pool)
		json_string(j, "pool", pool);
	json_string(j, "status", level_name(check->level));
	json_string(j, "description", check->reason);
	json_open(j, "recommendations", '[');
	if (*check->advice)
		json_string(j, NULL, check->advice);
	json_close(j, ']');
	json_open(j, "data", '{');
}

static void end_check(struct json *j)
{
	json_close(j, '}');
	json_close(j, '}');
}

static void put_budget(const struct site *site, struct json *j, usec now)
{
	struct health_check check;
	struct core_numbers n;

	core_numbers(site->core, now, &n);
	health_check_budget(site->core, now, &check);
	put_check(j, "budget", NULL, &check);
	json_uint(j, "activeConnections", n.in_use);
	json_uint(j, "idleConnections", usec_sub(n.slots, n.in_use));
	json_uint(j, "maxPoolSize", n.budget_in_force);
	json_tenths(j, "usagePercent", percent(n.in_use, n.budget_in_force));
	json_uint(j, "waitingRequests", n.waiting);
	json_bool(j, "draining", n.draining);
	end_check(j);
}

void health_check_submits(const struct site *site, struct health_check *ret_check)
{
	struct site_submit_queue q;

	site->submit_queue(site->owner, &q);
	health_of_submits(q.queued, (uint32_t)q.max_size, q.journal_fails, ret_check);
}

enum health_level health_of_site(const struct site *site, usec now)
{
	struct health_check submits;

	health_check_submits(site, &submits);
	return MAX(health_level(site->core, now), submits.level);
}

static void put_submits(const struct site *site, struct json *j)
{
	struct site_submit_queue q;
	struct health_check check;

	site->submit_queue(site->owner, &q);
	health_check_submits(site, &check);
	put_check(j, "submits", NULL, &check);
	json_uint(j, "queuedWrites", q.queued);
	json_uint(j, "maxQueuedWrites", q.max_size);
	json_tenths(j, "oldestMs", (double)q.oldest_us / USEC_PER_MS);
	json_bool(j, "journalFails", q.journal_fails);
	end_check(j);
}

static void put_sizes(struct json *j, const struct pool *p)
{
	uint32_t most = pool_limit(p);

	json_uint(j, "activeConnections", p->n[SLOT_BUSY]);
	json_uint(j, "idleConnections", p->n[SLOT_IDLE] + p->n[SLOT_PINGING]);
	json_uint(j, "maxPoolSize", most);
	json_uint(j, "minPoolSize", p->settings.min_size);
	json_tenths(j, "usagePercent", percent(p->n[SLOT_BUSY], most));
}

static void put_pool(const struct pg_pool *pool, struct json *j, usec now)
{
	const struct pool *p = pg_pool_core(pool);
	const char *name = pg_pool_name(pool);
	struct health_check check;

	health_check_database(p, now, &check);
	put_check(j, "database", name, &check);
	json_string(j, "breakerState", breaker_state_to_string(p->breaker.state));
	json_uint(j, "breakerFailureCount", p->breaker.failures);
	json_tenths(j, "retryAfterMs",
		    (double)breaker_retry_after(&p->breaker, &p->settings, now) / USEC_PER_MS);
	json_string(j, "lastFailure", pg_pool_failure(pool));
	end_check(j);
	health_check_acquisition(p, now, &check);
	put_check(j, "acquisition", name, &check);
	json_tenths(j, "connectionAcquisitionTimeMs",
		    (double)health_acquisition(p, now) / USEC_PER_MS);
	json_uint(j, "waitingRequests", p->waiting);
	end_check(j);
	health_check_limits(p, &check);
	put_check(j, "limits", name, &check);
	put_sizes(j, p);
	end_check(j);
}

/* Of several pools it is said which is meant. */
static void put_advice(struct json *j, const struct site *site, const char *pool,
		       const struct health_check *check)
{
	char named[sizeof(check->advice) + POOL_NAME_BYTES];

	if (!*check->advice)
		return;
	(void)snprintf(named, sizeof(named), "%.63s: %s", pool ? pool : "", check->advice);
	json_string(j, NULL, pool && site->n_pools > 1 ? named : check->advice);
}

/* What to do, all of it in one place. */
static void put_recommendations(const struct site *site, struct json *j, usec now)
{
	struct health_check check;

	json_open(j, "recommendations", '[');
	health_check_budget(site->core, now, &check);
	put_advice(j, site, NULL, &check);
	health_check_submits(site, &check);
	put_advice(j, site, NULL, &check);
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct pool *p = pg_pool_core(site->pools[i]);
		const char *name = pg_pool_name(site->pools[i]);

		health_check_database(p, now, &check);
		put_advice(j, site, name, &check);
		health_check_acquisition(p, now, &check);
		put_advice(j, site, name, &check);
		health_check_limits(p, &check);
		put_advice(j, site, name, &check);
	}
	json_close(j, ']');
}

/* When the first of the pools that cannot be reached is tried again. */
static unsigned retry_sec(const struct site *site, usec now)
{
	usec least = USEC_NEVER;

	for (size_t i = 0; i < site->n_pools; i++) {
		const struct pool *p = pg_pool_core(site->pools[i]);

		if (p->breaker.state != BREAKER_CLOSED)
			least = MIN(least, breaker_retry_after(&p->breaker, &p->settings, now));
	}
	if (least == USEC_NEVER)
		return RETRY_SEC;
	return (unsigned)MIN(least / USEC_PER_SEC + 1, RETRY_MOST_SEC);
}

static void unavailable(const struct site *site, struct http_answer *a, usec now)
{
	a->status = 503;
	a->retry_after = retry_sec(site, now);
}

void health_answer_full(const struct site *site, struct http_answer *a)
{
	usec now = pg_engine_now();
	enum health_level level = health_of_site(site, now);
	struct json j = { .text = &a->text };
	struct core_numbers n;

	core_numbers(site->core, now, &n);
	a->type = "application/json";
	if (level == HEALTH_UNHEALTHY || n.draining)
		unavailable(site, a, now);
	json_open(&j, NULL, '{');
	json_string(&j, "status", level_name(n.draining ? HEALTH_UNHEALTHY : level));
	json_open(&j, "checks", '[');
	put_budget(site, &j, now);
	put_submits(site, &j);
	for (size_t i = 0; i < site->n_pools; i++)
		put_pool(site->pools[i], &j, now);
	json_close(&j, ']');
	put_recommendations(site, &j, now);
	json_close(&j, '}');
}

/* A sentence on why there is no use in asking, or NULL. */
static const char *why_not_ready(const struct site *site, usec now)
{
	struct core_numbers n;
	size_t down = 0, paused = 0;

	core_numbers(site->core, now, &n);
	if (n.draining)
		return "The daemon is stopping: nothing new is taken.";
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct pool *p = pg_pool_core(site->pools[i]);
		struct health_check check;

		health_check_database(p, now, &check);
		down += check.level == HEALTH_UNHEALTHY;
		paused += p->paused;
	}
	if (down == site->n_pools)
		return "No database can be reached: see /health.";
	if (paused == site->n_pools)
		return "Every pool is paused: see 'sidepool resume'.";
	return NULL;
}

static void put_short(struct http_answer *a, const char *why_not)
{
	struct json j = { .text = &a->text };

	a->type = "application/json";
	json_open(&j, NULL, '{');
	json_string(&j, "status", level_name(why_not ? HEALTH_UNHEALTHY : HEALTH_HEALTHY));
	if (why_not)
		json_string(&j, "description", why_not);
	json_close(&j, '}');
}

void health_answer_ready(const struct site *site, struct http_answer *a)
{
	usec now = pg_engine_now();
	const char *why_not = why_not_ready(site, now);

	if (why_not)
		unavailable(site, a, now);
	put_short(a, why_not);
}

void health_answer_live(const struct site *site, struct http_answer *a)
{
	(void)site;
	put_short(a, NULL);
}
