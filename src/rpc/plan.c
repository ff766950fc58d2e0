/* SPDX-License-Identifier: MIT */
/*
 * A slow statement is explained where that costs nobody anything: a connection idles, nobody waits,
 * and no other is being explained in its pool. A statement that is slow all the time is explained
 * every AGAIN: when it was is kept in a table of fixed size by the hash of its text, and two that
 * fall on one place share its turn, so that the number of plans in a time is bounded whatever runs.
 *
 * On a lease the session may be another than the spare one: where settings, role or temporary
 * tables may have been touched, the plan could be that of something else, and there is none.
 *
 * The event of the statement waits for the plan as a packed copy.
 */
#include "rpc/plan.h"

#include <stdlib.h>
#include <string.h>

#include "pg/classify.h"
#include "pg/explain.h"
#include "pg/text.h"
#include "rpc/rpc-internal.h"
#include "rpc/watch.h"
#include "util/log.h"

/* A client cannot declare a name that long. */
#define EXPLAINER_NAME "sidepool/plans, of slow statements, on connections that idle anyway"
_Static_assert(sizeof(EXPLAINER_NAME) > 64, "a client could declare it");

enum {
	SEEN_N = 1024,
	AGAIN_SEC = 600,
	TEXT_MOST = 1000,
};

struct plan {
	struct rpc *rpc; /* borrowed, as the next */
	struct rpc_pool *pool;
	struct pg_explain explain;
	Sidepool__V1__StatementEvent *event; /* owned: it waits for the plan */
	char sql[TEXT_MOST + 1];
};

struct plans {
	struct application *application; /* one reference */
	usec seen[SEEN_N];               /* when one was explained; 0: never */
	size_t n;
	struct plan *plans; /* owned: one for each pool */
};

/* ---- its end ---- */

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void log_plan(const struct plan *p, const char *text)
{
	const Sidepool__V1__StatementEvent *m = p->event;

	log_warning(LOG_FIELDS(log_str("APPLICATION", or_null(m->application)),
			       log_str("POOL", p->pool->config->name), log_uint("PID", m->pid),
			       log_str("UNIT", or_null(m->unit)),
			       log_str("CALL_SITE", or_null(m->call_site)),
			       log_str("TRACEPARENT", or_null(m->traceparent)),
			       log_uint("RUN_US", m->run_us), log_str("PLAN", text)),
		    "plan of the slow statement: %s", p->sql);
}

/* What the text of statements may not be told to, the plan may not either: it has its literals. */
static void on_plan(void *userdata, const char *text)
{
	struct plan *p = userdata;
	char *none = p->event->plan;

	if (text)
		log_plan(p, text);
	if (text && p->rpc->config->events_statements)
		p->event->plan = (char *)text;
	watch_tell_statement(p->pool, p->rpc, p->event);
	p->event->plan = none;
	sidepool__v1__statement_event__free_unpacked(p->event, NULL);
	p->event = NULL;
}

/* ---- its beginning ---- */

static struct plans *plans_new(struct rpc *rpc)
{
	static const struct share_settings share = { .weight = 1 };
	struct plans *plans = calloc(1, sizeof(*plans));

	if (!plans)
		return NULL;
	plans->n = rpc->n_pools;
	plans->plans = calloc(plans->n, sizeof(*plans->plans));
	if (!plans->plans ||
	    application_get(rpc->core, EXPLAINER_NAME, &share, &plans->application) != 0) {
		free(plans->plans);
		free(plans);
		return NULL;
	}
	for (size_t i = 0; i < plans->n; i++) {
		plans->plans[i].rpc = rpc;
		plans->plans[i].pool = &rpc->pools[i];
		plans->plans[i].explain.done = on_plan;
		plans->plans[i].explain.userdata = &plans->plans[i];
	}
	return plans;
}

/* Whether the session it ran in is one that the spare connection has as well. */
static bool is_plain_session(const struct request *r)
{
	return !r->lease ||
	       !(pg_task_touched(request_task((struct request *)r)) &
		 (PG_TOUCH_SETTINGS | PG_TOUCH_ROLE | PG_TOUCH_TEMP | PG_TOUCH_UNKNOWN));
}

/* Of a batch nobody knows which statement was slow. */
static bool is_wanted(const struct request *r)
{
	return r->rpc->config->slow_query_plan && r->n_texts == 1 && !r->rpc->draining &&
	       !r->failure.code && pg_explain_fits(r->texts[0]) && is_plain_session(r);
}

static Sidepool__V1__StatementEvent *copy(const Sidepool__V1__StatementEvent *m)
{
	size_t n = sidepool__v1__statement_event__get_packed_size(m);
	uint8_t *bytes = malloc(n + 1);
	Sidepool__V1__StatementEvent *event = NULL;

	if (bytes)
		event = sidepool__v1__statement_event__unpack(
			NULL, sidepool__v1__statement_event__pack(m, bytes), bytes);
	free(bytes);
	return event;
}

static bool begin(struct plans *plans, struct plan *p, const struct request *r,
		  const Sidepool__V1__StatementEvent *m)
{
	struct pg_text *text = r->texts[0];

	if (p->event)
		return false;
	p->event = copy(m);
	if (!p->event)
		return false;
	watch_cut(p->sql, text->sql, TEXT_MOST);
	if (pg_explain_begin(&p->explain, r->rpc->engine, p->pool->pg, plans->application, text,
			     r->statements[0].n_params))
		return true;
	sidepool__v1__statement_event__free_unpacked(p->event, NULL);
	p->event = NULL;
	return false;
}

bool plan_begin(const struct request *r, const Sidepool__V1__StatementEvent *m)
{
	struct rpc *rpc = r->rpc;
	usec now = rpc_now(), *seen;

	if (!is_wanted(r))
		return false;
	if (!rpc->plans)
		rpc->plans = plans_new(rpc);
	if (!rpc->plans)
		return false;
	seen = &rpc->plans->seen[r->texts[0]->hash % SEEN_N];
	if (*seen && usec_sub(now, *seen) < (usec)AGAIN_SEC * USEC_PER_SEC)
		return false;
	if (!begin(rpc->plans, &rpc->plans->plans[r->pool - rpc->pools], r, m))
		return false;
	*seen = now;
	return true;
}

/* ---- life ---- */

void plans_stop(struct rpc *rpc)
{
	for (size_t i = 0; rpc->plans && i < rpc->plans->n; i++)
		pg_explain_stop(&rpc->plans->plans[i].explain);
}

void plans_deinit(struct rpc *rpc)
{
	struct plans *plans = steal(&rpc->plans);

	if (!plans)
		return;
	for (size_t i = 0; i < plans->n; i++) {
		pg_explain_deinit(&plans->plans[i].explain);
		if (plans->plans[i].event)
			sidepool__v1__statement_event__free_unpacked(plans->plans[i].event, NULL);
	}
	application_unref(plans->application);
	free(plans->plans);
	free(plans);
}
