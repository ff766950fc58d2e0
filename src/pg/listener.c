/* SPDX-License-Identifier: MIT */
/*
 * What is wanted and what is so are compared again and again: each channel that differs is on the
 * `todo` list, and one call at a time brings a number of them in line, each statement with a Sync
 * of its own, so that one that fails takes no other along. Whatever happens meanwhile is seen when
 * the call has ended.
 *
 *	REST --wanted--> WAITING --granted--> HELD --nothing wanted, lost, given back--> LEAVING --> REST
 *
 * The timer serves one purpose in each state: at REST it ends the pause after a refusal; HELD, it
 * checks a connection that has long been silent, or ends one that does not answer: without it the
 * death of a server behind a firewall would go unnoticed for hours.
 */
#include "pg/listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pool.h"
#include "core/slot.h"
#include "pg/classify.h"
#include "pg/engine-internal.h"
#include "pg/target.h"
#include "util/error.h"

enum {
	BATCH_MOST = 128, /* statements in a call */
	PAUSE_MS = 1000,  /* at least, after a refusal */
	RETRY_MS = 10000, /* of a LISTEN that PostgreSQL refused */
	TAG_PING = BATCH_MOST,
};

enum listener_state {
	LISTENER_REST,
	LISTENER_WAITING,
	LISTENER_HELD,
	LISTENER_LEAVING,
};

struct pg_listener {
	struct pg_engine *engine; /* borrowed, as the next two */
	struct pg_pool *pool;
	struct application *application;
	const struct pg_listener_ops *ops;
	enum listener_state state;
	struct ticket ticket;
	struct pg_task task;
	struct pg_call call; /* on the connection while call.conn is set */
	bool over;           /* the daemon stops: asks for nothing more */
	bool pausing;        /* at REST after a refusal */
	bool failed;         /* PostgreSQL refused a LISTEN that is wanted */
	unsigned n_wanted;
	struct pg_channel *channels; /* owned, by name */
	TAILQ_HEAD(, pg_channel) todo;
	struct pg_channel *batch[BATCH_MOST]; /* of the call */
	size_t n_batch;
	uv_timer_t timer;
};

static void work(struct pg_listener *l);

/* ---- channels ---- */

static void look_at(struct pg_channel *c)
{
	struct pg_listener *l = c->listener;

	if (c->in_call)
		return;
	if (c->wanted != c->on || c->again) {
		if (!c->is_todo)
			TAILQ_INSERT_TAIL(&l->todo, c, todo);
		c->is_todo = true;
		return;
	}
	if (c->is_todo)
		TAILQ_REMOVE(&l->todo, c, todo);
	c->is_todo = false;
	if (!c->wanted) {
		HASH_DELETE(hh, l->channels, c);
		free(c);
	}
}

int pg_listener_want(struct pg_listener *l, const char *name, void *owner,
		     struct pg_channel **ret_channel)
{
	struct pg_channel *c;

	HASH_FIND_STR(l->channels, name, c);
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return err_raise(-ENOMEM);
		c->listener = l;
		(void)snprintf(c->name, sizeof(c->name), "%s", name);
		HASH_ADD_STR(l->channels, name, c);
		if (!hash_took(c, hh)) {
			free(c);
			return err_raise(-ENOMEM);
		}
	}
	c->owner = owner;
	c->wanted = true;
	l->n_wanted++;
	/* One that was just given up is listened to still: it is so once more, to be told. */
	c->again = c->on && !c->in_call;
	l->pausing = false;
	look_at(c);
	pg_engine_kick(l->engine);
	*ret_channel = c;
	return 0;
}

void pg_channel_unwant(struct pg_channel *c)
{
	struct pg_listener *l = c->listener;

	c->wanted = c->again = false;
	c->owner = NULL;
	l->n_wanted--;
	look_at(c);
	pg_engine_kick(l->engine);
}

unsigned pg_listener_wanted(const struct pg_listener *l)
{
	return l->n_wanted;
}

/* The connection is gone or given back. */
static void lose_all(struct pg_listener *l, const char *reason)
{
	struct pg_channel *c, *next;

	HASH_ITER (hh, l->channels, c, next) {
		if (c->on && c->wanted)
			l->ops->lost(c, reason);
		c->on = c->in_call = c->again = false;
		look_at(c);
	}
	l->n_batch = 0;
}

/* ---- the call ---- */

static void write_sql(char *sql, size_t size, const struct pg_channel *c)
{
	size_t n = (size_t)snprintf(sql, size, "%s \"", c->listens ? "LISTEN" : "UNLISTEN");

	for (const char *s = c->name; *s && n < size - 3; s++) {
		if (*s == '"')
			sql[n++] = '"';
		sql[n++] = *s;
	}
	sql[n++] = '"';
	sql[n] = '\0';
}

