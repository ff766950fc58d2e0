/* SPDX-License-Identifier: MIT */
/* What sharing promises, measured: each scenario prints its figures beside what they must be. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "load.h"
#include "sim.h"

#define MS USEC_PER_MS
#define SEC USEC_PER_SEC

static const struct share_settings plain = { .weight = 1 };

static struct pool *pool_of(struct loads *l, uint32_t max_size)
{
	struct pool_settings s = world_pool_settings(max_size);

	return world_add_pool(&l->world, &s, &l->world.servers[0]);
}

static double in_ms(usec t)
{
	return (double)t / 1000.0;
}

/*
 * Equal applications with statements of very different length, ten virtual seconds of full load.
 */
bool scenario_fairness(uint64_t seed)
{
	static const usec lengths[][2] = {
		{ MS, MS }, { 10 * MS, 10 * MS }, { 100 * MS, 100 * MS }, { MS, 100 * MS }
	};
	struct loads loads, *l = &loads;
	struct pool *p;
	double index;

	loads_init(l, seed, 10);
	p = pool_of(l, 10);
	for (uint32_t i = 0; i < ARRAY_LEN(lengths); i++) {
		char name[16];

		snprintf(name, sizeof(name), "app-%c", (char)('a' + i));
		load_start(l, load_add(l, name, p, &plain, 20, lengths[i][0], lengths[i][1]));
	}
	loads_mark(l);
	loads_run(l, 10 * SEC);
	loads_measure(l);
	index = jain(l, l->n);
	for (uint32_t i = 0; i < l->n; i++)
		printf("fairness: %3.0f to %3.0f ms statements: %6.2f connection-seconds, %6" PRIu64
		       " requests\n",
		       in_ms(l->load[i].least_us), in_ms(l->load[i].most_us),
		       (double)l->load[i].connection_us / 1e6, l->load[i].done);
	printf("fairness: Jain's index %.4f (at least 0.98)\n", index);
	loads_end(l);
	return index >= 0.98;
}

bool scenario_weights(uint64_t seed)
{
	static const uint32_t weights[] = { 1, 2, 5 };
	struct loads loads, *l = &loads;
	double worst = 0, sum = 0;
	struct pool *p;

	loads_init(l, seed, 8);
	p = pool_of(l, 8);
	for (uint32_t i = 0; i < ARRAY_LEN(weights); i++) {
		struct share_settings share = { .weight = weights[i] };
		char name[16];

		snprintf(name, sizeof(name), "app-%" PRIu32, weights[i]);
		load_start(l, load_add(l, name, p, &share, 20, (i + 1) * MS, (i + 1) * 30 * MS));
	}
	loads_run(l, SEC);
	loads_mark(l);
	loads_run(l, 10 * SEC);
	loads_measure(l);
	for (uint32_t i = 0; i < l->n; i++)
		sum += (double)l->load[i].connection_us;
	for (uint32_t i = 0; i < l->n; i++) {
		double part = (double)l->load[i].connection_us / sum, due = weights[i] / 8.0;

		printf("weights: weight %" PRIu32
		       ": %.3f of all connection-seconds (%.3f is due)\n",
		       weights[i], part, due);
		worst = MAX(worst, fabs(part - due) / due);
	}
	printf("weights: largest deviation %.1f %% (at most 5 %%)\n", worst * 100);
	loads_end(l);
	return worst <= 0.05;
}

static bool neighbour(uint64_t seed, const struct share_settings *api_share, uint32_t n_seeds,
		      const char *how)
{
	struct loads loads, *l = &loads;
	struct load *api;
	struct pool *p;
	usec p99;

	loads_init(l, seed, 10);
	p = pool_of(l, 10);
	for (uint32_t i = 0; i < n_seeds; i++) {
		char name[32];

		snprintf(name, sizeof(name), "seed-%" PRIu32, i);
		load_start(l, load_add(l, name, p, &plain, 50, 20 * MS, 200 * MS));
	}
	api = load_add(l, "api", p, api_share, 4, MS, 20 * MS);
	api->think_us = 2 * MS;
	load_start(l, api);
	loads_run(l, 60 * SEC);
	p99 = hist_quantile(&api->waits, 0.99);
	printf("neighbour: API beside %" PRIu32
	       " seed scripts, %s: wait p50 %.1f ms, p99 %.1f ms, max %.1f ms "
	       "(p99 at most 400 ms); %" PRIu64 " requests\n",
	       n_seeds, how, in_ms(hist_quantile(&api->waits, 0.5)), in_ms(p99),
	       in_ms(api->waits.max), api->done);
	loads_end(l);
	return p99 <= 2 * 200 * MS;
}

