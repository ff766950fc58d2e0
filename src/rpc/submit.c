/* SPDX-License-Identifier: MIT */
/*
 * A submission goes
 *
 *	request --> entering (the journal writes it) --> queue --> done: gone
 *	                                                 |  ^     \--> failed: kept for a while
 *	                                                 running --> tried again
 *
 * and without a journal straight into the queue. It is tried again where PostgreSQL never saw it,
 * where PostgreSQL says that the trouble was its own and that it did nothing, and, with a journal,
 * where nobody knows: its row tells the next try whether it was done.
 */
#include "rpc/submit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/submit-internal.h"
#include "rpc/submit-journal.h"
#include "util/error.h"
#include "util/log.h"

enum {
	BACKOFF_MIN_MS = 20,
	BACKOFF_MAX_MS = 5000,
};

uint64_t submit_wall_clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- one of them ---- */

const struct config_application *submit_config(const struct submitted *w)
{
	const struct config *c = w->submits->rpc->config;

	for (size_t i = 0; i < c->n_applications; i++)
		if (!strcmp(c->applications[i].pattern, w->record.share))
			return &c->applications[i];
	return &c->other;
}

usec submit_statement_timeout(const struct submitted *w)
{
	return submit_config(w)->timeouts.statement_us;
}

static void *unpack_alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n + 1);
}

static void unpack_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

Sidepool__V1__Request *submitted_unpack(const struct submitted *w, struct arena *arena)
{
	ProtobufCAllocator allocator = { .alloc = unpack_alloc,
					 .free = unpack_free,
					 .allocator_data = arena };
	Sidepool__V1__Request *m = sidepool__v1__request__unpack(
		&allocator, w->record.request_bytes, w->record.request);

	if (!m || m->kind_case != SIDEPOOL__V1__REQUEST__KIND_SUBMIT ||
	    m->submit->n_statements == 0 || m->submit->key.len > SUBMIT_KEY_MOST)
		return NULL;
	return m;
}

static int get_application(struct submitted *w)
{
	struct rpc *rpc = w->submits->rpc;
	const struct config_application *a = submit_config(w);
	struct share_settings share = { .min = a->min,
					.max = a->max,
					.weight = a->weight,
					.priority = a->priority,
					.queue_limit = a->queue_limit,
					.read_only = a->read_only };
	int r = application_get(rpc->core, w->record.share, &share, &w->app);

	if (r > 0)
		w->app = application_ref(rpc->fallback);
	return MIN(r, 0);
}

static usec expiry(const struct submit_record *r, usec now, uint64_t wall)
{
	if (r->expires_ms == 0)
		return USEC_NEVER;
	return usec_add(now, usec_sub(r->expires_ms, wall) * USEC_PER_MS);
}

static void find_pool(struct submitted *w)
{
	struct rpc *rpc = w->submits->rpc;

	w->counts = &w->submits->elsewhere;
	for (size_t i = 0; i < rpc->n_pools; i++)
		if (!strcmp(rpc->pools[i].config->name, w->record.pool))
			w->pool = &rpc->pools[i];
	if (w->pool)
		w->counts = &w->pool->submits;
}

struct submitted *submitted_new(struct submits *s, const struct submit_record *record)
{
	struct submitted *w = calloc(1, sizeof(*w));
	uint64_t wall = submit_wall_clock_ms();

	if (!w)
		return NULL;
	w->submits = s;
	if (submit_record_write(record, &w->bytes) < 0 ||
	    submit_record_read(buf_at(&w->bytes), buf_len(&w->bytes), &w->record) != 0 ||
	    get_application(w) < 0)
		return submitted_free(w);
	find_pool(w);
	w->queued.id = w->record.id;
	w->queued.bytes = sizeof(*w) + buf_len(&w->bytes);
	w->accepted = usec_sub(rpc_now(), usec_sub(wall, record->accepted_ms) * USEC_PER_MS);
	w->expires = expiry(record, rpc_now(), wall);
	return w;
}

struct submitted *submitted_free(struct submitted *w)
{
	if (!w)
		return NULL;
	if (w->failure)
		failure_deinit(w->failure);
	free(w->failure);
	free(w->statement);
	buf_deinit(&w->bytes);
	application_unref(w->app);
	free(w);
	return NULL;
}

/* ---- running ---- */

