/* SPDX-License-Identifier: MIT */
/* /status.json: what the page shows. Its fields are the page's and may change with it. */
#include <string.h>

#include "core/application.h"
#include "core/breaker.h"
#include "core/core.h"
#include "core/health.h"
#include "core/pool.h"
#include "http/json.h"
#include "http/site.h"
#include "pg/engine.h"
#include "sidepool-version.h"
#include "sp/server.h"

enum {
	APPLICATIONS_SHOWN = 100,
	LEASES_SHOWN = 100,
};

static double ms(usec t)
{
	return (double)t / USEC_PER_MS;
}

static double age_ms(usec since, usec now)
{
	return since == USEC_NEVER ? 0 : ms(usec_sub(now, since));
}

/* ---- pools ---- */

static const char *const columns[] = { "limit",   "open",   "inUse",  "waiting",
				       "granted", "waitMs", "refused" };

static void put_sample(struct json *j, const struct history_sample *s)
{
	json_open(j, NULL, '[');
	json_uint(j, NULL, s->limit);
	json_uint(j, NULL, s->open);
	json_uint(j, NULL, s->in_use);
	json_uint(j, NULL, s->waiting);
	json_uint(j, NULL, s->granted);
	json_tenths(j, NULL, ms(s->wait_us));
	json_uint(j, NULL, s->refused);
	json_close(j, ']');
}

static void put_breaker(struct json *j, const struct pool *p, usec now)
{
	const struct breaker *b = &p->breaker;

	json_open(j, "breaker", '{');
	json_string(j, "state", breaker_state_to_string(b->state));
	json_uint(j, "failures", b->failures);
	json_bool(j, "byHand", b->tripped);
	json_tenths(j, "retryAfterMs", ms(breaker_retry_after(b, &p->settings, now)));
	json_close(j, '}');
}

static void put_pool(const struct site *site, size_t i, struct json *j, usec now)
{
	const struct pg_pool *pool = site->pools[i];
	const struct pool *p = pg_pool_core(pool);

	json_open(j, NULL, '{');
	json_string(j, "name", pg_pool_name(pool));
	json_string(j, "target", pg_pool_target(pool));
	json_uint(j, "idle", p->n[SLOT_IDLE] + p->n[SLOT_PINGING]);
	json_uint(j, "inUse", p->n[SLOT_BUSY]);
	json_uint(j, "connecting", p->n[SLOT_CONNECTING]);
	json_uint(j, "leased", p->leases);
	json_uint(j, "limit", pool_limit(p));
	json_uint(j, "minSize", p->settings.min_size);
	json_uint(j, "maxSize", p->settings.max_size + p->settings.max_overflow);
	json_uint(j, "waiting", p->waiting);
	json_tenths(j, "oldestWaitMs", age_ms(pool_oldest(p), now));
	json_tenths(j, "waitP99Ms", ms(hist_quantile(&p->stats.waits, 0.99)));
	json_bool(j, "paused", p->paused);
	json_string(j, "lastFailure", pg_pool_failure(pool));
	put_breaker(j, p, now);
	json_open(j, "history", '[');
	for (size_t k = 0; k < site->history.n; k++)
		put_sample(j, history_at(&site->history, k, i));
	json_close(j, ']');
	json_close(j, '}');
}

/* ---- applications and leases ---- */

static void put_application(const struct application *app, struct json *j, usec now)
{
	json_open(j, NULL, '{');
	json_string(j, "name", app->name);
	json_uint(j, "inUse", app->in_use);
	json_uint(j, "waiting", app->waiting);
	json_uint(j, "min", app->share.min);
	json_uint(j, "max", app->share.max);
	json_uint(j, "weight", app->share.weight);
	json_int(j, "priority", app->share.priority);
	json_tenths(j, "oldestWaitMs", age_ms(application_oldest(app), now));
	json_tenths(j, "waitP99Ms", ms(hist_quantile(&app->stats.waits, 0.99)));
	json_uint(j, "finished", app->stats.finished_total);
	json_uint(j, "refused", app->stats.refused_total);
	json_uint(j, "revoked", app->stats.revoked_total);
	json_tenths(j, "connectionMs", ms(app->stats.connection_us_total));
	json_close(j, '}');
}

