/* SPDX-License-Identifier: MIT */
/*
 * One loop of decisions: after every turn of the event loop in which anything happened the core is
 * asked what to do, until it has nothing more to say, and a timer is set to when it wants to be
 * asked again. Nothing else here decides anything.
 *
 * Each connection is a backend: a slot of the core and a pg_conn. What may be left behind in its
 * session is collected in `touched` as statements go by; when a task is finished the connection is
 * rolled back and reset by reset.c before the core hears of it.
 */
#include "pg/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/pool.h"
#include "core/slot.h"
#include "pg/discover.h"
#include "pg/engine-internal.h"
#include "pg/reading.h"
#include "pg/reset.h"
#include "pg/text.h"
#include "util/error.h"

enum {
	CANCEL_AGAIN_MS = 5, /* doubled each time */
};

usec pg_engine_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (usec)now.tv_sec * USEC_PER_SEC + (usec)now.tv_nsec / 1000;
}

/* ---- the loop of decisions ---- */

static void on_check(uv_check_t *check)
{
	pg_engine_decide(container_of(check, struct pg_engine, check));
}

static void on_timer(uv_timer_t *timer)
{
	pg_engine_decide(container_of(timer, struct pg_engine, timer));
}

static void set_timer(struct pg_engine *e, usec now)
{
	usec at = core_wakeup(e->core);

	if (at == e->wakeup)
		return;
	e->wakeup = at;
	if (at == USEC_NEVER)
		(void)uv_timer_stop(&e->timer);
	else
		(void)uv_timer_start(&e->timer, on_timer,
				     (usec_sub(at, now) + USEC_PER_MS - 1) / USEC_PER_MS, 0);
}

void pg_engine_kick(struct pg_engine *e)
{
	e->kicked = true;
	/* Outside of a turn's I/O (timers, thread pool) the check may be a whole sleep away. */
	if (!e->deciding)
		(void)uv_idle_start(&e->idle, e->on_idle);
}

static void on_idle(uv_idle_t *idle)
{
	pg_engine_decide(container_of(idle, struct pg_engine, idle));
}

/* ---- granting ---- */

static void label(struct pg_backend *b, struct pg_task *task)
{
	const char *name = task->application;

	if (b->depth > 1 || !strcmp(b->label, name))
		return;
	(void)snprintf(b->label, sizeof(b->label), "%s", name);
	b->relabel = true;
}

static void hand_over(struct pg_task *task)
{
	task->is_held = false;
	task->ops->granted(task);
}

static void grant(struct ticket *t, struct slot *slot)
{
	struct pg_task *task = t->owner;
	struct pg_backend *b = slot->owner;

	task->backend = b;
	task->conn = b->conn;
	b->depth++;
	if (b->depth == 1)
		b->head_since = pg_engine_now();
	label(b, task);
	/* A cancel request that is under way would hit whatever runs next. */
	if (pg_conn_is_cancelling(b->conn)) {
		task->is_held = true;
		TAILQ_INSERT_TAIL(&b->held, task, held);
		return;
	}
	hand_over(task);
}

static void refuse(const struct decision *d)
{
	struct pg_task *task = d->ticket->owner;
	struct pg_pool *pool = d->ticket->pool->owner;

	task->ops->refused(task, d->refusal, d->retry_after_us,
			   pool->failure[0] ? pool->failure : NULL);
}

static void carry_out(struct pg_engine *e, const struct decision *d)
{
	struct pg_task *task;

	switch (d->type) {
	case DECISION_OPEN:
		pg_backend_open(d->slot);
		break;
	case DECISION_CLOSE:
		pg_backend_close(d->slot);
		break;
	case DECISION_PING:
		pg_backend_ping(d->slot);
		break;
	case DECISION_GRANT:
		grant(d->ticket, d->slot);
		break;
	case DECISION_REFUSE:
		refuse(d);
		break;
	case DECISION_EXPIRE:
		task = d->ticket->owner;
		task->ops->expired(task);
		break;
	case DECISION_WARN:
	case DECISION_REVOKE:
		e->ops->lease(e->userdata, d);
		break;
	case DECISION_GONE:
		pg_pool_gone(d->pool->owner);
		break;
	case DECISION_NONE:
		break;
	}
}

static void flush(struct pg_engine *e)
{
	struct pg_backend *b;

	while ((b = TAILQ_FIRST(&e->unsent))) {
		pg_backend_sent(b);
		if (b->conn)
			pg_conn_flush(b->conn);
	}
}

void pg_engine_decide(struct pg_engine *e)
{
	struct decision d;
	usec now = pg_engine_now();

	if (e->deciding)
		return;
	e->deciding = true;
	do {
		e->kicked = false;
		while (core_decide(e->core, now, &d))
			carry_out(e, &d);
		now = pg_engine_now();
		e->ops->decided(e->userdata);
	} while (e->kicked);
	e->deciding = false;
	flush(e);
	(void)uv_idle_stop(&e->idle);
	set_timer(e, now);
}

/* ---- tasks ---- */