static void on_timer(uv_timer_t *timer)
{
	submits_look(container_of(timer, struct submits, timer)->rpc);
}

static void set_timer(struct submits *s)
{
	usec due = submit_queue_wakeup(&s->queue), now = rpc_now();

	if (due == USEC_NEVER)
		(void)uv_timer_stop(&s->timer);
	else
		(void)uv_timer_start(&s->timer, on_timer, usec_sub(due, now) / USEC_PER_MS + 1, 0);
}

/* What is left of the pools waits for nothing more: clients' requests are refused now. */
static void finish_draining(struct rpc *rpc)
{
	if (!rpc->draining || submits_unfinished(rpc) > 0)
		return;
	core_drain(rpc->core, rpc_now());
	pg_engine_kick(rpc->engine);
}

void submits_look(struct rpc *rpc)
{
	struct submits *s = rpc->submits;
	struct submission *next;

	while (!s->stopped && (next = submit_queue_take(&s->queue, rpc_now()))) {
		struct submitted *w = container_of(next, struct submitted, queued);

		w->counts->waiting--;
		w->counts->running++;
		submit_run_begin(w);
	}
	if (s->stopped)
		return;
	set_timer(s);
	finish_draining(rpc);
}

/* PostgreSQL says that it did nothing, for want of something that may be there next time. */
static bool is_transient(const struct failure *f)
{
	static const char *const classes[] = { "40", "53", "57" };

	if (f->code == SIDEPOOL_E_OUT_OF_MEMORY)
		return true;
	for (size_t i = 0; f->code == SIDEPOOL_E_SQL_ERROR && i < ARRAY_LEN(classes); i++)
		if (!strncmp(f->sqlstate, classes[i], strlen(classes[i])))
			return true;
	return false;
}

static bool may_try_again(const struct submitted *w, const struct failure *f)
{
	switch (failure_outcome_of(f)) {
	case FAILURE_NOT_SENT:
		return true;
	case FAILURE_UNKNOWN:
		return w->submits->journal != NULL;
	default:
		return is_transient(f);
	}
}

static usec backoff(struct submits *s, const struct submitted *w, const struct failure *f)
{
	uint64_t ms = (uint64_t)BACKOFF_MIN_MS << MIN(w->queued.tries, 10U);

	ms = MIN(MAX(ms, f->retry_after_us / USEC_PER_MS), (uint64_t)BACKOFF_MAX_MS);
	return (ms / 2 + rpc_random(s->rpc) % (ms / 2 + 1)) * USEC_PER_MS;
}

static void keep_failure(struct submitted *w, const struct failure *f)
{
	if (!w->failure)
		w->failure = calloc(1, sizeof(*w->failure));
	if (!w->failure)
		return;
	failure_deinit(w->failure);
	*w->failure = *f;
	w->failure->sql = w->failure->pool = BUF_NULL;
	if (buf_len(&f->sql) > 0)
		(void)buf_append(&w->failure->sql, buf_at(&f->sql), buf_len(&f->sql));
}

static void done(struct submitted *w)
{
	struct submits *s = w->submits;

	w->counts->done_total++;
	submitted_dequeue(w);
	if (s->journal)
		submit_journal_done(s->journal, w);
	(void)submitted_free(w);
}

static void put_back(struct submitted *w, usec due, bool flow)
{
	w->counts->running--;
	w->counts->waiting++;
	submit_queue_put_back(&w->submits->queue, &w->queued, due, flow);
}

void submits_ended(struct submitted *w, const struct failure *f)
{
	struct submits *s = w->submits;
	usec now = rpc_now();
	bool hold = f->code && failure_outcome_of(f) == FAILURE_NOT_SENT;

	if (!f->code) {
		done(w);
		submits_look(s->rpc);
		return;
	}
	keep_failure(w, f);
	/* A statement that PostgreSQL refused came behind its row: no earlier try was done. */
	if (failure_outcome_of(f) == FAILURE_FAILED)
		w->maybe_done = false;
	w->maybe_done |= failure_outcome_of(f) == FAILURE_UNKNOWN;
	if (s->stopped) {
		put_back(w, USEC_NEVER, false);
	} else if (may_try_again(w, f) && (w->maybe_done || w->expires > now)) {
		w->counts->retries_total++;
		put_back(w, now + backoff(s, w, f), hold);
	} else {
		submitted_dequeue(w);
		submits_failed(w);
	}
	submits_look(s->rpc);
}

