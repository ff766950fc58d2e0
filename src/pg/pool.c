/* SPDX-License-Identifier: MIT */
/* A pool as the engine knows it: where it connects to, and what it heard from there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pool.h"
#include "pg/engine-internal.h"
#include "pg/target.h"
#include "util/error.h"
#include "util/macro.h"

/* Secrets are overwritten before their memory is given back. */
static void free_secret(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static int copy(char **ret_copy, const char *s)
{
	*ret_copy = s ? strdup(s) : NULL;
	return s && !*ret_copy ? err_raise(-ENOMEM) : 0;
}

static void free_memory(struct pg_pool *p)
{
	pg_target_free(p->target);
	pg_target_free(p->retired);
	free_secret(p->conninfo);
	free_secret(p->password);
	free(p->name);
	free(p);
}

int pg_engine_add_pool(struct pg_engine *e, const struct pg_pool_settings *settings,
		       struct pg_pool **ret_pool, char *message, size_t message_bytes)
{
	struct pg_pool *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_raise(-ENOMEM);
	p->engine = e;
	p->conn = settings->conn;
	p->trust_functions = settings->trust_functions;
	p->in_doubt = !p->trust_functions;
	TAILQ_INIT(&p->backends);
	r = copy(&p->name, settings->name);
	if (r == 0)
		r = copy(&p->conninfo, settings->conninfo);
	if (r == 0)
		r = copy(&p->password, settings->password);
	if (r == 0)
		r = pg_target_new(&p->target, settings->conninfo, settings->password, message,
				  message_bytes);
	if (r == 0)
		r = pool_add(e->core, &settings->core, p, pg_engine_now(), &p->core);
	if (r != 0) {
		free_memory(p);
		return err_forward(r);
	}
	TAILQ_INSERT_TAIL(&e->pools, p, link);
	pg_engine_kick(e);
	*ret_pool = p;
	return 0;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static int change_target(struct pg_pool *p, const struct pg_pool_settings *settings, char *message,
			 size_t message_bytes)
{
	struct pg_target *target;
	char *conninfo, *password = NULL;
	int r;

	r = pg_target_new(&target, settings->conninfo, settings->password, message, message_bytes);
	if (r != 0)
		return err_forward(r);
	r = copy(&conninfo, settings->conninfo);
	if (r == 0)
		r = copy(&password, settings->password);
	if (r < 0) {
		free_secret(conninfo);
		pg_target_free(target);
		return err_forward(r);
	}
	free_secret(p->conninfo);
	free_secret(p->password);
	/* Connects that are under way finish with the old one, which they have borrowed. */
	p->retired = pg_target_free(p->retired);
	p->retired = p->target;
	p->conninfo = conninfo;
	p->password = password;
	p->target = target;
	pool_reconnect(p->core, pg_engine_now());
	return 0;
}

static void change_trust(struct pg_pool *p, bool trust_functions)
{
	if (p->trust_functions == trust_functions)
		return;
	p->trust_functions = trust_functions;
	p->in_doubt = !trust_functions;
	p->discovered = 0;
}

int pg_engine_change_pool(struct pg_engine *e, struct pg_pool *p,
			  const struct pg_pool_settings *settings, char *message,
			  size_t message_bytes)
{
	int r;

	if (!same(p->conninfo, settings->conninfo) || !same(p->password, settings->password)) {
		r = change_target(p, settings, message, message_bytes);
		if (r != 0)
			return err_forward(r);
	}
	p->conn = settings->conn;
	change_trust(p, settings->trust_functions);
	pool_configure(p->core, &settings->core, pg_engine_now());
	pg_engine_kick(e);
	return 0;
}

const char *pg_pool_name(const struct pg_pool *p)
{
	return p->name;
}

const char *pg_pool_target(const struct pg_pool *p)
{
	return pg_target_name(p->target);
}

struct pool *pg_pool_core(const struct pg_pool *p)
{
	return p->core;
}

const char *pg_pool_failure(const struct pg_pool *p)
{
	return p->failure;
}

bool pg_pool_hides(const struct pg_pool *p)
{
	return !p->trust_functions && (p->in_doubt || *p->hidden);
}

const char *pg_pool_hidden(const struct pg_pool *p)
{
	return p->trust_functions ? "" : p->hidden;
}

bool pg_pool_runs_probe(const struct pg_pool *p)
{
	return p->runs_probe;
}

const struct pg_parameters *pg_pool_parameters(const struct pg_pool *p)
{
	return &p->parameters;
}

void pg_pool_gone(struct pg_pool *p)
{
	TAILQ_REMOVE(&p->engine->pools, p, link);
	pool_free(p->core);
	free_memory(p);
}

/* The core is freed later, as a whole; its slots and tickets are let go here. */
void pg_pool_free(struct pg_pool *p)
{
	struct pg_backend *b;

	while ((b = TAILQ_FIRST(&p->backends)))
		pg_backend_fail(b, SLOT_FAILURE_NONE, "the daemon stops");
	TAILQ_REMOVE(&p->engine->pools, p, link);
	free_memory(p);
}