void pg_task_submit(struct pg_engine *e, struct pg_task *task)
{
	task->ticket->owner = task;
	task->finished = false;
	task->cancel_wanted = false;
	task->cancelling = false;
	core_submit(e->core, task->ticket, pg_engine_now());
	pg_engine_kick(e);
}

bool pg_task_withdraw(struct pg_engine *e, struct pg_task *task)
{
	if (task->ticket->state != TICKET_WAITING && task->ticket->state != TICKET_REFUSED)
		return false;
	core_withdraw(e->core, task->ticket, pg_engine_now());
	return true;
}

static void send_label(struct pg_backend *b, struct pg_call *call)
{
	char sql[160];

	b->relabel = false;
	(void)snprintf(sql, sizeof(sql), "SET application_name = 'sidepool:%.55s'", b->label);
	for (char *c = sql + strlen("SET application_name = '"); c[1]; c++)
		if (*c == '\'' || *c == '\\' || (unsigned char)*c < ' ')
			*c = '?';
	(void)pg_call_execute_text(call, sql, PG_TAG_LABEL);
}

void pg_task_prepare(struct pg_task *task, struct pg_call *call, bool writes)
{
	struct pg_backend *b = task->backend;
	bool forgets = task->session && b->sequences_foreign && writes;

	if (!b->relabel && !forgets)
		return;
	if (b->relabel)
		send_label(b, call);
	/* Before the lease's own first use of a sequence: what it leaves itself it may ask for. */
	if (forgets) {
		(void)pg_call_execute_text(call, "DISCARD SEQUENCES", PG_TAG_LABEL);
		b->sequences_foreign = false;
	}
	pg_call_sync(call);
}

/* Settings change with the end of what set them locally, too. */
static bool may_set(const struct pg_class *class)
{
	return (class->touch & (PG_TOUCH_SETTINGS | PG_TOUCH_UNKNOWN)) || class->sets_locally ||
	       class->several || class->verb > PG_VERB_BEGIN;
}

int pg_task_execute(struct pg_task *task, struct pg_call *call,
		    const struct pg_statement *statement, uint32_t tag)
{
	const struct pg_class *class = &statement->text->class;
	struct pg_backend *b = task->backend;
	int r;

	b->touched |= class->touch | (pg_pool_hides(b->pool) ? PG_TOUCH_UNKNOWN : 0);
	b->wrote |= !class->reads_only;
	if (b->schema_epoch != b->pool->schema_epoch) {
		b->schema_epoch = b->pool->schema_epoch;
		pg_conn_unprepare_all(task->conn);
	}
	pg_conn_look_how_it_reads(task->conn);
	r = pg_call_execute(call, statement, tag);
	if (task->exclusive && may_set(class))
		pg_conn_may_read_otherwise(task->conn);
	if (class->drops_prepared)
		pg_conn_forget_prepared(task->conn);
	return err_forward(r);
}

void pg_task_touches(struct pg_task *task, unsigned touch)
{
	struct pg_backend *b = task->backend;

	b->touched |= touch | (pg_pool_hides(b->pool) ? PG_TOUCH_UNKNOWN : 0);
	b->wrote = true;
}

unsigned pg_task_touched(const struct pg_task *task)
{
	return task->backend ? task->backend->touched : PG_TOUCH_ALL;
}

usec pg_task_run_us(const struct pg_task *task)
{
	return task->backend ? usec_sub(pg_engine_now(), task->backend->head_since) : 0;
}

/* ---- cancelling ---- */

/*
 * PostgreSQL forgets a cancel request that comes before the statement has begun, or between two
 * statements of a batch. So it is asked again, after a while that grows, until cancel_timeout.
 */
static void on_cancel_timer(uv_timer_t *timer);

static void arm_cancel_timer(struct pg_backend *b, usec pause)
{
	usec left = usec_sub(b->cancel_until, pg_engine_now());

	/* Rounded up: what is left of a millisecond would be asked for again and again. */
	(void)uv_timer_start(&b->timer->timer, on_cancel_timer,
			     (MIN(pause, left) + USEC_PER_MS - 1) / USEC_PER_MS, 0);
}

static void send_cancel(struct pg_backend *b);

static void on_cancel_timer(uv_timer_t *timer)
{
	struct pg_backend *b = ((struct pg_backend_timer *)timer->data)->backend;

	if (!b)
		return;
	if (pg_engine_now() >= b->cancel_until)
		pg_backend_fail_uncancelled(b);
	else if (pg_conn_is_cancelling(b->conn))
		arm_cancel_timer(b, USEC_NEVER);
	else
		send_cancel(b);
}

/*
 * One that could not be cancelled before, because a neighbour was, or because it was not its turn.
 */
static void cancel_head(struct pg_backend *b)
{
	struct ticket *head = TAILQ_FIRST(&b->slot->tickets);
	struct pg_task *task = head ? head->owner : NULL;

	if (task && task->cancel_wanted)
		pg_task_cancel(b->pool->engine, task);
}

