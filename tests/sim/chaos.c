/* SPDX-License-Identifier: MIT */
/*
 * Random schedules: several applications and pools, and anything that may happen to them, in any
 * order. A fresh world for each seed, with settings by chance, among them mean ones: budgets
 * smaller than the number of pools, minima that take more than there is, pools without room, queues
 * of length one. In every second schedule nothing breaks, and in every fourth there is always more
 * to do than can be done: whoever starves is found there.
 */
#include <inttypes.h>
#include <stdio.h>

#include "sim.h"
#include "world.h"

static struct pool_settings random_pool_settings(struct world *w)
{
	struct pool_settings s = world_pool_settings((uint32_t)world_below(w, 12) + 1);

	s.max_overflow = world_chance(w, 0.3) ? (uint32_t)world_below(w, 4) : 0;
	s.min_size = world_chance(w, 0.5) ? (uint32_t)world_below(w, s.max_size + 1) : 0;
	s.pipeline_depth = world_chance(w, 0.6) ? (uint32_t)world_below(w, 16) + 1 : 1;
	s.idle_timeout_us = world_between(w, 50 * USEC_PER_MS, 60 * USEC_PER_SEC);
	s.max_lifetime_us = world_chance(w, 0.5)
				    ? world_between(w, USEC_PER_SEC, 100 * USEC_PER_SEC)
				    : USEC_NEVER;
	s.keepalive_us = world_chance(w, 0.5)
				 ? world_between(w, 100 * USEC_PER_MS, 10 * USEC_PER_SEC)
				 : USEC_NEVER;
	s.breaker_threshold = (uint32_t)world_below(w, 10);
	s.breaker_reset_us = world_between(w, 200 * USEC_PER_MS, 10 * USEC_PER_SEC);
	return s;
}

static struct share_settings random_share(struct world *w)
{
	return (struct share_settings){
		.min = world_chance(w, 0.4) ? (uint32_t)world_below(w, 5) : 0,
		.max = world_chance(w, 0.4) ? (uint32_t)world_below(w, 6) + 1 : 0,
		.weight = (uint32_t)world_between(w, 1, 10),
		.priority = world_chance(w, 0.3) ? (int32_t)world_below(w, 5) - 2 : 0,
		.queue_limit = world_chance(w, 0.3) ? (uint32_t)world_below(w, 20) + 1 : 0,
	};
}

static struct pool *any_pool(struct world *w)
{
	return w->pools[world_below(w, w->n_pools)];
}

static void arrive(struct world *w)
{
	struct application *app = w->apps[world_below(w, w->n_apps)];
	struct job *j = job_new(w, app, any_pool(w), world_between(w, 50, 20 * USEC_PER_MS));
	struct ticket *t = &j->lease.ticket;

	if (world_chance(w, 0.01))
		j->run_us = world_between(w, 20 * USEC_PER_MS, 2 * USEC_PER_SEC);
	if (world_chance(w, 0.1)) {
		j->is_lease = true;
		j->forgets = world_chance(w, 0.1);
		j->statements = (uint32_t)world_below(w, 5);
	} else if (world_chance(w, 0.7)) {
		t->pipelined = true;
		/* What is expected is mostly right, and sometimes not known. */
		t->expected_us = world_chance(w, 0.1)
					 ? 0
					 : world_between(w, j->run_us / 2 + 1, 2 * j->run_us + 2);
	}
	if (world_chance(w, 0.3))
		t->deadline = w->now + world_between(w, USEC_PER_MS, 5 * USEC_PER_SEC);
	if (world_chance(w, 0.3))
		t->acquire_deadline = w->now + world_between(w, USEC_PER_MS, 5 * USEC_PER_SEC);
	job_submit(w, j);
}

static void arrive_many(struct world *w)
{
	uint64_t n = world_between(w, 1, 30);

	while (n--)
		arrive(w);
}

static void client_dies(struct world *w)
{
	uint64_t n = 0;
	struct job *j;

	TAILQ_FOREACH (j, &w->jobs, all)
		n++;
	n = world_below(w, n);
	TAILQ_FOREACH (j, &w->jobs, all)
		if (n-- == 0)
			break;
	if (j)
		job_abandon(w, j);
}

static struct conn *any_conn(struct world *w)
{
	struct conn *c;
	uint64_t n = 0;

	LIST_FOREACH (c, &w->conns, link)
		n++;
	n = world_below(w, n);
	LIST_FOREACH (c, &w->conns, link)
		if (n-- == 0)
			break;
	return c;
}

static void connection_dies(struct world *w)
{
	struct conn *c = any_conn(w);

	if (c)
		conn_break(w, c, world_chance(w, 0.8) ? SLOT_FAILURE_NETWORK : SLOT_FAILURE_NONE);
}