static bool is_active(const struct application *app)
{
	return app->in_use > 0 || app->waiting > 0;
}

/* Those that do something first, since there may be more than are shown. */
static void put_applications(const struct site *site, struct json *j, usec now)
{
	const struct application *app;
	unsigned n = 0, left_out = 0;

	json_open(j, "applications", '[');
	for (int active = 1; active >= 0; active--) {
		for (app = application_next(site->core, NULL); app;
		     app = application_next(site->core, app)) {
			if (is_active(app) != active)
				continue;
			if (n++ < APPLICATIONS_SHOWN)
				put_application(app, j, now);
			else
				left_out++;
		}
	}
	json_close(j, ']');
	json_uint(j, "applicationsLeftOut", left_out);
}

struct leases_shown {
	struct json *json;
	unsigned n;
};

static void put_lease(void *userdata, const struct site_lease *l)
{
	struct leases_shown *shown = userdata;
	struct json *j = shown->json;

	if (shown->n++ >= LEASES_SHOWN)
		return;
	json_open(j, NULL, '{');
	json_string(j, "pool", l->pool);
	json_string(j, "application", l->application);
	json_uint(j, "pid", l->pid);
	json_string(j, "unit", l->unit);
	json_string(j, "callSite", l->call_site);
	json_string(j, "state", l->state);
	json_uint(j, "heldMs", l->held_ms);
	json_uint(j, "stateMs", l->state_ms);
	json_close(j, '}');
}

static void put_leases(const struct site *site, struct json *j)
{
	struct leases_shown shown = { .json = j };

	json_open(j, "leases", '[');
	site->leases(site->owner, put_lease, &shown);
	json_close(j, ']');
	json_uint(j, "leasesLeftOut", shown.n > LEASES_SHOWN ? shown.n - LEASES_SHOWN : 0);
}

/* ---- the whole ---- */

static void put_advice(struct json *j, const char *pool, const struct health_check *check)
{
	if (check->level == HEALTH_HEALTHY)
		return;
	json_open(j, NULL, '{');
	json_string(j, "pool", pool);
	json_string(j, "level", health_level_to_string(check->level));
	json_string(j, "reason", check->reason);
	json_string(j, "advice", check->advice);
	json_close(j, '}');
}

static void put_advices(const struct site *site, struct json *j, usec now)
{
	struct health_check check;

	json_open(j, "advices", '[');
	health_check_budget(site->core, now, &check);
	put_advice(j, "", &check);
	health_check_submits(site, &check);
	put_advice(j, "", &check);
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct pool *p = pg_pool_core(site->pools[i]);
		const char *name = pg_pool_name(site->pools[i]);

		health_check_database(p, now, &check);
		put_advice(j, name, &check);
		health_check_acquisition(p, now, &check);
		put_advice(j, name, &check);
		health_check_limits(p, &check);
		put_advice(j, name, &check);
	}
	json_close(j, ']');
}

static void put_whole(const struct site *site, struct json *j, usec now)
{
	struct core_numbers n;

	core_numbers(site->core, now, &n);
	json_string(j, "version", SIDEPOOL_VERSION);
	json_string(j, "health", health_level_to_string(health_of_site(site, now)));
	json_bool(j, "draining", n.draining);
	json_uint(j, "budget", n.budget);
	json_uint(j, "budgetInForce", n.budget_in_force);
	json_uint(j, "connections", n.slots);
	json_uint(j, "inUse", n.in_use);
	json_uint(j, "waiting", n.waiting);
	json_uint(j, "clients", sp_server_counts(site->server)->connections);
}

void status_answer(const struct site *site, struct http_answer *a)
{
	struct json j = { .text = &a->text };
	usec now = pg_engine_now();

	a->type = "application/json";
	json_open(&j, NULL, '{');
	put_whole(site, &j, now);
	put_advices(site, &j, now);
	json_uint(&j, "stepMs", HISTORY_STEP_MS);
	json_open(&j, "columns", '[');
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		json_string(&j, NULL, columns[i]);
	json_close(&j, ']');
	json_open(&j, "pools", '[');
	for (size_t i = 0; i < site->n_pools; i++)
		put_pool(site, i, &j, now);
	json_close(&j, ']');
	put_applications(site, &j, now);
	put_leases(site, &j);
	json_close(&j, '}');
}