/* ---- life ---- */

static struct submit_limits limits_of(const struct config *c)
{
	return (struct submit_limits){ .size = c->submit_queue_size,
				       .bytes = c->submit_queue_bytes,
				       .at_a_time = c->submit_at_a_time };
}

int submits_new(struct rpc *rpc)
{
	struct submits *s = calloc(1, sizeof(*s));
	struct submit_limits limits = limits_of(rpc->config);

	if (!s)
		return err_raise(-ENOMEM);
	s->rpc = rpc;
	rpc->submits = s;
	TAILQ_INIT(&s->entering);
	TAILQ_INIT(&s->failed);
	submit_queue_init(&s->queue, &limits);
	(void)uv_timer_init(rpc->loop, &s->timer);
	uv_unref((uv_handle_t *)&s->timer);
	return 0;
}

int submits_start(struct rpc *rpc)
{
	const char *path = rpc->config->submit_journal;
	int r = *path ? submit_journal_open(rpc->submits, path) : 0;

	if (r < 0)
		return err_forward(r);
	submits_look(rpc);
	return 0;
}

void submits_reconfigure(struct rpc *rpc)
{
	rpc->submits->queue.limits = limits_of(rpc->config);
	submits_look(rpc);
}

unsigned submits_unfinished(const struct rpc *rpc)
{
	const struct submits *s = rpc->submits;
	unsigned n = s->n_entering + s->queue.n_running;

	if (s->stopped)
		return s->queue.n_running;
	if (!s->journal)
		return s->n_entering + s->queue.n;
	return n + (submit_queue_wakeup(&s->queue) <= rpc_now());
}

static void log_left(const struct submits *s)
{
	const struct submission *first = TAILQ_FIRST(&s->queue.all);
	const struct submitted *w = first ? container_of(first, struct submitted, queued) : NULL;

	if (!w)
		return;
	if (s->journal)
		log_notice(LOG_FIELDS(log_uint("SUBMISSIONS", s->queue.n)),
			   "%u submitted writes are left in the journal for the next start",
			   s->queue.n);
	else
		log_error(
			LOG_FIELDS(log_uint("SUBMISSIONS", s->queue.n),
				   log_str("APPLICATION", w->record.application),
				   log_str("POOL", w->record.pool)),
			"%u submitted writes that were not done in time are lost, the oldest of %s",
			s->queue.n, w->record.application);
}

void submits_abort(struct rpc *rpc)
{
	struct submits *s = rpc->submits;
	struct submission *q, *next;

	s->stopped = true;
	for (q = TAILQ_FIRST(&s->queue.all); q; q = next) {
		next = TAILQ_NEXT(q, order);
		if (q->state == SUBMISSION_RUNNING)
			submit_run_cancel(container_of(q, struct submitted, queued));
	}
	core_drain(rpc->core, rpc_now());
	pg_engine_kick(rpc->engine);
}

void submits_stop(struct rpc *rpc)
{
	struct submits *s = rpc->submits;
	struct submission *q;

	s->stopped = true;
	(void)uv_timer_stop(&s->timer);
	if (s->journal)
		submit_journal_stop(s->journal);
	log_left(s);
	TAILQ_FOREACH (q, &s->queue.all, order)
		if (q->state == SUBMISSION_RUNNING &&
		    container_of(q, struct submitted, queued)->run)
			submit_run_forget(container_of(q, struct submitted, queued));
}

static void on_closed(uv_handle_t *timer)
{
	free(container_of((uv_timer_t *)timer, struct submits, timer));
}

void submits_free(struct rpc *rpc)
{
	struct submits *s = steal(&rpc->submits);
	struct submission *q;
	struct submitted *w;

	if (!s)
		return;
	while ((q = TAILQ_FIRST(&s->queue.all))) {
		submit_queue_remove(&s->queue, q);
		(void)submitted_free(container_of(q, struct submitted, queued));
	}
	while ((w = TAILQ_FIRST(&s->failed))) {
		TAILQ_REMOVE(&s->failed, w, link);
		(void)submitted_free(w);
	}
	s->journal = submit_journal_free(s->journal);
	uv_close((uv_handle_t *)&s->timer, on_closed);
}
