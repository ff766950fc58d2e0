/* SPDX-License-Identifier: MIT */
/*
 * Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/. Names are
 * those of OpenTelemetry's conventions for connection pools of database clients, as its exporter
 * for Prometheus writes them, where there is one; others begin with sidepool_.
 *
 * A family stands together, so each is a loop over all that have it. How many lines there are at
 * the most depends on the pools alone: an application has a meter of its own or shares one
 * (core/meter.h). Of what can be counted by many reasons only those are told that have occurred.
 */
#include <inttypes.h>
#include <string.h>

#include "core/breaker.h"
#include "core/core.h"
#include "core/meter.h"
#include "core/pool.h"
#include "http/series.h"
#include "http/site.h"
#include "pg/engine.h"
#include "sidepool-version.h"
#include "sp/server.h"

/* ---- of pools ---- */

static uint64_t up(const struct pool *p)
{
	return p->n[SLOT_IDLE] + p->n[SLOT_PINGING] + p->n[SLOT_BUSY];
}

static uint64_t get_limit(const struct pool *p)
{
	return pool_limit(p);
}

static uint64_t get_most(const struct pool *p)
{
	return p->settings.max_size + p->settings.max_overflow;
}

static uint64_t get_min(const struct pool *p)
{
	return p->settings.min_size;
}

static uint64_t get_waiting(const struct pool *p)
{
	return p->waiting;
}

static uint64_t get_leases(const struct pool *p)
{
	return p->leases;
}

static uint64_t get_granted(const struct pool *p)
{
	return p->granted;
}

static uint64_t get_failures(const struct pool *p)
{
	return p->breaker.failures;
}

static uint64_t get_paused(const struct pool *p)
{
	return p->paused;
}

static uint64_t get_connects(const struct pool *p)
{
	return p->stats.connects_total;
}

static uint64_t get_timeouts(const struct pool *p)
{
	return p->stats.refused_total[REFUSE_TIMEOUT] + p->stats.refused_total[REFUSE_DEADLINE];
}

static uint64_t get_max_idle(const struct pool *p)
{
	return p->settings.max_size;
}

static uint64_t get_up(const struct pool *p)
{
	return up(p) > 0;
}

static const struct {
	const char *name, *type, *help;
	uint64_t (*get)(const struct pool *p);
} pool_numbers[] = {
	{ "db_client_connection_max", "gauge", "Most connections the settings allow.", get_most },
	{ "db_client_connection_idle_min", "gauge", "Connections that are kept open.", get_min },
	{ "db_client_connection_idle_max", "gauge", "Connections that may idle for long.",
	  get_max_idle },
	{ "db_client_connection_pending_requests", "gauge", "Requests that wait for a connection.",
	  get_waiting },
	{ "db_client_connection_timeouts_total", "counter",
	  "Requests that waited in vain until their time was over.", get_timeouts },
	{ "sidepool_connection_limit", "gauge",
	  "Most connections at the moment, by settings, budget and what the server gives.",
	  get_limit },
	{ "sidepool_up", "gauge", "Whether any connection to the database is up.", get_up },
	{ "sidepool_paused", "gauge", "Whether the pool is paused.", get_paused },
	{ "sidepool_leases", "gauge", "Leases that are held.", get_leases },
	{ "sidepool_running_requests", "gauge",
	  "Requests that have a connection; more than connections in use where they are pipelined.",
	  get_granted },
	{ "sidepool_breaker_failures", "gauge", "Failures to connect in a row.", get_failures },
	{ "sidepool_connects_total", "counter", "Connections that were made.", get_connects },
};

static void put_pool_numbers(const struct site *site, struct text *t)
{
	for (size_t k = 0; k < ARRAY_LEN(pool_numbers); k++) {
		series_family(t, pool_numbers[k].name, pool_numbers[k].type, pool_numbers[k].help);
		for (size_t i = 0; i < site->n_pools; i++) {
			struct series s =
				series_of(t, pool_numbers[k].name, pg_pool_name(site->pools[i]));

			series_put(&s, pool_numbers[k].get(pg_pool_core(site->pools[i])));
		}
	}
}

static void put_connections(const struct site *site, struct text *t)
{
	static const char name[] = "db_client_connection_count";

	series_family(t, name, "gauge", "Connections by state: idle, used, connecting, closing.");
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct pool *p = pg_pool_core(site->pools[i]);
		struct series s = series_of(t, name, pg_pool_name(site->pools[i]));

		s.label = "state";
		s.value = "idle";
		series_put(&s, p->n[SLOT_IDLE] + p->n[SLOT_PINGING]);
		s.value = "used";
		series_put(&s, p->n[SLOT_BUSY]);
		s.value = "connecting";
		series_put(&s, p->n[SLOT_CONNECTING]);
		s.value = "closing";
		series_put(&s, p->n[SLOT_CLOSING]);
	}
}