bool scenario_neighbour(uint64_t seed)
{
	const struct share_settings guaranteed = { .weight = 1, .min = 4 };
	bool ok = neighbour(seed, &guaranteed, 3, "4 guaranteed");

	ok &= neighbour(seed, &plain, 1, "equal weights");
	return neighbour(seed, &plain, 3, "equal weights") && ok;
}

/*
 * How long from when it first asks until the application has its minimum; what it was at the worst.
 */
static void time_to_minimum(struct loads *l, struct load *load, usec *worst)
{
	usec begin = l->world.now;

	load_start(l, load);
	while (load->app->in_use < load->app->share.min)
		if (!world_step(&l->world, begin + 100 * SEC))
			break;
	*worst = MAX(*worst, l->world.now - begin);
}

static void quiet(struct loads *l, struct load *load, usec time)
{
	load->stopped = true;
	loads_run(l, time);
}

bool scenario_minimum(uint64_t seed)
{
	const struct share_settings share = { .weight = 1, .min = 4 };
	struct loads loads, *l = &loads;
	struct load *one, *other;
	struct pool *p;
	usec worst = 0;

	loads_init(l, seed, 10);
	p = pool_of(l, 10);
	load_start(l, load_add(l, "busy", p, &plain, 100, 10 * MS, SEC));
	load_start(l, load_add(l, "busier", p, &plain, 100, SEC, SEC));
	one = load_add(l, "one", p, &share, 10, 100 * MS, 2 * SEC);
	other = load_add(l, "other", p, &share, 10, 5 * SEC, 5 * SEC);
	for (int i = 0; i < 50; i++) {
		loads_run(l, 2 * SEC);
		time_to_minimum(l, one, &worst);
		quiet(l, one, 10 * SEC);
	}
	/* And with another one that holds its own minimum with long statements. */
	load_start(l, other);
	loads_run(l, 5 * SEC);
	for (int i = 0; i < 50; i++) {
		time_to_minimum(l, one, &worst);
		quiet(l, one, 10 * SEC);
	}
	printf("minimum: 4 of 10 connections held within %.0f ms of asking, at the worst of 100 "
	       "times (at most 1000 ms)\n",
	       in_ms(worst));
	loads_end(l);
	return worst > 0 && worst <= SEC;
}

/* Others want now more, now less; they take what is free, and give back what is too much. */
static void others_compete(struct loads *l, uint32_t wanted)
{
	struct server *server = &l->world.servers[0];

	server->others = MIN(wanted, server->max - server->ours);
}

/* A server of 25 of which others take and give back; ten programs of 20 workers each. */
bool scenario_full_server(uint64_t seed)
{
	struct pool_settings s = world_pool_settings(100);
	struct loads loads, *l = &loads;
	struct server *server = &l->world.servers[0];
	double free = 0, held = 0, part;
	uint32_t wanted = 0;
	struct pool *p;
	uint64_t refused;

	loads_init(l, seed, 100);
	server->max = 25;
	s.max_lifetime_us = 2 * SEC;
	p = world_add_pool(&l->world, &s, server);
	for (uint32_t i = 0; i < 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "program-%" PRIu32, i);
		load_start(l, load_add(l, name, p, &plain, 20, MS, 50 * MS));
	}
	for (int i = 0; i < 12000; i++) {
		if (i % 200 == 0)
			wanted = (uint32_t)world_below(&l->world, 25);
		others_compete(l, wanted);
		loads_run(l, 10 * MS);
		free += server->max - server->others;
		held += p->n[SLOT_BUSY];
	}
	part = held / free;
	refused = l->world.refused;
	printf("full-server: %" PRIu64 " of %" PRIu64
	       " requests refused (0), %.1f %% of what others leave is in use (at least 85 %%), "
	       "%" PRIu64 " of %" PRIu64
	       " connects were refused by the server, others held %.1f on average\n",
	       refused, l->world.submitted, part * 100,
	       p->stats.failures_total[SLOT_FAILURE_SERVER_FULL],
	       p->stats.connects_total + p->stats.connect_failures_total,
	       server->max - free / 12000);
	loads_end(l);
	return refused == 0 && part >= 0.85;
}

bool scenario_priorities(uint64_t seed)
{
	const struct share_settings high = { .weight = 1, .priority = 5 },
				    low = { .weight = 1, .priority = -5 };
	struct loads loads, *l = &loads;
	struct pool *p;
	double part;

	loads_init(l, seed, 10);
	p = pool_of(l, 10);
	load_start(l, load_add(l, "high", p, &high, 50, 10 * MS, 100 * MS));
	load_start(l, load_add(l, "low", p, &low, 5, 10 * MS, 100 * MS));
	loads_run(l, 2 * SEC);
	loads_mark(l);
	loads_run(l, 60 * SEC);
	loads_measure(l);
	part = (double)l->load[0].connection_us /
	       (double)(l->load[0].connection_us + l->load[1].connection_us);
	printf("priorities: the higher one has %.1f %% (at least 85 %%), the lower one waits %.1f "
	       "s at most (5 s)\n",
	       part * 100, in_ms(l->load[1].waits.max) / 1000);
	loads_end(l);
	return part >= 0.85 && l->load[1].waits.max <= 5 * SEC;
}