static void on_complete(struct pg_call *call, uint32_t tag, uint32_t set,
			const struct pg_result *result)
{
	struct pg_listener *l = container_of(call, struct pg_listener, call);

	(void)set;
	(void)result;
	if (tag < l->n_batch)
		l->batch[tag]->done = true;
}

static void on_error(struct pg_call *call, uint32_t tag, uint32_t set,
		     const struct pg_result *error)
{
	struct pg_listener *l = container_of(call, struct pg_listener, call);
	struct pg_channel *c = tag < l->n_batch ? l->batch[tag] : NULL;

	(void)set;
	if (!c)
		return;
	c->done = false;
	if (c->wanted && c->listens)
		l->ops->failed(c, error);
	l->failed |= c->wanted;
}

static void arm(struct pg_listener *l, usec after);

/* What failed stays off the list until the next check: it would fail again at once. */
static void settle(struct pg_listener *l, struct pg_channel *c)
{
	c->in_call = false;
	if (c->done)
		c->on = c->listens;
	if (c->done && c->on && c->wanted)
		l->ops->listening(c);
	if (c->done || c->wanted == c->on)
		look_at(c);
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct pg_listener *l = container_of(call, struct pg_listener, call);
	size_t n = l->n_batch;
	usec pause = l->pool->core->settings.keepalive_us;

	if (end != PG_END_SYNCED)
		return; /* `lost` follows */
	l->n_batch = 0;
	for (size_t i = 0; i < n; i++)
		settle(l, l->batch[i]);
	arm(l, l->failed ? MIN(pause, RETRY_MS * USEC_PER_MS) : pause);
	pg_engine_kick(l->engine);
}

static const struct pg_call_ops call_ops = {
	.on_complete = on_complete,
	.on_error = on_error,
	.on_end = on_end,
};

static void begin_call(struct pg_listener *l)
{
	pg_call_begin(l->task.conn, &l->call, &call_ops);
	pg_task_prepare(&l->task, &l->call, false);
	arm(l, l->pool->conn.connect_timeout_us);
}

static void send_batch(struct pg_listener *l)
{
	char sql[2 * PG_CHANNEL_NAME_MOST + 32];
	struct pg_channel *c;

	begin_call(l);
	pg_task_touches(&l->task, PG_TOUCH_LISTEN);
	while (l->n_batch < BATCH_MOST && (c = TAILQ_FIRST(&l->todo))) {
		TAILQ_REMOVE(&l->todo, c, todo);
		c->is_todo = false;
		c->in_call = true;
		c->listens = c->wanted;
		c->again = c->done = false;
		write_sql(sql, sizeof(sql), c);
		l->batch[l->n_batch] = c;
		(void)pg_call_execute_text(&l->call, sql, (uint32_t)l->n_batch++);
		pg_call_sync(&l->call);
	}
	pg_call_end(&l->call);
}

/* ---- the timer ---- */

/* What could not be listened to before may be so by now: a standby was promoted. */
static void try_again(struct pg_listener *l)
{
	struct pg_channel *c, *next;

	l->failed = false;
	HASH_ITER (hh, l->channels, c, next)
		look_at(c);
}

static void on_timer(uv_timer_t *timer)
{
	struct pg_listener *l = container_of(timer, struct pg_listener, timer);

	if (l->state == LISTENER_REST) {
		l->pausing = false;
		work(l);
	} else if (l->state == LISTENER_HELD && l->call.conn) {
		pg_backend_fail(
			l->task.backend, SLOT_FAILURE_NETWORK,
			"the connection that listens did not answer within connect_timeout");
	} else if (l->state == LISTENER_HELD) {
		try_again(l);
		if (TAILQ_EMPTY(&l->todo)) {
			begin_call(l);
			(void)pg_call_execute_text(&l->call, "", TAG_PING);
			pg_call_end(&l->call);
		} else {
			send_batch(l);
		}
	}
}

static void arm(struct pg_listener *l, usec after)
{
	if (after == USEC_NEVER)
		(void)uv_timer_stop(&l->timer);
	else
		(void)uv_timer_start(&l->timer, on_timer, MAX(after / USEC_PER_MS, (usec)1), 0);
}

/* ---- the connection ---- */

static void on_granted(struct pg_task *task)
{
	struct pg_listener *l = container_of(task, struct pg_listener, task);

	l->state = LISTENER_HELD;
	work(l);
}

