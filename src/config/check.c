/* SPDX-License-Identifier: MIT */
/*
 * What no single setting can be blamed for: sums, orders, and shares that are given on a client's
 * word. An application may say any name, so a section that looks at the name alone must not give
 * more than everybody has.
 */
#include <fnmatch.h>
#include <string.h>

#include "config/loader.h"
#include "config/loopback.h"

static struct place place(const struct section *section, const char *setting)
{
	return place_of(section, setting_find(section->kind, setting));
}

static bool is_set(const struct section *section, const char *setting)
{
	return place(section, setting).source != CONFIG_SOURCE_DEFAULT;
}

static void check_sidepool(struct loader *l)
{
	const struct config *c = l->config;
	struct section s = section_of_config(l->config);
	struct place chunk = place(&s, "max_chunk_bytes"), usage = place(&s, "degraded_usage"),
		     parameters = place(&s, "log_parameters"), http = place(&s, "http_listen");
	struct sockaddr_storage address;
	socklen_t len;

	if (c->max_chunk_bytes > c->max_message_bytes)
		loader_mistake(
			l, &chunk,
			"max_chunk_bytes is more than max_message_bytes: an answer would not fit");
	if (*c->http_listen && !loopback_parse(c->http_listen, &address, &len))
		loader_mistake(l, &http,
			       "http_listen = %s is no loopback address with a port: write "
			       "127.0.0.1:9127 or [::1]:9127",
			       c->http_listen);
	if (c->degraded_ratio > c->unhealthy_ratio)
		loader_mistake(l, &usage,
			       "degraded_usage is more than unhealthy_usage: degraded comes before "
			       "unhealthy");
	if (c->max_memory_per_uid_bytes < c->max_message_bytes) {
		struct place memory = place(&s, "max_memory_per_uid");

		loader_mistake(l, &memory,
			       "max_memory_per_uid is less than max_message_bytes: no such message "
			       "would be taken");
	}
	if (c->log_parameters && !c->log_statements && c->slow_query_us == USEC_NEVER)
		loader_warn(
			l, &parameters,
			"log_parameters has no effect while log_statements and slow_query are off");
}

static void check_pool_sizes(struct loader *l, const struct config_pool *p, const struct section *s)
{
	struct place min = place(s, "min_size"), max = place(s, "max_size");

	if (p->min_size > p->max_size)
		loader_mistake(l, &min, "min_size = %u is more than max_size = %u in [pool %s]",
			       p->min_size, p->max_size, p->name);
	if ((uint64_t)p->max_size + p->max_overflow > l->config->budget && is_set(s, "max_size"))
		loader_warn(l, &max,
			    "max_size and max_overflow of [pool %s] are %llu together, and the "
			    "budget is %u: it never gets more",
			    p->name, (unsigned long long)p->max_size + p->max_overflow,
			    l->config->budget);
}

static void check_pool(struct loader *l, struct config_pool *p)
{
	struct section s = section_of_pool(p);
	struct place backoff = place(&s, "connect_backoff_min"), idle = place(&s, "idle_timeout"),
		     depth = place(&s, "pipeline_depth");

	check_pool_sizes(l, p, &s);
	if (p->backoff_min_us > p->backoff_max_us)
		loader_mistake(l, &backoff,
			       "connect_backoff_min is more than connect_backoff_max in [pool %s]",
			       p->name);
	if (is_set(&s, "idle_timeout") && p->idle_timeout_us != USEC_NEVER &&
	    p->idle_timeout_us > p->max_lifetime_us)
		loader_warn(l, &idle,
			    "idle_timeout has no effect in [pool %s]: max_lifetime is shorter",
			    p->name);
	if (is_set(&s, "pipeline_depth") && !p->pipeline)
		loader_warn(l, &depth, "pipeline_depth has no effect in [pool %s]: pipeline is off",
			    p->name);
}

static void check_minima(struct loader *l)
{
	const struct config *c = l->config;
	struct section s = section_of_config(l->config);
	struct place budget = place(&s, "budget");
	uint64_t pools = 0, applications = 0;

	for (size_t i = 0; i < c->n_pools; i++)
		pools += c->pools[i].min_size;
	for (size_t i = 0; i < c->n_applications; i++)
		applications += c->applications[i].min;
	if (pools > c->budget)
		loader_mistake(l, &budget,
			       "the min_size of all pools are %llu together, and the budget is %u: "
			       "lower them or raise it",
			       (unsigned long long)pools, c->budget);
	if (applications > c->budget)
		loader_mistake(l, &budget,
			       "the min of all applications are %llu together, and the budget is "
			       "%u: lower them or raise it",
			       (unsigned long long)applications, c->budget);
}

static bool has_proof(const struct config_application *a)
{
	return a->match_unit.n || a->match_user.n || a->match_group.n || a->match_executable.n;
}

static void check_claim(struct loader *l, const struct section *s, const char *setting, int value,
			bool raises)
{
	struct place p = place(s, setting);

	if (raises)
		loader_mistake(l, &p,
			       "%s = %d raises the share of [application %s] on the client's word "
			       "alone: add match_unit, match_user, "
			       "match_group or match_executable",
			       setting, value, s->name);
}

static void check_pools_exist(struct loader *l, const struct config_application *a,
			      const struct section *s)
{
	struct place p = place(s, "pools");

	for (size_t i = 0; i < a->pools.n; i++)
		if (!config_find_pool(l->config, a->pools.items[i]))
			loader_mistake(l, &p, "pools: there is no [pool %s]", a->pools.items[i]);
}

static void check_application(struct loader *l, struct config_application *a)
{
	struct section s = section_of_application(a);
	struct place min = place(&s, "min");

	if (a->max && a->min > a->max)
		loader_mistake(l, &min, "min = %u is more than max = %u in [application %s]",
			       a->min, a->max, a->pattern);
	if (!has_proof(a)) {
		check_claim(l, &s, "min", (int)a->min, a->min > 0);
		check_claim(l, &s, "weight", (int)a->weight, a->weight > 1);
		check_claim(l, &s, "priority", a->priority, a->priority > 0);
	}
	check_pools_exist(l, a, &s);
}

/* A section behind one that takes every name it could match is dead. That patterns are not compared with each other but
 * only matched as names lets some pass, and never blames a live one. */
static void check_reachable(struct loader *l, size_t at)
{
	const struct config_application *a = l->config->applications;

	for (size_t i = 0; i < at; i++) {
		bool covers = !strcmp(a[i].pattern, "*") || !strcmp(a[i].pattern, a[at].pattern) ||
			      (!strpbrk(a[at].pattern, "*?[\\") &&
			       fnmatch(a[i].pattern, a[at].pattern, 0) == 0);

		if (has_proof(&a[i]) || !covers)
			continue;
		loader_warn(l, NULL,
			    "[application %s] is never reached: [application %s] before it takes "
			    "all that it would match",
			    a[at].pattern, a[i].pattern);
		return;
	}
}

void loader_check(struct loader *l)
{
	struct config *c = l->config;

	check_sidepool(l);
	for (size_t i = 0; i < c->n_pools; i++)
		check_pool(l, &c->pools[i]);
	for (size_t i = 0; i < c->n_applications; i++) {
		check_application(l, &c->applications[i]);
		check_reachable(l, i);
	}
	check_minima(l);
}
