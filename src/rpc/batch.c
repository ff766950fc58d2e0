/* SPDX-License-Identifier: MIT */
/*
 * Batch: several statements in one round trip to PostgreSQL. Without a Sync between them the
 * statements of a pipeline are one implicit transaction, which is all that an atomic batch needs
 * (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html#LIBPQ-PIPELINE-ERRORS). BEGIN
 * and COMMIT are added where a statement might commit by itself, which PostgreSQL refuses only in
 * an explicit transaction, and where options are asked for.
 */
#include "pg/text.h"
#include "rpc/kinds.h"
#include "rpc/lease.h"
#include "rpc/rpc-internal.h"
#include "rpc/statement.h"

enum {
	STATEMENTS_MAX = 10000,
};

static bool needs_begin(const struct request *r)
{
	const Sidepool__V1__Batch *m = r->message->batch;

	if (r->lease || r->taking_lease || !m->atomic)
		return false;
	if (m->transaction)
		return true;
	for (size_t i = 0; i < r->n_texts; i++)
		if (r->texts[i]->class.self_commits)
			return true;
	return false;
}

static void finish(struct request *r)
{
	if (r->batch_begins) {
		settle_ask(r);
		(void)pg_call_execute_text(&r->call, "COMMIT", TAG_FINISH);
	}
	request_end_call(r);
}

static void end_statement(struct request *r)
{
	if (r->each_for_itself && r->next > 0)
		pg_call_sync(&r->call);
}

/* Until there is enough for one turn of the loop, or the end. */
static void go_on(struct request *r)
{
	while (r->next < r->n_texts) {
		if (pg_call_pauses(&r->call))
			return;
		end_statement(r);
		if (!request_execute(r, r->next++))
			return;
	}
	end_statement(r);
	finish(r);
}

static void sent(struct request *r)
{
	if (!r->call.ended)
		go_on(r);
}

static void run(struct request *r)
{
	if (r->lease && r->each_for_itself &&
	    (pg_conn_transaction(request_task(r)->conn) != 'I' || lease_is_to_begin(r->lease))) {
		failure_set(&r->failure, SIDEPOOL_E_INVALID_ARGUMENT,
			    "in a transaction a batch must be atomic");
		request_end(r);
		return;
	}
	r->batch_begins = needs_begin(r);
	r->next = 0;
	request_begin_call(r);
	if (r->batch_begins)
		(void)pg_call_execute_text(
			&r->call, lease_begin_sql(r, r->message->batch->transaction), TAG_BEGIN);
	go_on(r);
}

static const struct request_kind batch_kind = {
	.name = "batch",
	.run = run,
	.sent = sent,
};

void batch_handle(struct request *r)
{
	Sidepool__V1__Batch *m = r->message->batch;

	if (m->n_statements == 0 || m->n_statements > STATEMENTS_MAX) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "a batch has 1 to %d statements, not %zu", STATEMENTS_MAX,
			     m->n_statements);
		return;
	}
	if (!lease_resolve(r))
		return;
	if (m->transaction && (!m->atomic || r->lease || r->taking_lease)) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "batch.transaction is for atomic batches that are on no lease");
		return;
	}
	r->each_for_itself = !m->atomic;
	r->exclusive = true;
	r->chunk_bytes = m->chunk_bytes;
	if (!statements_take(r, m->statements, m->n_statements,
			     r->lease || r->taking_lease ? STATEMENT_LEASED : STATEMENT_ALONE))
		return;
	r->pool->batches_total++;
	request_submit(r, &batch_kind);
}
