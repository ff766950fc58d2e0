/* SPDX-License-Identifier: MIT */
/*
 * A backend's life: opened and closed as the core decides, failed as the network does. A failed one
 * stays until the last of its tasks is finished, because their tickets are on its slot; then the
 * core hears of the failure and forgets the slot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pool.h"
#include "core/slot.h"
#include "pg/discover.h"
#include "pg/engine-internal.h"
#include "pg/reset.h"
#include "pg/target.h"
#include "util/error.h"
#include "util/log.h"

static void free_timer(uv_handle_t *handle)
{
	free(handle->data);
}

void pg_backend_sent(struct pg_backend *b)
{
	if (b->is_unsent)
		TAILQ_REMOVE(&b->pool->engine->unsent, b, unsent);
	b->is_unsent = false;
}

static void free_backend(struct pg_backend *b)
{
	pg_backend_sent(b);
	b->conn = pg_conn_close(b->conn);
	b->timer->backend = NULL;
	uv_close((uv_handle_t *)&b->timer->timer, free_timer);
	TAILQ_REMOVE(&b->pool->backends, b, link);
	b->pool->n_backends--;
	b->pool->n_up -= b->is_up;
	b->slot->owner = NULL;
	free(b);
}

static void log_failure(const struct pg_pool *p, enum slot_failure failure, const char *reason)
{
	/*
	 * The same failure again and again is told once; the breaker's opening is told by its
	 * state.
	 */
	if (!strcmp(p->failure, reason))
		return;
	log_warning(LOG_FIELDS(log_str("POOL", p->name),
			       log_str("FAILURE", slot_failure_to_string(failure))),
		    "pool %s: %s", p->name, reason);
}

void pg_backend_settle(struct pg_backend *b)
{
	struct slot *slot = b->slot;
	struct core *core = b->pool->engine->core;
	struct pg_engine *e = b->pool->engine;
	enum slot_failure failure = b->failure;

	if (!b->failed || b->depth > 0 || b->settled)
		return;
	b->settled = true;
	free_backend(b);
	core_slot_failed(core, slot, failure, pg_engine_now());
	pg_engine_kick(e);
}

/*
 * Tasks whose calls have ended are finished by now; what is left holds the connection without using
 * it.
 */
static void tell_tasks(struct pg_backend *b)
{
	struct ticket *t;
	struct pg_task *task;

	b->depth++; /* so that finishing the last one does not free us under our feet */
	while ((t = TAILQ_FIRST(&b->slot->tickets))) {
		task = t->owner;
		if (task->is_held)
			TAILQ_REMOVE(&b->held, task, held);
		task->is_held = false;
		if (task->finished)
			pg_backend_release(b, task);
		else
			task->ops->lost(task);
	}
	b->depth--;
}

void pg_backend_fail(struct pg_backend *b, enum slot_failure failure, const char *reason)
{
	struct pg_pool *p = b->pool;

	if (b->failed)
		return;
	b->failed = true;
	b->failure = failure;
	if (failure != SLOT_FAILURE_NONE) {
		log_failure(p, failure, reason);
		(void)snprintf(p->failure, sizeof(p->failure), "%s", reason);
	}
	if (b->slot->state != SLOT_CONNECTING)
		core_slot_broken(p->engine->core, b->slot);
	b->depth++;
	b->conn = pg_conn_close(b->conn);
	b->depth--;
	tell_tasks(b);
	pg_backend_settle(b);
}

/*
 * A process of the server that is stuck hears no cancel request. When it gets on, and reads the
 * statement only then, it is at it for nobody, and looks for its client only where
 * client_connection_check_interval is set:
 * https://www.postgresql.org/docs/current/runtime-config-connection.html
 */
void pg_backend_fail_uncancelled(struct pg_backend *b)
{
	char reason[192];

	(void)snprintf(reason, sizeof(reason),
		       "a cancel request did not take within cancel_timeout: process %d of "
		       "PostgreSQL may go on with its statement, unless it has a "
		       "client_connection_check_interval",
		       pg_conn_backend_pid(b->conn));
	pg_backend_fail(b, SLOT_FAILURE_NETWORK, reason);
}

static enum slot_failure slot_failure_of(enum pg_failure_kind kind)
{
	switch (kind) {
	case PG_FAILURE_AUTH:
		return SLOT_FAILURE_AUTH;
	case PG_FAILURE_FULL:
		return SLOT_FAILURE_SERVER_FULL;
	case PG_FAILURE_OTHER:
		return SLOT_FAILURE_OTHER;
	case PG_FAILURE_NETWORK:
	case PG_FAILURE_TIMEOUT:
		break;
	}
	return SLOT_FAILURE_NETWORK;
}

static void on_down(struct pg_conn *conn, enum pg_failure_kind kind, const char *reason)
{
	pg_backend_fail(pg_conn_owner(conn), slot_failure_of(kind), reason);
}

static void opened(struct pg_backend *b)
{
	struct pg_pool *p = b->pool;

	if (p->failure[0])
		log_notice(LOG_FIELDS(log_str("POOL", p->name)), "pool %s: connected again",
			   p->name);
	p->failure[0] = '\0';
	core_slot_opened(p->engine->core, b->slot, pg_engine_now());
	pg_engine_kick(p->engine);
}

static void on_discovered(struct pg_call *call, enum pg_end end)
{
	struct pg_backend *b = container_of(call, struct pg_backend, call);

	if (end != PG_END_SYNCED)
		return;
	pg_discover_done(b);
	opened(b);
}