static void on_cancelled(struct pg_conn *conn, bool delivered)
{
	struct pg_backend *b = pg_conn_owner(conn);
	struct ticket *head;
	struct pg_task *task;

	(void)delivered;
	while (!pg_conn_is_cancelling(conn) && (task = TAILQ_FIRST(&b->held))) {
		TAILQ_REMOVE(&b->held, task, held);
		hand_over(task);
	}
	head = TAILQ_FIRST(&b->slot->tickets);
	task = head ? head->owner : NULL;
	if (task && task->cancelling && !b->failed)
		arm_cancel_timer(b, b->cancel_pause);
	b->cancel_pause *= 2;
	if (!b->failed)
		cancel_head(b);
	pg_backend_settle(b);
}

static void send_cancel(struct pg_backend *b)
{
	arm_cancel_timer(b, USEC_NEVER);
	if (pg_conn_cancel(b->conn, on_cancelled) < 0)
		arm_cancel_timer(b, b->cancel_pause);
}

/* The first in line is what PostgreSQL is at. */
static bool is_running(const struct pg_task *task)
{
	return TAILQ_FIRST(&task->backend->slot->tickets) == task->ticket;
}

void pg_task_cancel(struct pg_engine *e, struct pg_task *task)
{
	struct pg_backend *b = task->backend;

	if (!b || task->cancelling || task->finished)
		return;
	task->cancel_wanted = true;
	if (!is_running(task) || task->is_held || pg_conn_is_cancelling(b->conn) ||
	    pg_conn_depth(b->conn) == 0)
		return;
	task->cancelling = true;
	b->cancel_until = usec_add(pg_engine_now(), e->settings.cancel_timeout_us);
	b->cancel_pause = CANCEL_AGAIN_MS * USEC_PER_MS;
	send_cancel(b);
}

/* ---- finishing ---- */

static void go_on(struct pg_backend *b)
{
	b->head_since = pg_engine_now();
	cancel_head(b);
}

/* The core hears that the task is done. */
void pg_backend_release(struct pg_backend *b, struct pg_task *task)
{
	struct pg_engine *e = b->pool->engine;

	b->depth--;
	b->sequences_foreign |= b->wrote;
	b->wrote = false;
	task->backend = NULL;
	task->conn = NULL;
	core_finish(e->core, task->ticket, pg_engine_now());
	pg_engine_kick(e);
	if (!b->failed)
		go_on(b);
	task->ops->done(task);
	pg_backend_settle(b);
}

void pg_task_finish(struct pg_engine *e, struct pg_task *task)
{
	struct pg_backend *b = task->backend;

	(void)e;
	assert(b && !task->finished);
	task->finished = true;
	if (task->cancelling)
		(void)uv_timer_stop(&b->timer->timer);
	task->cancelling = false;
	pg_discover_committed(b);
	if (b->failed || pg_conn_state(b->conn) != PG_CONN_UP || b->depth > 1 ||
	    !pg_reset_begin(b, task))
		pg_backend_release(b, task);
}

void pg_task_again(struct pg_engine *e, struct pg_task *task)
{
	struct pg_backend *b = task->backend;

	assert(b && b->failed && !task->finished);
	b->depth--;
	task->backend = NULL;
	task->conn = NULL;
	core_finish(e->core, task->ticket, pg_engine_now());
	pg_task_submit(e, task);
}

/* ---- life ---- */

int pg_engine_new(struct pg_engine **ret_engine, uv_loop_t *loop, struct core *core,
		  const struct pg_engine_settings *settings, const struct pg_engine_ops *ops,
		  void *userdata)
{
	struct pg_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return err_raise(-ENOMEM);
	e->loop = loop;
	e->core = core;
	e->settings = *settings;
	e->ops = ops;
	e->userdata = userdata;
	e->wakeup = USEC_NEVER;
	e->on_idle = on_idle;
	TAILQ_INIT(&e->pools);
	TAILQ_INIT(&e->unsent);
	(void)uv_check_init(loop, &e->check);
	(void)uv_timer_init(loop, &e->timer);
	(void)uv_idle_init(loop, &e->idle);
	(void)uv_check_start(&e->check, on_check);
	*ret_engine = e;
	return 0;
}

static void on_engine_closed(uv_handle_t *handle)
{
	struct pg_engine *e = handle->data;

	if (--e->handles == 0)
		free(e);
}

static void close_handle(struct pg_engine *e, uv_handle_t *handle)
{
	handle->data = e;
	e->handles++;
	uv_close(handle, on_engine_closed);
}

void pg_engine_configure(struct pg_engine *e, usec cancel_timeout_us)
{
	e->settings.cancel_timeout_us = cancel_timeout_us;
}

struct pg_engine *pg_engine_free(struct pg_engine *e)
{
	struct pg_pool *p;

	if (!e)
		return NULL;
	e->deciding = true; /* nothing is decided any more */
	while ((p = TAILQ_FIRST(&e->pools)))
		pg_pool_free(p);
	close_handle(e, (uv_handle_t *)&e->check);
	close_handle(e, (uv_handle_t *)&e->timer);
	close_handle(e, (uv_handle_t *)&e->idle);
	return NULL;
}
