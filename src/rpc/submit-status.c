/* SPDX-License-Identifier: MIT */
/* What is told of submissions: in the log, in events, and to who asks for the status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/meter.h"
#include "rpc/submit-internal.h"
#include "rpc/submit-journal.h"
#include "util/log.h"

enum {
	TOLD_MOST = 1000,
};

/* ---- one that has failed ---- */

static const char *outcome_text(const struct submitted *w)
{
	return w->maybe_done                                                    ? "outcome unknown"
	       : w->failure && failure_outcome_of(w->failure) == FAILURE_FAILED ? "failed"
										: "not sent";
}

static void log_failed(const struct submitted *w)
{
	const struct failure *f = w->failure;

	log_warning(LOG_FIELDS(log_str("APPLICATION", w->record.application),
			       log_str("POOL", w->record.pool),
			       log_uint("SUBMISSION", w->record.id), log_int("PID", w->record.pid),
			       log_uint("TRIES", w->queued.tries),
			       log_str("CODE", f ? failure_code_name(f->code) : NULL),
			       log_str("OUTCOME", outcome_text(w)),
			       log_str("SQLSTATE", f && *f->sqlstate ? f->sqlstate : NULL)),
		    "submitted write %llu of %s came to nothing, %s: %s",
		    (unsigned long long)w->record.id, w->record.application, outcome_text(w),
		    f ? f->message : "out of memory");
}

static Sidepool__V1__Error *unpack_error(const struct submitted *w, ProtobufCAllocator *allocator)
{
	struct buf packed = BUF_NULL;
	Sidepool__V1__Error *error = NULL;

	if (w->failure && failure_pack(w->failure, &packed) == 0)
		error = sidepool__v1__error__unpack(allocator, buf_len(&packed), buf_at(&packed));
	buf_deinit(&packed);
	return error;
}

static void publish_failed(const struct submitted *w, struct rpc_pool *p)
{
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__SubmitEvent m = SIDEPOOL__V1__SUBMIT_EVENT__INIT;

	m.submission_id = w->record.id;
	m.application = (char *)w->record.application;
	m.key.data = (uint8_t *)w->key;
	m.key.len = w->key_bytes;
	m.tries = w->queued.tries;
	m.error = unpack_error(w, NULL);
	event.kind_case = SIDEPOOL__V1__EVENT__KIND_SUBMIT;
	event.submit = &m;
	topic_publish(&p->watch.submit, w->submits->rpc, w->record.pool, &event);
	if (m.error)
		sidepool__v1__error__free_unpacked(m.error, NULL);
}

static void count_failed(const struct submitted *w, struct rpc_pool *p)
{
	struct meter *meter = meter_of(w->app, pg_pool_core(p->pg));

	p->errors_total++;
	if (meter && w->failure)
		meter_fail(meter, w->failure->code, w->failure->sqlstate);
}

/* Only what is told of it stays: its statements may be long. */
static void keep_statement(struct submitted *w)
{
	struct arena arena;
	Sidepool__V1__Request *m;

	arena_init(&arena, 0);
	m = submitted_unpack(w, &arena);
	if (m) {
		w->n_statements = m->submit->n_statements;
		w->statement = strndup(
			(const char *)m->submit->statements[0]->sql.data,
			MIN(m->submit->statements[0]->sql.len, (size_t)SUBMIT_STATEMENT_BYTES));
	}
	arena_deinit(&arena);
	buf_deinit(&w->bytes);
	w->record.request = NULL;
	w->record.request_bytes = 0;
}

static void trim(struct submits *s)
{
	struct submitted *w;

	if (s->n_failed++ < FAILED_MOST)
		return;
	w = TAILQ_LAST(&s->failed, submitted_list);
	TAILQ_REMOVE(&s->failed, w, link);
	s->n_failed--;
	(void)submitted_free(w);
}

void submits_failed(struct submitted *w)
{
	struct submits *s = w->submits;

	if (w->failure && w->maybe_done)
		w->failure->outcome = FAILURE_UNKNOWN;
	if (w->maybe_done)
		w->counts->unknown_total++;
	else
		w->counts->failed_total++;
	log_failed(w);
	if (w->pool) {
		count_failed(w, w->pool);
		publish_failed(w, w->pool);
	}
	if (s->journal)
		submit_journal_done(s->journal, w);
	keep_statement(w);
	w->ended = rpc_now();
	TAILQ_INSERT_HEAD(&s->failed, w, link);
	trim(s);
}

/* ---- status ---- */

static void add(struct submit_counts *sum, const struct submit_counts *n)
{
	sum->waiting += n->waiting;
	sum->running += n->running;
	sum->bytes += n->bytes;
	sum->accepted_total += n->accepted_total;
	sum->refused_total += n->refused_total;
	sum->done_total += n->done_total;
	sum->failed_total += n->failed_total;
	sum->unknown_total += n->unknown_total;
	sum->retries_total += n->retries_total;
	sum->recovered_total += n->recovered_total;
}

static uint64_t oldest_us(const struct submits *s)
{
	const struct submission *first = TAILQ_FIRST(&s->queue.all);

	if (!first)
		return 0;
	return usec_sub(rpc_now(), container_of(first, struct submitted, queued)->accepted);
}