static void on_answer(struct pg_call *call, uint32_t tag, uint32_t set,
		      const struct pg_result *rows)
{
	(void)set;
	pg_discover_hear(container_of(call, struct pg_backend, call), tag, rows);
}

static void on_refusal(struct pg_call *call, uint32_t tag, uint32_t set,
		       const struct pg_result *error)
{
	(void)set;
	(void)error;
	pg_discover_hear(container_of(call, struct pg_backend, call), tag, NULL);
}

static const struct pg_call_ops discover_ops = {
	.on_rows = on_answer,
	.on_error = on_refusal,
	.on_end = on_discovered,
};

static void on_up(struct pg_conn *conn)
{
	struct pg_backend *b = pg_conn_owner(conn);
	struct pg_pool *p = b->pool;

	p->n_up++;
	b->is_up = true;
	b->schema_epoch = p->schema_epoch;
	pg_parameters_take(&p->parameters, conn);
	if (!pg_discover_is_due(p, pg_engine_now())) {
		opened(b);
		return;
	}
	pg_call_begin(conn, &b->call, &discover_ops);
	pg_discover_ask(b);
	pg_call_end(&b->call);
}

static void on_altered(struct pg_conn *conn, const char *tag)
{
	pg_discover_altered(pg_conn_owner(conn), tag);
}

static void on_notify(struct pg_conn *conn, const char *channel, const char *payload,
		      int backend_pid)
{
	struct pg_backend *b = pg_conn_owner(conn);
	struct ticket *t = TAILQ_FIRST(&b->slot->tickets);
	struct pg_engine *e = b->pool->engine;
	struct pg_task *task = t ? t->owner : NULL;

	if (task && task->ops->notify)
		task->ops->notify(task, channel, payload, backend_pid);
	else if (task)
		e->ops->notify(e->userdata, task, channel, payload, backend_pid);
}

static void on_unsent(struct pg_conn *conn)
{
	struct pg_backend *b = pg_conn_owner(conn);
	struct pg_engine *e = b->pool->engine;

	if (b->is_unsent)
		return;
	b->is_unsent = true;
	TAILQ_INSERT_TAIL(&e->unsent, b, unsent);
	if (!e->deciding) /* it flushes when it has decided */
		pg_engine_kick(e);
}

static const struct pg_conn_ops conn_ops = {
	.on_up = on_up,
	.on_down = on_down,
	.on_notify = on_notify,
	.on_altered = on_altered,
	.on_unsent = on_unsent,
};

static int make(struct pg_pool *p, struct slot *slot, struct pg_backend **ret_backend)
{
	struct pg_backend *b = calloc(1, sizeof(*b));
	struct pg_backend_timer *t = calloc(1, sizeof(*t));

	if (!b || !t) {
		free(b);
		free(t);
		return err_raise(-ENOMEM);
	}
	(void)uv_timer_init(p->engine->loop, &t->timer);
	t->timer.data = t;
	t->backend = b;
	b->timer = t;
	b->pool = p;
	b->slot = slot;
	TAILQ_INIT(&b->held);
	TAILQ_INSERT_TAIL(&p->backends, b, link);
	p->n_backends++;
	slot->owner = b;
	*ret_backend = b;
	return 0;
}

void pg_backend_open(struct slot *slot)
{
	struct pg_pool *p = slot->pool->owner;
	struct pg_engine *e = p->engine;
	struct pg_backend *b = NULL;

	if (make(p, slot, &b) < 0) {
		core_slot_failed(e->core, slot, SLOT_FAILURE_NETWORK, pg_engine_now());
		return;
	}
	if (pg_conn_new(&b->conn, e->loop, p->target, &p->conn, "sidepool", &conn_ops, b) < 0)
		pg_backend_fail(b, SLOT_FAILURE_NETWORK, "out of memory");
}

void pg_backend_close(struct slot *slot)
{
	struct pg_backend *b = slot->owner;
	struct core *core = b->pool->engine->core;

	free_backend(b);
	core_slot_closed(core, slot, pg_engine_now());
}

static void on_ping_end(struct pg_call *call, enum pg_end end)
{
	struct pg_backend *b = container_of(call, struct pg_backend, call);
	struct pg_engine *e = b->pool->engine;

	if (end != PG_END_SYNCED)
		return;
	(void)uv_timer_stop(&b->timer->timer);
	core_slot_pinged(e->core, b->slot, pg_engine_now());
	pg_engine_kick(e);
}

static const struct pg_call_ops ping_ops = {
	.on_end = on_ping_end, /* an error is an answer too */
};

static void on_ping_timeout(uv_timer_t *timer)
{
	struct pg_backend *b = ((struct pg_backend_timer *)timer->data)->backend;

	if (b)
		pg_backend_fail(b, SLOT_FAILURE_NETWORK,
				"an idle connection did not answer within connect_timeout");
}

/* An empty statement: PostgreSQL answers it without a transaction. */
void pg_backend_ping(struct slot *slot)
{
	struct pg_backend *b = slot->owner;

	(void)uv_timer_start(&b->timer->timer, on_ping_timeout,
			     b->pool->conn.connect_timeout_us / USEC_PER_MS, 0);
	pg_call_begin(b->conn, &b->call, &ping_ops);
	(void)pg_call_execute_text(&b->call, "", PG_TAG_LABEL);
	pg_call_end(&b->call);
}
