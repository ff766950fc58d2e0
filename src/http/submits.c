/* SPDX-License-Identifier: MIT */
/*
 * The part of the metrics that tells of submitted writes. They are told by pool and by nothing
 * else: keys, applications and statements are as many as clients like. What is left in a journal of
 * pools that are configured no more is in the status alone.
 */
#include "http/series.h"
#include "http/site.h"
#include "pg/engine.h"
#include "util/macro.h"

static uint64_t get_bytes(const struct site_submits *n)
{
	return n->bytes;
}

static uint64_t get_accepted(const struct site_submits *n)
{
	return n->accepted_total;
}

static uint64_t get_refused(const struct site_submits *n)
{
	return n->refused_total;
}

static uint64_t get_recovered(const struct site_submits *n)
{
	return n->recovered_total;
}

static uint64_t get_done(const struct site_submits *n)
{
	return n->done_total;
}

static uint64_t get_retried(const struct site_submits *n)
{
	return n->retries_total;
}

static const struct {
	const char *name, *type, *help;
	uint64_t (*get)(const struct site_submits *n);
} numbers[] = {
	{ "sidepool_submit_queue_bytes", "gauge", "Memory that submitted writes take.", get_bytes },
	{ "sidepool_submits_accepted_total", "counter", "Writes that were accepted.",
	  get_accepted },
	{ "sidepool_submits_refused_total", "counter",
	  "Writes that were not accepted: the queue was full, or the journal could not be written.",
	  get_refused },
	{ "sidepool_submits_recovered_total", "counter",
	  "Writes that were found in the journal at start; accepted in an earlier life.",
	  get_recovered },
	{ "sidepool_submits_done_total", "counter", "Submitted writes that are committed.",
	  get_done },
	{ "sidepool_submits_retried_total", "counter", "Tries that are followed by another.",
	  get_retried },
};

static void put_states(const struct site *site, struct text *t)
{
	static const char name[] = "sidepool_submit_queue";

	series_family(t, name, "gauge", "Submitted writes that are not done: waiting, running.");
	for (size_t i = 0; i < site->n_pools; i++) {
		struct series s = series_of(t, name, pg_pool_name(site->pools[i]));
		struct site_submits n;

		site->submits(site->owner, i, &n);
		s.label = "state";
		s.value = "waiting";
		series_put(&s, n.waiting);
		s.value = "running";
		series_put(&s, n.running);
	}
}

static void put_failed(const struct site *site, struct text *t)
{
	static const char name[] = "sidepool_submits_failed_total";

	series_family(t, name, "counter",
		      "Submitted writes that were given up: not done, or nobody knows.");
	for (size_t i = 0; i < site->n_pools; i++) {
		struct series s = series_of(t, name, pg_pool_name(site->pools[i]));
		struct site_submits n;

		site->submits(site->owner, i, &n);
		s.label = "outcome";
		s.value = "not_done";
		series_put(&s, n.failed_total);
		s.value = "unknown";
		series_put(&s, n.unknown_total);
	}
}

static void put_numbers(const struct site *site, struct text *t)
{
	for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
		series_family(t, numbers[k].name, numbers[k].type, numbers[k].help);
		for (size_t i = 0; i < site->n_pools; i++) {
			struct series s =
				series_of(t, numbers[k].name, pg_pool_name(site->pools[i]));
			struct site_submits n;

			site->submits(site->owner, i, &n);
			series_put(&s, numbers[k].get(&n));
		}
	}
}

static void put_one(struct text *t, const char *name, const char *help, uint64_t value)
{
	struct series s = series_of(t, name, NULL);

	series_family(t, name, "gauge", help);
	series_put(&s, value);
}

static void put_oldest(struct text *t, uint64_t us)
{
	struct series s = series_of(t, "sidepool_submit_queue_oldest_seconds", NULL);

	series_family(t, s.name, "gauge",
		      "Since when the oldest submitted write is not done; 0: none is there.");
	series_put_seconds(&s, us);
}

void metrics_put_submits(const struct site *site, struct text *t)
{
	struct site_submit_queue q;

	put_states(site, t);
	put_numbers(site, t);
	put_failed(site, t);
	site->submit_queue(site->owner, &q);
	put_oldest(t, q.oldest_us);
	put_one(t, "sidepool_submit_queue_limit", "submit_queue_size: most of them in all pools.",
		q.max_size);
	put_one(t, "sidepool_submit_queue_limit_bytes",
		"submit_queue_bytes: most memory of them in all pools.", q.max_bytes);
	put_one(t, "sidepool_submit_journal_bytes", "Length of submit_journal; 0 without one.",
		q.journal_bytes);
	put_one(t, "sidepool_submit_journal_failing",
		"Whether the journal cannot be written, so that nothing is accepted.",
		q.journal_fails);
}
