/* SPDX-License-Identifier: MIT */
/*
 * pg_xact_status() tells of a transaction id whether it was committed
 * (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT). The id has
 * to be known before the COMMIT is under way. So it is asked for along with the first statements of
 * a transaction that write, and where the COMMIT goes out in the same message a flush between the
 * two brings the answer first; neither costs a round trip.
 *
 * After a failover to a server that has not seen the transaction its id may be another's, hence the
 * timeline: the first eight digits of the name of the WAL file that is written to. After a crash an
 * id that had not been flushed to the WAL is given again; then *committed* may be another's, and
 * only *aborted* counts. Where the last recovery ended tells whether there was one.
 *
 * A session that still runs the transaction has lost its client, and would end some time by itself;
 * it is ended now, and what it has done by then counts.
 */
#include "rpc/settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/result.h"
#include "pg/text.h"
#include "rpc/lease.h"
#include "rpc/request.h"
#include "rpc/rpc-internal.h"

enum {
	/* a session that is told to end needs a moment */
	TRIES_MAX = 50,
	SQL_BYTES = 768,
	TAG_STATUS = 1,
};

struct settlement {
	struct request *r; /* borrowed: held by us */
	struct ticket ticket;
	struct pg_task task;
	struct pg_call call;
	char sql[SQL_BYTES];
	char status[16]; /* as told; "": it was not */
	bool same_timeline;
	bool same_run; /* no crash since: the id is still the transaction's own */
	unsigned tries;
	TAILQ_ENTRY(settlement) link; /* rpc::settlements */
};

static struct xact *xact_of(struct request *r)
{
	return r->lease ? lease_xact(r->lease) : &r->xact;
}

static bool writes(const struct request *r)
{
	for (size_t i = 0; i < r->n_texts; i++)
		if (!r->texts[i]->class.reads_only && r->texts[i]->class.verb == PG_VERB_NONE)
			return true;
	return false;
}

void settle_ask(struct request *r)
{
	struct pg_statement s = { .text = r->rpc->xact_text, .n_sets = 1 };

	if (!r->in_transaction || r->asked_xact || *xact_of(r)->id || !writes(r) ||
	    !pg_pool_runs_probe(r->pool->pg))
		return;
	r->asked_xact = true;
	if (pg_call_execute(&r->call, &s, TAG_XACT) == 0 && request_commits(r))
		pg_call_flush(&r->call);
}

void settle_hear(struct request *r, const struct pg_result *row)
{
	struct xact *x = xact_of(r);

	(void)snprintf(x->id, sizeof(x->id), "%s", pg_result_value(row, 0, 0));
	(void)snprintf(x->timeline, sizeof(x->timeline), "%s", pg_result_value(row, 0, 1));
	(void)snprintf(x->recovery, sizeof(x->recovery), "%s", pg_result_value(row, 0, 2));
}

bool settle_can(struct request *r)
{
	const struct failure *f = &r->failure;

	if (r->rpc->stopped || f->code != SIDEPOOL_E_CONNECTION_LOST ||
	    f->outcome != FAILURE_UNKNOWN || r->stream || r->is_simple || !request_commits(r) ||
	    (r->abandoned && !r->idempotency))
		return false;
	r->xact = *xact_of(r);
	return *r->xact.id != '\0';
}

/* ---- what PostgreSQL said ---- */

/*
 * Everything but the end had been answered; a COMMIT that was a statement of its own is made up,
 * unless only what comes behind its tag was lost.
 */
static bool make_up_answer(struct request *r)
{
	struct output_statement s = { .index = 0 };

	if (r->all_complete || (r->n_texts == 0 && r->completed))
		return true;
	if (r->n_texts > 1 || (r->n_texts == 1 && r->texts[0]->class.verb != PG_VERB_COMMIT))
		return false;
	output_tag(&r->output, &s, "COMMIT");
	return true;
}

static void set_committed(struct request *r)
{
	struct failure *f = &r->failure;

	if (make_up_answer(r)) {
		f->code = 0;
		f->outcome = FAILURE_OUTCOME_USUAL;
		return;
	}
	failure_set(f, SIDEPOOL_E_CONNECTION_LOST,
		    "the transaction was committed, but the connection to PostgreSQL was lost "
		    "before the answer to its statements came");
	f->outcome = FAILURE_UNKNOWN;
}

static void set_aborted(struct request *r)
{
	failure_set(&r->failure, SIDEPOOL_E_CONNECTION_LOST,
		    "the connection to PostgreSQL was lost, and the transaction was rolled back");
	r->failure.outcome = FAILURE_FAILED;
	r->failure.retryable = true;
}

static void conclude(struct settlement *s)
{
	struct request *r = s->r;

	if (s->same_timeline && s->same_run && !strcmp(s->status, "committed"))
		set_committed(r);
	else if (s->same_timeline && !strcmp(s->status, "aborted"))
		set_aborted(r);
	if (!r->answered)
		request_answer(r);
}

static void let_go(struct settlement *s)
{
	struct request *r = s->r;

	r->settlement = NULL;
	TAILQ_REMOVE(&r->rpc->settlements, s, link);
	free(s);
	request_unhold(r);
}