static void server_restarts(struct world *w)
{
	struct server *server = &w->servers[world_below(w, w->n_servers)];
	struct conn *c, *next;

	server->up = !server->up;
	if (server->up)
		return;
	for (c = LIST_FIRST(&w->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		if (c->server == server && c->up)
			conn_break(w, c, SLOT_FAILURE_NETWORK);
	}
}

static void server_changes(struct world *w)
{
	struct server *server = &w->servers[world_below(w, w->n_servers)];

	if (world_chance(w, 0.1))
		server->knows_us = !server->knows_us;
	if (world_chance(w, 0.2))
		server->max = (uint32_t)world_below(w, 20);
	server->others = (uint32_t)world_below(w, server->max + 1);
}

static void heal(struct world *w)
{
	for (uint32_t i = 0; i < w->n_servers; i++)
		w->servers[i] = (struct server){ .up = true,
						 .knows_us = true,
						 .max = 20,
						 .ours = w->servers[i].ours,
						 .connect_us = 20000 };
	for (uint32_t i = 0; i < w->n_pools; i++) {
		pool_reset(w->pools[i], w->now);
		pool_resume(w->pools[i], w->now);
	}
}

static void discover(struct world *w)
{
	struct pool *p = any_pool(w);
	const struct server *server = p->owner;
	struct server_limits limits = { .max_connections = server->max, .others = server->others };

	if (world_chance(w, 0.2))
		limits.role_limit = (uint32_t)world_below(w, 10) + 1;
	pool_discovered(p, &limits, w->now);
}

static void reload(struct world *w)
{
	struct pool *p = any_pool(w);
	struct pool_settings s = random_pool_settings(w);
	struct share_settings share = random_share(w);

	w->most_depth = MAX(w->most_depth, s.pipeline_depth);
	pool_configure(p, &s, w->now);
	application_configure(w->apps[world_below(w, w->n_apps)], &share, w->now);
	if (world_chance(w, 0.3)) {
		w->settings.budget = (uint32_t)world_below(w, 20) + 1;
		w->lowered = true;
		demand(w, core_configure(w->core, &w->settings, w->now) == 0);
	}
}

static void command(struct world *w)
{
	struct pool *p = any_pool(w);

	switch (world_below(w, 6)) {
	case 0:
		pool_pause(p, w->now);
		break;
	case 1:
		pool_resume(p, w->now);
		break;
	case 2:
		pool_reconnect(p, w->now);
		break;
	case 3:
		pool_trip(p, w->now);
		break;
	default:
		pool_reset(p, w->now);
	}
}

static void pools_come_and_go(struct world *w)
{
	if (w->n_pools < POOLS_MAX && world_chance(w, 0.5)) {
		struct pool_settings s = random_pool_settings(w);

		world_add_pool(w, &s, &w->servers[world_below(w, w->n_servers)]);
	} else if (w->n_pools > 1) {
		struct pool *p = any_pool(w);
		uint32_t staying = 0;

		for (uint32_t i = 0; i < w->n_pools; i++)
			staying += !w->pools[i]->removing && w->pools[i] != p;
		if (staying)
			pool_remove(p, w->now);
	}
}

static void admin_revokes(struct world *w)
{
	struct lease *l = lease_next(w->core, NULL);

	if (l && lease_next(w->core, l) && world_chance(w, 0.5))
		l = lease_next(w->core, l);
	if (l)
		lease_revoke(l, w->now);
}

static const struct {
	void (*happen)(struct world *w);
	double chance;
	bool calm; /* happens where nothing goes wrong as well */
} happenings[] = {
	{ arrive_many, 0.70, true },
	{ client_dies, 0.10, true },
	{ connection_dies, 0.03, false },
	{ server_restarts, 0.01, false },
	{ server_changes, 0.03, false },
	{ discover, 0.01, false },
	{ reload, 0.02, false },
	{ command, 0.02, false },
	{ pools_come_and_go, 0.005, false },
	{ admin_revokes, 0.02, true },
	{ heal, 0.01, false },
};

static void something_happens(struct world *w, bool calm)
{
	for (unsigned i = 0; i < ARRAY_LEN(happenings); i++)
		if ((happenings[i].calm || !calm) && world_chance(w, happenings[i].chance))
			happenings[i].happen(w);
}

static void settle_in(struct world *w)
{
	w->n_servers = (uint32_t)world_below(w, SERVERS_MAX) + 1;
	heal(w);
	for (uint64_t n = world_below(w, 3) + 1; n > 0; n--) {
		struct pool_settings s = random_pool_settings(w);

		world_add_pool(w, &s, &w->servers[world_below(w, w->n_servers)]);
	}
	for (uint64_t n = world_below(w, 8) + 1; n > 0; n--) {
		struct share_settings share = random_share(w);
		char name[32];

		snprintf(name, sizeof(name), "app-%" PRIu64, n);
		world_add_app(w, name, &share);
	}
	world_settle(w);
}

double chaos_run(uint64_t seed, uint64_t steps)
{
	struct core_settings settings = world_core_settings(0);
	struct world world, *w = &world;
	bool calm = seed % 4 < 2, crowded = seed % 4 == 1;
	struct rng rng;
	usec begin;

	rng_init(&rng, seed);
	settings.budget = (uint32_t)rng_below(&rng, 20) + 1;
	settings.queue_limit = rng_below(&rng, 4) ? 100000 : (uint32_t)rng_below(&rng, 30) + 1;
	settings.max_connecting = (uint32_t)rng_below(&rng, 5);
	if (crowded) {
		settings.budget = (uint32_t)rng_below(&rng, 6) + 1;
		settings.queue_limit = (uint32_t)rng_below(&rng, 60) + 20;
		steps *= 4;
	}
	world_init(w, seed, &settings);
	settle_in(w);
	begin = w->now;
	while (w->steps < steps) {
		usec next = w->now + world_between(w, 100, (crowded ? 50 : 200) * USEC_PER_MS);

		while (w->steps < steps && world_step(w, next))
			;
		w->steps++;
		something_happens(w, calm);
		world_settle(w);
	}
	world_end(w);
	return (double)(w->now - begin) / 1e6;
}