/* p99 of short statements of which 1 % are 100 times as long. */
static usec short_p99(uint64_t seed, uint32_t depth, bool surprising)
{
	struct pool_settings s = world_pool_settings(4);
	struct loads loads, *l = &loads;
	struct load *load;
	struct pool *p;
	usec p99;

	s.pipeline_depth = depth;
	loads_init(l, seed, 4);
	p = world_add_pool(&l->world, &s, &l->world.servers[0]);
	load = load_add(l, "api", p, &plain, 16, 50, 200);
	load->pipelined = true;
	load->slow = 0.01;
	load->slow_factor = 100;
	load->surprising = surprising;
	load_start(l, load);
	loads_run(l, SEC);
	loads_mark(l);
	loads_run(l, 10 * SEC);
	p99 = hist_quantile(&load->latencies, 0.99);
	loads_end(l);
	return p99;
}

bool scenario_pipelining(uint64_t seed)
{
	struct pool_settings s = world_pool_settings(4);
	usec with = short_p99(seed, 16, false), without = short_p99(seed, 1, false);
	double ratio = (double)with / (double)without;
	struct loads loads, *l = &loads;
	struct load *api, *job;
	struct pool *p;
	double part;

	/* A stream that would fill all connections for ever, and one that wants them alone. */
	s.pipeline_depth = 16;
	loads_init(l, seed, 4);
	p = world_add_pool(&l->world, &s, &l->world.servers[0]);
	api = load_add(l, "api", p, &plain, 64, 50, 200);
	api->pipelined = true;
	job = load_add(l, "job", p, &plain, 8, 5 * MS, 20 * MS);
	load_start(l, api);
	loads_run(l, SEC);
	load_start(l, job);
	loads_run(l, SEC);
	loads_mark(l);
	loads_run(l, 10 * SEC);
	loads_measure(l);
	part = (double)job->connection_us / (double)(job->connection_us + api->connection_us);
	printf("pipelining: p99 of short statements %.2f ms beside 1 %% that are 100 times as "
	       "long, %.2f ms without: %.2f times "
	       "(at most 1.5); %.2f ms where it is not known which\n",
	       in_ms(with), in_ms(without), ratio, in_ms(short_p99(seed, 16, true)));
	printf("pipelining: what wants connections alone has %.1f %% beside a stream of 64 (45 to "
	       "55 %%), waits p99 %.1f ms\n",
	       part * 100, in_ms(hist_quantile(&job->waits, 0.99)));
	loads_end(l);
	return ratio <= 1.5 && part >= 0.45 && part <= 0.55;
}

/*
 * Two pools want all of one budget; then one of them nothing; then there is one connection for
 * both.
 */
bool scenario_budget(uint64_t seed)
{
	struct loads loads, *l = &loads;
	struct core_settings settings = world_core_settings(10);
	struct pool *a, *b;
	uint32_t equal, alone;
	bool ok;

	loads_init(l, seed, 10);
	a = pool_of(l, 10);
	b = pool_of(l, 10);
	load_start(l, load_add(l, "a", a, &plain, 30, 10 * MS, 50 * MS));
	loads_run(l, SEC);
	load_start(l, load_add(l, "b", b, &plain, 30, 10 * MS, 50 * MS));
	loads_run(l, SEC);
	equal = a->n_slots;
	quiet(l, &l->load[0], SEC);
	alone = b->n_slots;
	load_start(l, &l->load[0]);
	settings.budget = l->world.settings.budget = 1;
	l->world.lowered = true;
	ok = core_configure(l->world.core, &settings, l->world.now) == 0;
	world_settle(&l->world);
	loads_run(l, 10 * SEC);
	loads_mark(l);
	loads_run(l, 30 * SEC);
	printf("budget: of 10, %" PRIu32 " to each of two (5), %" PRIu32
	       " to one alone (10); of 1, the two had %" PRIu64 " and %" PRIu64
	       " requests in 30 s (both over 100)\n",
	       equal, alone, l->load[0].done, l->load[1].done);
	ok = ok && equal == 5 && alone == 10 && l->load[0].done > 100 && l->load[1].done > 100;
	loads_end(l);
	return ok;
}