/* ---- asking ---- */

static const struct pg_call_ops call_ops;

static void ask(struct settlement *s)
{
	s->status[0] = '\0';
	pg_call_begin(s->task.conn, &s->call, &call_ops);
	if (s->tries++ > 0)
		(void)pg_call_execute_text(&s->call, "SELECT pg_catalog.pg_sleep(0.02)", 0);
	(void)pg_call_execute_text(&s->call, s->sql, TAG_STATUS);
	pg_call_end(&s->call);
}

static void on_rows(struct pg_call *call, uint32_t tag, uint32_t set, const struct pg_result *rows)
{
	struct settlement *s = container_of(call, struct settlement, call);

	(void)set;
	if (tag != TAG_STATUS)
		return;
	(void)snprintf(s->status, sizeof(s->status), "%s", pg_result_value(rows, 0, 0));
	s->same_timeline = !strcmp(pg_result_value(rows, 0, 1), "t");
	s->same_run = !strcmp(pg_result_value(rows, 0, 2), "t");
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct settlement *s = container_of(call, struct settlement, call);

	if (end == PG_END_SYNCED && s->same_timeline && s->same_run &&
	    !strcmp(s->status, "in progress") && s->tries < TRIES_MAX) {
		ask(s);
		return;
	}
	conclude(s);
	pg_task_finish(s->r->rpc->engine, &s->task);
}

static const struct pg_call_ops call_ops = {
	.on_rows = on_rows,
	/* No on_error: "transaction ID is in the future" is of another server, or was lost with its WAL. */
	.on_end = on_end,
};

static void on_granted(struct pg_task *task)
{
	ask(container_of(task, struct settlement, task));
}

static void on_refused(struct pg_task *task, enum refusal why, usec retry_after_us,
		       const char *reason)
{
	struct settlement *s = container_of(task, struct settlement, task);

	(void)why;
	(void)retry_after_us;
	(void)reason;
	conclude(s);
	let_go(s);
}

static void on_expired(struct pg_task *task)
{
	struct settlement *s = container_of(task, struct settlement, task);

	s->tries = TRIES_MAX;
	pg_task_cancel(s->r->rpc->engine, task);
}

/* Held up by a cancel for another, and not granted yet. */
static void on_lost(struct pg_task *task)
{
	struct settlement *s = container_of(task, struct settlement, task);

	pg_task_again(s->r->rpc->engine, task);
}

static void on_done(struct pg_task *task)
{
	let_go(container_of(task, struct settlement, task));
}

static const struct pg_task_ops task_ops = {
	.granted = on_granted,
	.refused = on_refused,
	.expired = on_expired,
	.lost = on_lost,
	.done = on_done,
};

#define TIMELINE                                                                                   \
	"CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.substr("                     \
	"pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END"

#define RECOVERY "coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, '')"

const char *settle_sql(void)
{
	return "SELECT pg_catalog.pg_current_xact_id_if_assigned(), " TIMELINE ", " RECOVERY;
}

/* Whoever still is at it is of the same role, as all connections of the pool are. */
static void write_sql(struct settlement *s, const struct xact *x)
{
	unsigned long long id = strtoull(x->id, NULL, 10);

	(void)snprintf(s->sql, sizeof(s->sql),
		       "SELECT pg_catalog.pg_xact_status('%llu'), t.same, r.same,"
		       " (SELECT count(pg_catalog.pg_terminate_backend(a.pid))"
		       " FROM pg_catalog.pg_stat_activity a WHERE t.same AND r.same"
		       " AND a.usename = current_user AND a.backend_xid = '%llu'::xid)"
		       " FROM (SELECT %s = '%s' AS same) t, (SELECT %s = '%s' AS same) r",
		       id, id & UINT32_MAX, TIMELINE, x->timeline, RECOVERY, x->recovery);
}

void settle_begin(struct request *r)
{
	struct settlement *s = calloc(1, sizeof(*s));
	const struct config *c = r->rpc->config;

	if (!s) {
		request_answer(r);
		return;
	}
	write_sql(s, &r->xact);
	s->r = r;
	r->settlement = s;
	TAILQ_INSERT_TAIL(&r->rpc->settlements, s, link);
	s->ticket = (struct ticket){
		.pool = pg_pool_core(r->pool->pg),
		.app = r->client ? r->client->application : r->rpc->fallback,
		.deadline = r->deadline,
		.acquire_deadline = usec_add(rpc_now(), c->timeouts.acquire_us),
	};
	s->task.ticket = &s->ticket;
	s->task.ops = &task_ops;
	s->task.exclusive = true;
	s->task.application = "sidepool";
	pg_task_submit(r->rpc->engine, &s->task);
}

void settle_stop(struct rpc *rpc)
{
	struct settlement *s, *next;

	rpc->stopped = true;
	for (s = TAILQ_FIRST(&rpc->settlements); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!pg_task_withdraw(rpc->engine, &s->task))
			continue; /* it is on a connection, and ends with that */
		conclude(s);
		let_go(s);
	}
}