static void put_breakers(const struct site *site, struct text *t)
{
	static const char state[] = "sidepool_breaker_state",
			  transitions[] = "sidepool_breaker_transitions_total";

	series_family(t, state, "gauge", "1 for the state that the breaker is in.");
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct breaker *b = &pg_pool_core(site->pools[i])->breaker;
		struct series s = series_of(t, state, pg_pool_name(site->pools[i]));

		s.label = "state";
		for (unsigned k = 0; k < BREAKER_STATES_N; k++) {
			s.value = breaker_state_to_string(k);
			series_put(&s, b->state == k);
		}
	}
	series_family(t, transitions, "counter", "How often the breaker came into a state.");
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct breaker *b = &pg_pool_core(site->pools[i])->breaker;
		struct series s = series_of(t, transitions, pg_pool_name(site->pools[i]));

		s.label = "state";
		for (unsigned k = 0; k < BREAKER_STATES_N; k++) {
			s.value = breaker_state_to_string(k);
			series_put(&s, b->entered_total[k]);
		}
	}
}

static void put_failures(const struct site *site, struct text *t)
{
	static const char failures[] = "sidepool_connection_failures_total",
			  closes[] = "sidepool_connections_closed_total";

	series_family(t, failures, "counter",
		      "Connects that failed and connections that were lost.");
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct pool *p = pg_pool_core(site->pools[i]);
		struct series s = series_of(t, failures, pg_pool_name(site->pools[i]));

		s.label = "cause";
		for (unsigned k = SLOT_FAILURE_NETWORK; k < SLOT_FAILURES_N; k++) {
			s.value = slot_failure_to_string(k);
			series_put(&s, p->stats.failures_total[k]);
		}
	}
	series_family(t, closes, "counter", "Connections that were closed on purpose.");
	for (size_t i = 0; i < site->n_pools; i++) {
		const struct pool *p = pg_pool_core(site->pools[i]);
		struct series s = series_of(t, closes, pg_pool_name(site->pools[i]));

		s.label = "reason";
		for (unsigned k = 0; k < CLOSE_REASONS_N; k++) {
			s.value = close_reason_to_string(k);
			series_put(&s, p->stats.closed_total[k]);
		}
	}
}

static void put_pool_histograms(const struct site *site, struct text *t)
{
	static const char create[] = "db_client_connection_create_time_seconds",
			  depth[] = "sidepool_pipeline_depth";

	series_family(t, create, "histogram", "How long it took to make a connection.");
	for (size_t i = 0; i < site->n_pools; i++) {
		struct series s = series_of(t, create, pg_pool_name(site->pools[i]));

		series_put_times(&s, &pg_pool_core(site->pools[i])->stats.connects);
	}
	series_family(t, depth, "histogram",
		      "Requests on a connection when one was added, with itself.");
	for (size_t i = 0; i < site->n_pools; i++) {
		struct series s = series_of(t, depth, pg_pool_name(site->pools[i]));

		series_put_counts(&s, &pg_pool_core(site->pools[i])->stats.depths);
	}
}

/* ---- of the whole ---- */

static void put_one(struct text *t, const char *name, const char *type, const char *help,
		    uint64_t value)
{
	struct series s = series_of(t, name, NULL);

	series_family(t, name, type, help);
	series_put(&s, value);
}

static void put_whole(const struct site *site, struct text *t)
{
	const struct sp_counts *c = sp_server_counts(site->server);
	struct core_numbers n;

	core_numbers(site->core, pg_engine_now(), &n);
	series_family(t, "sidepool_build_info", "gauge", "The version of the daemon.");
	series_put(&(struct series){ t, "sidepool_build_info", .label = "version",
				     .value = SIDEPOOL_VERSION },
		   1);
	put_one(t, "sidepool_budget", "gauge", "Connections that all pools may have together.",
		n.budget);
	put_one(t, "sidepool_budget_in_force", "gauge",
		"The same, as far as the servers give them.", n.budget_in_force);
	put_one(t, "sidepool_draining", "gauge", "Whether the daemon is stopping.", n.draining);
	put_one(t, "sidepool_clients", "gauge", "Connected processes.", c->connections);
	put_one(t, "sidepool_client_requests", "gauge", "Requests without an answer.", c->requests);
	put_one(t, "sidepool_clients_total", "counter", "Processes that have connected.",
		c->accepted_total);
	put_one(t, "sidepool_clients_refused_total", "counter", "Connections refused for a limit.",
		c->refused_total);
	put_one(t, "sidepool_protocol_errors_total", "counter",
		"Clients closed for broken framing.", c->protocol_errors_total);
	put_one(t, "sidepool_received_bytes_total", "counter", "Bytes received of clients.",
		c->received_bytes_total);
	put_one(t, "sidepool_sent_bytes_total", "counter", "Bytes sent to clients.",
		c->sent_bytes_total);
	put_one(t, "sidepool_output_bytes", "gauge", "Answers that clients have not read yet.",
		c->output_bytes);
}

void metrics_answer(const struct site *site, struct http_answer *a)
{
	a->type = "text/plain; version=0.0.4; charset=utf-8";
	put_whole(site, &a->text);
	put_connections(site, &a->text);
	put_pool_numbers(site, &a->text);
	put_breakers(site, &a->text);
	put_failures(site, &a->text);
	put_pool_histograms(site, &a->text);
	metrics_put_submits(site, &a->text);
	metrics_put_applications(site, &a->text);
}
