/* SPDX-License-Identifier: MIT */
#include "rpc/rpc.h"

#include <stdlib.h>
#include <string.h>

#include "pg/listener.h"
#include "rpc/client.h"
#include "rpc/idempotency.h"
#include "rpc/lease.h"
#include "rpc/lease-internal.h"
#include "rpc/listen.h"
#include "rpc/plan.h"
#include "rpc/rpc-internal.h"
#include "rpc/settle.h"
#include "rpc/submit.h"
#include "util/error.h"

enum {
	TEXTS_BYTES = 16 * 1024 * 1024,
};

/* SplitMix64 over a seed from the kernel. */
uint64_t rpc_random(struct rpc *rpc)
{
	uint64_t z;

	do {
		z = (rpc->random += UINT64_C(0x9e3779b97f4a7c15));
		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
	} while (z == 0);
	return z;
}

static int set_up(struct rpc *rpc, const struct rpc_input *input)
{
	static const struct share_settings share = { .weight = 1 };
	int r;

	r = pg_texts_new(&rpc->texts, TEXTS_BYTES, input->seed);
	if (r == 0)
		r = pg_texts_get(rpc->texts, settle_sql(), strlen(settle_sql()), NULL, 0,
				 &rpc->xact_text);
	if (r == 0)
		r = idempotency_new(&rpc->idempotency, rpc->loop);
	if (r == 0)
		r = application_get(rpc->core, "others", &share, &rpc->fallback);
	if (r == 0)
		r = listening_init(rpc);
	if (r == 0)
		r = watching_init(rpc);
	if (r == 0)
		r = submits_new(rpc);
	return err_fold(r);
}

int rpc_new(struct rpc **ret_rpc, const struct rpc_input *input)
{
	struct rpc *rpc = calloc(1, sizeof(*rpc));
	int r;

	if (!rpc)
		return err_raise(-ENOMEM);
	rpc->loop = input->loop;
	rpc->core = input->core;
	rpc->config = input->config;
	rpc->ops = input->ops;
	rpc->userdata = input->userdata;
	rpc->instance_id = input->instance_id;
	rpc->random = input->seed;
	rpc->started = rpc_now();
	TAILQ_INIT(&rpc->clients);
	TAILQ_INIT(&rpc->settlements);
	TAILQ_INIT(&rpc->spare);
	r = set_up(rpc, input);
	if (r < 0) {
		rpc_free(rpc);
		return err_forward(r);
	}
	*ret_rpc = rpc;
	return 0;
}

void rpc_set_engine(struct rpc *rpc, struct pg_engine *engine)
{
	rpc->engine = engine;
}

void rpc_set_events_url(struct rpc *rpc, const char *url)
{
	rpc->events_url = url;
}

void rpc_set_server(struct rpc *rpc, struct sp_server *server)
{
	rpc->server = server;
}

void rpc_on_lease(void *userdata, const struct decision *decision)
{
	(void)userdata;
	lease_decided(decision);
}

/*
 * Only leases may LISTEN; but a function that a plain statement calls may do so too, and hears of it
 * before its session is reset.
 */
void rpc_on_notify(void *userdata, struct pg_task *task, const char *channel, const char *payload,
		   int backend_pid)
{
	(void)userdata;
	if (task->session)
		lease_notified(container_of(task, struct rpc_lease, task), channel, payload,
			       backend_pid);
}

void rpc_on_decided(void *userdata)
{
	struct rpc *rpc = userdata;

	for (size_t i = 0; i < rpc->n_pools; i++)
		if (rpc->pools[i].listener) {
			pg_listener_look(rpc->pools[i].listener);
			watch_look(&rpc->pools[i], rpc);
		}
}

static const struct config_pool *config_of(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_pools; i++)
		if (!strcmp(config->pools[i].name, name))
			return &config->pools[i];
	return NULL;
}