static void on_refused(struct pg_task *task, enum refusal why, usec retry_after_us,
		       const char *reason)
{
	struct pg_listener *l = container_of(task, struct pg_listener, task);
	struct pg_channel *c, *next;

	l->state = LISTENER_REST;
	l->over = why == REFUSE_DRAINING;
	l->pausing = true;
	HASH_ITER (hh, l->channels, c, next)
		if (c->wanted)
			l->ops->refused(c, why, retry_after_us, reason);
	arm(l, MAX(retry_after_us, PAUSE_MS * USEC_PER_MS));
}

static void leave(struct pg_listener *l)
{
	l->state = LISTENER_LEAVING;
	(void)uv_timer_stop(&l->timer);
	pg_task_finish(l->engine, &l->task);
}

static void on_lost(struct pg_task *task)
{
	struct pg_listener *l = container_of(task, struct pg_listener, task);
	const char *reason = l->pool->failure;

	lose_all(l, *reason ? reason : "the connection was closed");
	leave(l);
}

/* It has no deadline. */
static void on_expired(struct pg_task *task)
{
	(void)task;
}

static void on_done(struct pg_task *task)
{
	struct pg_listener *l = container_of(task, struct pg_listener, task);

	l->state = LISTENER_REST;
	pg_engine_kick(l->engine);
}

static void on_notify(struct pg_task *task, const char *channel, const char *payload,
		      int backend_pid)
{
	struct pg_listener *l = container_of(task, struct pg_listener, task);
	struct pg_channel *c;

	HASH_FIND_STR(l->channels, channel, c);
	if (c && c->wanted)
		l->ops->heard(c, payload, backend_pid);
}

static const struct pg_task_ops task_ops = {
	.granted = on_granted,
	.refused = on_refused,
	.expired = on_expired,
	.lost = on_lost,
	.done = on_done,
	.notify = on_notify,
};

static void ask(struct pg_listener *l)
{
	l->state = LISTENER_WAITING;
	l->ticket = (struct ticket){
		.pool = l->pool->core,
		.app = l->application,
		.deadline = USEC_NEVER,
		.acquire_deadline = USEC_NEVER,
	};
	l->task = (struct pg_task){
		.ticket = &l->ticket,
		.ops = &task_ops,
		.application = "listener",
	};
	pg_task_submit(l->engine, &l->task);
}

/* Why it may not have a connection now, or NULL. */
static const char *objection(const struct pg_listener *l)
{
	const struct pool *p = l->pool->core;
	const struct slot *s = l->state == LISTENER_HELD ? l->ticket.slot : NULL;

	if (p->paused)
		return "the pool is paused";
	if (s && s->retiring && s->retire_reason == CLOSE_RECONNECT)
		return "the connections of the pool are replaced";
	if (pool_limit(p) < 2 && (!s || p->waiting > 0))
		return "the pool has no other connection left";
	return NULL;
}

static void work(struct pg_listener *l)
{
	const char *why_not = l->n_wanted ? objection(l) : "nobody listens";

	switch (l->state) {
	case LISTENER_REST:
		if (!why_not && !l->over && !l->pausing)
			ask(l);
		break;
	case LISTENER_WAITING:
		if (why_not && pg_task_withdraw(l->engine, &l->task))
			l->state = LISTENER_REST;
		break;
	case LISTENER_HELD:
		if (l->call.conn)
			break;
		if (why_not) {
			lose_all(l, why_not);
			leave(l);
		} else if (!TAILQ_EMPTY(&l->todo)) {
			send_batch(l);
		}
		break;
	case LISTENER_LEAVING:
		break;
	}
}

void pg_listener_look(struct pg_listener *l)
{
	work(l);
}

int pg_listener_new(struct pg_listener **ret_listener, struct pg_engine *engine,
		    struct pg_pool *pool, struct application *application,
		    const struct pg_listener_ops *ops)
{
	struct pg_listener *l = calloc(1, sizeof(*l));

	if (!l)
		return err_raise(-ENOMEM);
	l->engine = engine;
	l->pool = pool;
	l->application = application;
	l->ops = ops;
	TAILQ_INIT(&l->todo);
	(void)uv_timer_init(engine->loop, &l->timer);
	uv_unref((uv_handle_t *)&l->timer);
	*ret_listener = l;
	return 0;
}

void pg_listener_stop(struct pg_listener *l)
{
	l->over = true;
	(void)uv_timer_stop(&l->timer);
}

static void on_closed(uv_handle_t *handle)
{
	free(container_of((uv_timer_t *)handle, struct pg_listener, timer));
}

struct pg_listener *pg_listener_free(struct pg_listener *l)
{
	struct pg_channel *c, *next;

	if (!l)
		return NULL;
	HASH_ITER (hh, l->channels, c, next) {
		HASH_DELETE(hh, l->channels, c);
		free(c);
	}
	uv_close((uv_handle_t *)&l->timer, on_closed);
	return NULL;
}
