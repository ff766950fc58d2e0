/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <stdlib.h>

/* A worker that thinks. */
struct thought {
	struct event event;
	struct load *load; /* borrowed */
};

static struct loads *loads_of(struct world *w)
{
	return container_of(w, struct loads, world);
}

static void ask(struct world *w, struct load *load);

static void on_thought(struct world *w, struct event *e)
{
	struct thought *t = container_of(e, struct thought, event);
	struct load *load = t->load;

	free(t);
	ask(w, load);
}

static void on_end(struct world *w, struct job *j)
{
	struct load *load = &loads_of(w)->load[j->worker];
	struct thought *t;

	load->done++;
	if (j->run_us <= load->most_us)
		hist_add(&load->latencies, w->now - j->submitted);
	if (load->stopped)
		return;
	if (load->think_us == 0) {
		ask(w, load);
		return;
	}
	t = calloc(1, sizeof(*t));
	demand(w, t);
	t->load = load;
	t->event.fire = on_thought;
	world_schedule(w, &t->event, w->now + world_below(w, load->think_us));
}

static void ask(struct world *w, struct load *load)
{
	struct job *j =
		job_new(w, load->app, load->pool, world_between(w, load->least_us, load->most_us));

	if (load->stopped) {
		free(j);
		return;
	}
	if (world_chance(w, load->slow))
		j->run_us = (usec)((double)load->most_us * load->slow_factor);
	if (load->pipelined) {
		j->lease.ticket.pipelined = true;
		j->lease.ticket.expected_us = (load->least_us + load->most_us) / 2;
		if (j->run_us > load->most_us && !load->surprising)
			j->lease.ticket.expected_us = j->run_us;
	}
	j->worker = (uint32_t)(load - loads_of(w)->load);
	j->on_end = on_end;
	job_submit(w, j);
}

static void on_grant(struct world *w, struct job *j)
{
	hist_add(&loads_of(w)->load[j->worker].waits, w->now - j->submitted);
}

void loads_init(struct loads *l, uint64_t seed, uint32_t budget)
{
	struct core_settings settings = world_core_settings(budget);

	*l = (struct loads){ .n = 0 };
	world_init(&l->world, seed, &settings);
	l->world.on_grant = on_grant;
	l->world.n_servers = 1;
	l->world.servers[0] =
		(struct server){ .up = true, .knows_us = true, .max = 1000, .connect_us = 5000 };
}

struct load *load_add(struct loads *l, const char *name, struct pool *p,
		      const struct share_settings *share, uint32_t workers, usec least_us,
		      usec most_us)
{
	struct load *load = &l->load[l->n++];

	load->app = world_add_app(&l->world, name, share);
	load->pool = p;
	load->workers = workers;
	load->least_us = least_us;
	load->most_us = most_us;
	return load;
}

void load_start(struct loads *l, struct load *load)
{
	load->stopped = false;
	for (uint32_t i = 0; i < load->workers; i++)
		ask(&l->world, load);
	world_settle(&l->world);
}

void loads_run(struct loads *l, usec time)
{
	usec until = l->world.now + time;

	while (world_step(&l->world, until))
		;
}

/* What was used up, and what those have used who are at it. */
static usec used(const struct loads *l, const struct load *load)
{
	usec sum = load->app->stats.connection_us_total;
	const struct conn *c;

	LIST_FOREACH (c, &l->world.conns, link) {
		const struct ticket *t = TAILQ_FIRST(&c->slot->tickets);

		if (t && t->app == load->app)
			sum += l->world.now - c->slot->headed;
	}
	return sum;
}

void loads_mark(struct loads *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		l->load[i].waits = l->load[i].latencies = (struct hist){ .count = 0 };
		l->load[i].connection_us = used(l, &l->load[i]);
		l->load[i].done = 0;
	}
}

void loads_measure(struct loads *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		l->load[i].connection_us = used(l, &l->load[i]) - l->load[i].connection_us;
}

double jain(const struct loads *l, uint32_t n)
{
	double sum = 0, squares = 0;

	for (uint32_t i = 0; i < n; i++) {
		double x = (double)l->load[i].connection_us;

		sum += x;
		squares += x * x;
	}
	return squares > 0 ? sum * sum / (n * squares) : 0;
}

void loads_end(struct loads *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		l->load[i].stopped = true;
	world_end(&l->world);
}
