/* SPDX-License-Identifier: MIT */
/* The part of the metrics that tells applications apart: see core/meter.h for how many. */
#include <string.h>

#include "core/application.h"
#include "core/meter.h"
#include "core/pool.h"
#include "http/series.h"
#include "http/site.h"
#include "pg/engine.h"

static const char *code_name(unsigned code)
{
	static const char *const names[METER_CODES_N] = {
#define SIDEPOOL_ERROR(number, name, outcome, retryable, sentence, remedy) [number] = #name,
#include "../../proto/errors.def"
#undef SIDEPOOL_ERROR
	};

	return names[code];
}

/* Calls `put` with a series of `name` for each meter there is. */
static void for_meters(const struct site *site, struct text *t, const char *name,
		       void (*put)(struct series *s, const struct meter *m))
{
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct pool *p = pg_pool_core(site->pools[i]);

		for (const struct meter *m = meter_next(p, NULL); m; m = meter_next(p, m)) {
			struct series s = series_of(t, name, pg_pool_name(site->pools[i]));

			s.application = m->application;
			put(&s, m);
		}
	}
}

static void put_granted(struct series *s, const struct meter *m)
{
	series_put(s, m->granted_total);
}

static void put_pipelined(struct series *s, const struct meter *m)
{
	series_put(s, m->pipelined_total);
}

static void put_leases(struct series *s, const struct meter *m)
{
	series_put(s, m->leases_total);
}

static void put_refused(struct series *s, const struct meter *m)
{
	s->label = "reason";
	for (unsigned k = 0; k < METER_REFUSALS_N; k++) {
		s->value = refusal_to_string(k);
		if (m->refused_total[k])
			series_put(s, m->refused_total[k]);
	}
}

static void put_revoked(struct series *s, const struct meter *m)
{
	s->label = "reason";
	for (unsigned k = 0; k < METER_REVOCATIONS_N; k++) {
		s->value = revocation_to_string(k);
		if (m->revoked_total[k])
			series_put(s, m->revoked_total[k]);
	}
}

static void put_errors(struct series *s, const struct meter *m)
{
	s->label = "code";
	for (unsigned k = 0; k < METER_CODES_N; k++) {
		s->value = code_name(k);
		if (m->failures_total[k] && s->value)
			series_put(s, m->failures_total[k]);
	}
}

static void put_sql_errors(struct series *s, const struct meter *m)
{
	s->label = "class";
	for (unsigned k = 0; k < METER_CLASSES_N; k++) {
		s->value = meter_class(k);
		if (m->sql_errors_total[k])
			series_put(s, m->sql_errors_total[k]);
	}
}

static void put_waits(struct series *s, const struct meter *m)
{
	series_put_times(s, &m->waits);
}

static void put_uses(struct series *s, const struct meter *m)
{
	series_put_times(s, &m->uses);
}

static void put_queries(struct series *s, const struct meter *m)
{
	series_put_times(s, &m->queries);
}

static const struct {
	const char *name, *type, *help;
	void (*put)(struct series *s, const struct meter *m);
} families[] = {
	{ "sidepool_acquired_total", "counter", "Requests and leases that got a connection.",
	  put_granted },
	{ "sidepool_pipelined_total", "counter",
	  "Those that were sent behind others on one connection.", put_pipelined },
	{ "sidepool_leases_total", "counter", "Leases that were given.", put_leases },
	{ "sidepool_refused_total", "counter", "Requests that got no connection.", put_refused },
	{ "sidepool_revocations_total", "counter", "Leases that were taken away.", put_revoked },
	{ "sidepool_errors_total", "counter", "Requests that failed, by error code.", put_errors },
	{ "sidepool_sql_errors_total", "counter", "Errors of PostgreSQL, by class of SQLSTATE.",
	  put_sql_errors },
	{ "db_client_connection_wait_time_seconds", "histogram",
	  "How long a connection was waited for.", put_waits },
	{ "db_client_connection_use_time_seconds", "histogram",
	  "From getting a connection to giving it back.", put_uses },
	{ "db_client_operation_duration_seconds", "histogram",
	  "How long requests ran on a connection.", put_queries },
};

/* ---- shares: an application that has no meter of its own is counted with the others ---- */

struct share {
	uint32_t in_use, waiting;
};

static const struct meter *metered_as(const struct site *site, const struct application *app)
{
	return meter_of(app, pg_pool_core(site->pools[0]));
}

static struct share share_of(const struct site *site, const struct meter *m)
{
	struct share sum = { 0 };
	const struct application *app;

	for (app = application_next(site->core, NULL); app;
	     app = application_next(site->core, app)) {
		if (metered_as(site, app) != m)
			continue;
		sum.in_use += app->in_use;
		sum.waiting += app->waiting;
	}
	return sum;
}

static void put_shares(const struct site *site, struct text *t)
{
	static const char in_use[] = "sidepool_application_connections",
			  waiting[] = "sidepool_application_pending_requests";
	const struct pool *p = pg_pool_core(site->pools[0]);
	struct share shares[METERS_MAX];
	const struct meter *m;
	size_t n = 0, i = 0;

	for (m = meter_next(p, NULL); m && n < METERS_MAX; m = meter_next(p, m))
		shares[n++] = share_of(site, m);
	series_family(t, in_use, "gauge", "Connections that an application uses, of all pools.");
	for (m = meter_next(p, NULL); m && i < n; m = meter_next(p, m))
		series_put(&(struct series){ t, in_use, .application = m->application },
			   shares[i++].in_use);
	i = 0;
	series_family(t, waiting, "gauge", "Its requests that wait for a connection.");
	for (m = meter_next(p, NULL); m && i < n; m = meter_next(p, m))
		series_put(&(struct series){ t, waiting, .application = m->application },
			   shares[i++].waiting);
}

void metrics_put_applications(const struct site *site, struct text *t)
{
	for (size_t k = 0; k < ARRAY_LEN(families); k++) {
		series_family(t, families[k].name, families[k].type, families[k].help);
		for_meters(site, t, families[k].name, families[k].put);
	}
	put_shares(site, t);
}
