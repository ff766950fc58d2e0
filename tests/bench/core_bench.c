/* SPDX-License-Identifier: MIT */
/*
 * What the scheduler costs by itself: nanoseconds for submit, decide, grant and finish, in the
 * cases that matter.
 *	idle      one at a time onto an idle connection, nobody waits: the usual case
 *	deadline  the same with a deadline, among 1,000 others that have one
 *	queued    64 at a time on 8 connections of one application
 *	crowded   the same from 200 applications
 *	shared    64 at a time on 2 connections, pipelined
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/application.h"
#include "core/core.h"
#include "core/pool.h"
#include "core/ticket.h"

enum {
	ROUNDS = 2000000,
	WAITERS = 64,
	APPS = 200,
	OTHERS = 1000,
};

struct bench {
	struct core *core;
	struct pool *pool;
	struct application *apps[APPS];
	struct ticket tickets[APPS > WAITERS ? APPS : WAITERS];
	struct ticket others[OTHERS];
	usec now;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void init(struct bench *b, uint32_t size, uint32_t depth)
{
	const struct core_settings c = { .budget = size, .queue_limit = 100000 };
	const struct pool_settings p = {
		.max_size = size,
		.pipeline_depth = depth,
		.pipeline_budget_us = 5 * USEC_PER_MS,
		.idle_timeout_us = 600 * USEC_PER_SEC,
		.max_lifetime_us = 3600 * USEC_PER_SEC,
		.keepalive_us = 30 * USEC_PER_SEC,
		.backoff_min_us = USEC_PER_MS,
		.backoff_max_us = USEC_PER_SEC,
		.breaker_threshold = 10,
		.breaker_reset_us = USEC_PER_SEC,
	};
	const struct share_settings share = { .weight = 1 };

	memset(b, 0, sizeof(*b));
	b->now = USEC_PER_SEC;
	must(core_new(&b->core, &c, 1) == 0);
	must(pool_add(b->core, &p, NULL, b->now, &b->pool) == 0);
	for (int i = 0; i < APPS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		must(application_get(b->core, name, &share, &b->apps[i]) == 0);
	}
}

static void submit(struct bench *b, struct ticket *t, struct application *app, usec deadline,
		   usec expected_us)
{
	t->pool = b->pool;
	t->app = app;
	t->deadline = deadline;
	t->acquire_deadline = deadline;
	t->expected_us = expected_us;
	t->pipelined = expected_us > 0;
	core_submit(b->core, t, b->now);
}

/* Carries out what is to be done; gives the last one granted. */
static void settle(struct bench *b)
{
	struct decision d;

	while (core_decide(b->core, b->now, &d)) {
		if (d.type == DECISION_OPEN)
			core_slot_opened(b->core, d.slot, b->now);
		else if (d.type == DECISION_PING)
			core_slot_pinged(b->core, d.slot, b->now);
		else
			must(d.type == DECISION_GRANT);
	}
	must(core_wakeup(b->core) > b->now);
}

static void finish_all(struct bench *b)
{
	for (bool any = true; any;) {
		any = false;
		for (size_t i = 0; i < sizeof(b->tickets) / sizeof(b->tickets[0]); i++)
			if (b->tickets[i].state == TICKET_GRANTED) {
				core_finish(b->core, &b->tickets[i], b->now);
				any = true;
			}
		settle(b);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* others may run beside it */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *name, double began)
{
	printf("core %-8s %6.1f ns\n", name, (seconds() - began) / ROUNDS * 1e9);
}

static void one_by_one(struct bench *b, const char *name, usec timeout)
{
	double began;

	submit(b, &b->tickets[0], b->apps[0], USEC_NEVER, 0);
	settle(b);
	core_finish(b->core, &b->tickets[0], b->now);
	settle(b);
	began = seconds();
	for (int i = 0; i < ROUNDS; i++) {
		b->now += 10;
		submit(b, &b->tickets[0], b->apps[0], timeout ? b->now + timeout : USEC_NEVER, 0);
		settle(b);
		core_finish(b->core, &b->tickets[0], b->now + 5);
		settle(b);
	}
	report(name, began);
	b->core = core_free(b->core);
}

static void bench_idle(struct bench *b)
{
	init(b, 8, 1);
	one_by_one(b, "idle", 0);
}

static void bench_deadline(struct bench *b)
{
	init(b, OTHERS + 8, 1);
	for (int i = 0; i < OTHERS; i++)
		submit(b, &b->others[i], b->apps[1],
		       b->now + 1000 * USEC_PER_SEC + (usec)i * 7919 % 1000, 0);
	settle(b);
	for (int i = 0; i < OTHERS; i++)
		must(b->others[i].state == TICKET_GRANTED);
	submit(b, &b->tickets[0], b->apps[0], USEC_NEVER, 0);
	settle(b);
	core_finish(b->core, &b->tickets[0], b->now);
	double began = seconds();
	for (int i = 0; i < ROUNDS; i++) {
		b->now += 10;
		submit(b, &b->tickets[0], b->apps[0], b->now + 30 * USEC_PER_SEC, 0);
		settle(b);
		core_finish(b->core, &b->tickets[0], b->now + 5);
		settle(b);
	}
	report("deadline", began);
	for (int i = 0; i < OTHERS; i++)
		core_finish(b->core, &b->others[i], b->now);
	b->core = core_free(b->core);
}

/* `n` are always under way: what ends is submitted again, behind the others. */
static void bench_many(struct bench *b, const char *name, uint32_t size, uint32_t depth, int n,
		       int n_apps, usec expected_us)
{
	double began;
	int next = 0;

	init(b, size, depth);
	for (int i = 0; i < n; i++)
		submit(b, &b->tickets[i], b->apps[i % n_apps], USEC_NEVER, expected_us);
	settle(b);
	began = seconds();
	for (int i = 0; i < ROUNDS; i++) {
		while (b->tickets[next].state != TICKET_GRANTED)
			next = (next + 1) % n;
		b->now += 10;
		core_finish(b->core, &b->tickets[next], b->now);
		submit(b, &b->tickets[next], b->apps[next % n_apps], USEC_NEVER, expected_us);
		next = (next + 1) % n;
		settle(b);
	}
	report(name, began);
	finish_all(b);
	b->core = core_free(b->core);
}

int main(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	must(b);
	bench_idle(b);
	bench_deadline(b);
	bench_many(b, "queued", 8, 1, WAITERS, 1, 0);
	bench_many(b, "crowded", 8, 1, APPS, APPS, 0);
	bench_many(b, "shared", 2, 32, WAITERS, 4, 50);
	free(b);
	return 0;
}