void submits_count(const struct rpc *rpc, struct submit_counts *ret_counts)
{
	const struct submits *s = rpc->submits;

	*ret_counts = s->elsewhere;
	for (size_t i = 0; i < rpc->n_pools; i++)
		add(ret_counts, &rpc->pools[i].submits);
	ret_counts->max_size = s->queue.limits.size;
	ret_counts->max_bytes = s->queue.limits.bytes;
	ret_counts->oldest_us = oldest_us(s);
	if (!s->journal)
		return;
	ret_counts->journal_bytes = submit_journal_bytes(s->journal);
	ret_counts->journal_fails = *submit_journal_failure(s->journal) != '\0';
}

void submits_fill(struct request *asker, Sidepool__V1__StatusReply *reply)
{
	const struct submits *s = asker->rpc->submits;
	Sidepool__V1__SubmitStatus *m = arena_alloc(&asker->arena, sizeof(*m));
	struct submit_counts n;

	if (!m)
		return;
	sidepool__v1__submit_status__init(m);
	submits_count(asker->rpc, &n);
	m->waiting = n.waiting;
	m->running = n.running;
	m->bytes = n.bytes;
	m->max_size = n.max_size;
	m->max_bytes = n.max_bytes;
	m->accepted_total = n.accepted_total;
	m->refused_total = n.refused_total;
	m->done_total = n.done_total;
	m->failed_total = n.failed_total;
	m->unknown_total = n.unknown_total;
	m->retries_total = n.retries_total;
	m->recovered_total = n.recovered_total;
	if (s->journal) {
		m->journal = asker->rpc->config->submit_journal;
		m->journal_bytes = n.journal_bytes;
		m->journal_failure = (char *)submit_journal_failure(s->journal);
	}
	reply->submit = m;
}

static void *error_alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n);
}

static void error_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

static const char *state_text(const struct submitted *w)
{
	if (w->ended)
		return "failed";
	if (w->queued.state == SUBMISSION_RUNNING)
		return "running";
	return w->queued.tries > 0 ? "retrying" : "waiting";
}

static char *statement_of(struct request *asker, const struct submitted *w, size_t *ret_n)
{
	Sidepool__V1__Request *m;

	*ret_n = w->n_statements;
	if (w->statement)
		return w->statement;
	m = submitted_unpack(w, &asker->arena);
	if (!m)
		return (char *)"";
	*ret_n = m->submit->n_statements;
	return arena_strndup(
		&asker->arena, (const char *)m->submit->statements[0]->sql.data,
		MIN(m->submit->statements[0]->sql.len, (size_t)SUBMIT_STATEMENT_BYTES));
}

static void fill(struct request *asker, const struct submitted *w,
		 Sidepool__V1__SubmissionStatus *m)
{
	ProtobufCAllocator allocator = { .alloc = error_alloc,
					 .free = error_free,
					 .allocator_data = &asker->arena };
	char *statement;
	size_t n;

	sidepool__v1__submission_status__init(m);
	statement = statement_of(asker, w, &n);
	m->submission_id = w->record.id;
	m->application = (char *)w->record.application;
	m->pool = (char *)w->record.pool;
	m->key.data = (uint8_t *)w->key;
	m->key.len = w->key_bytes;
	m->state = (char *)state_text(w);
	m->age_ms = usec_sub(rpc_now(), w->accepted) / USEC_PER_MS;
	m->tries = w->queued.tries;
	m->statement = statement ? statement : (char *)"";
	m->statements = (uint32_t)n;
	m->error = unpack_error(w, &allocator);
	if (w->failure) {
		m->outcome = (char *)outcome_text(w);
		m->sqlstate = w->failure->sqlstate;
		m->reason = w->failure->message;
	}
	m->ended_ms = w->ended ? usec_sub(rpc_now(), w->ended) / USEC_PER_MS : 0;
}

void submits_add(struct request *asker, Sidepool__V1__StatusReply *reply)
{
	const struct submits *s = asker->rpc->submits;
	size_t most = MIN(s->queue.n, (uint32_t)TOLD_MOST);
	Sidepool__V1__SubmissionStatus *m = arena_alloc(&asker->arena, most * sizeof(*m) + 1);
	const struct submission *q;

	reply->submissions =
		arena_alloc(&asker->arena, most * sizeof(Sidepool__V1__SubmissionStatus *) + 1);
	if (!m || !reply->submissions)
		return;
	TAILQ_FOREACH (q, &s->queue.all, order) {
		if (reply->n_submissions == most)
			return;
		fill(asker, container_of(q, struct submitted, queued), m);
		reply->submissions[reply->n_submissions++] = m++;
	}
}

void submits_add_failed(struct request *asker, Sidepool__V1__StatusReply *reply)
{
	const struct submits *s = asker->rpc->submits;
	Sidepool__V1__SubmissionStatus *m =
		arena_alloc(&asker->arena, s->n_failed * sizeof(*m) + 1);
	const struct submitted *w;

	reply->failed_submissions = arena_alloc(
		&asker->arena, s->n_failed * sizeof(Sidepool__V1__SubmissionStatus *) + 1);
	if (!m || !reply->failed_submissions)
		return;
	TAILQ_FOREACH (w, &s->failed, link) {
		fill(asker, w, m);
		reply->failed_submissions[reply->n_failed_submissions++] = m++;
	}
}