int rpc_set_pools(struct rpc *rpc, struct pg_pool *const *pools, size_t n_pools)
{
	rpc->pools = calloc(n_pools, sizeof(*rpc->pools));
	if (!rpc->pools)
		return err_raise(-ENOMEM);
	rpc->n_pools = n_pools;
	for (size_t i = 0; i < n_pools; i++) {
		rpc->pools[i].pg = pools[i];
		rpc->pools[i].config = config_of(rpc->config, pg_pool_name(pools[i]));
		if (listening_add_pool(rpc, &rpc->pools[i]) < 0)
			return err_raise(-ENOMEM);
		watching_add_pool(rpc, &rpc->pools[i]);
	}
	return submits_start(rpc);
}

/*
 * A pool that the new configuration lacks keeps its old settings until the restart that its removal
 * needs.
 */
void rpc_reconfigure(struct rpc *rpc, const struct config *config)
{
	struct client *c;

	rpc->config = config;
	for (size_t i = 0; i < rpc->n_pools; i++) {
		const struct config_pool *fresh = config_of(config, pg_pool_name(rpc->pools[i].pg));

		if (fresh)
			rpc->pools[i].config = fresh;
	}
	TAILQ_FOREACH (c, &rpc->clients, link) {
		client_match(c);
		application_configure(
			c->application,
			&(struct share_settings){ .min = c->config->min,
						  .max = c->config->max,
						  .weight = c->config->weight,
						  .priority = c->config->priority,
						  .queue_limit = c->config->queue_limit,
						  .read_only = c->config->read_only },
			rpc_now());
	}
	submits_reconfigure(rpc);
	pg_engine_kick(rpc->engine);
}

const struct sp_ops *rpc_sp_ops(void)
{
	static const struct sp_ops ops = {
		.on_open = client_on_open,
		.on_message = client_on_message,
		.on_drained = client_on_drained,
		.on_close = client_on_close,
	};

	return &ops;
}

/*
 * An idle lease has nothing to finish but its transaction, which is its client's to commit until
 * shutdown_timeout.
 */
void rpc_drain(struct rpc *rpc)
{
	rpc->draining = true;
	submits_look(rpc);
}

unsigned rpc_unfinished(const struct rpc *rpc)
{
	return rpc->n_requests + rpc->n_leases + submits_unfinished(rpc);
}

/* Each is looked for anew: with a stream end the fetches that wait for it. */
static struct request *not_cancelled(const struct client *c)
{
	struct request *r;

	TAILQ_FOREACH (r, &c->requests, link)
		if (!r->cancelled)
			return r;
	return NULL;
}

void rpc_abort(struct rpc *rpc)
{
	struct client *c;
	struct request *r;
	struct rpc_lease *l, *next_lease;

	submits_abort(rpc);
	TAILQ_FOREACH (c, &rpc->clients, link) {
		while ((r = not_cancelled(c)))
			request_cancel(r);
		for (l = TAILQ_FIRST(&c->leases); l; l = next_lease) {
			next_lease = TAILQ_NEXT(l, link);
			if (l->held)
				lease_take_away(l, SIDEPOOL_E_SHUTTING_DOWN);
		}
	}
}

void rpc_stop(struct rpc *rpc)
{
	if (!rpc)
		return;
	settle_stop(rpc);
	submits_stop(rpc);
	listening_stop(rpc);
	watching_stop(rpc);
	plans_stop(rpc);
}

struct rpc *rpc_free(struct rpc *rpc)
{
	if (!rpc)
		return NULL;
	requests_free_spare(rpc);
	plans_deinit(rpc);
	submits_free(rpc);
	rpc->idempotency = idempotency_free(rpc->idempotency);
	rpc->xact_text = pg_text_unref(rpc->xact_text);
	rpc->texts = pg_texts_free(rpc->texts);
	application_unref(rpc->fallback);
	listening_deinit(rpc);
	watching_deinit(rpc);
	buf_deinit(&rpc->event);
	free(rpc->pools);
	free(rpc);
	return NULL;
}
