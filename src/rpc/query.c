/* SPDX-License-Identifier: MIT */
/* Query: one statement, on any connection or on a lease. */
#include "pg/text.h"
#include "rpc/kinds.h"
#include "rpc/lease.h"
#include "rpc/rpc-internal.h"
#include "rpc/statement.h"

static void run(struct request *r)
{
	request_begin_call(r);
	(void)request_execute(r, 0); /* it has one set */
	request_end_call(r);
}

static const struct request_kind query_kind = {
	.name = "query",
	.run = run,
};

/*
 * Several statements in one text: only the simple protocol takes them. The lease is given what they
 * leave behind at once.
 */
static void run_simple(struct request *r)
{
	request_run_simple(r, r->texts[0]->sql, r->texts[0]->class.touch);
}

static const struct request_kind simple_kind = {
	.name = "simple query",
	.run = run_simple,
};

void query_handle(struct request *r)
{
	Sidepool__V1__Query *m = r->message->query;
	bool simple = m->statement && m->statement->simple;

	if (!m->statement) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "query.statement is missing");
		return;
	}
	if (!lease_resolve(r))
		return;
	if (simple && !r->lease && !r->taking_lease) {
		request_fail(r, SIDEPOOL_E_SESSION_REQUIRED,
			     "simple is for leases: several statements may change the session");
		return;
	}
	if (simple && m->statement->parameter_count > 0) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "a simple query has no parameters");
		return;
	}
	if (m->statement->parameter_sets > 1) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "parameter_sets is for batches");
		return;
	}
	r->chunk_bytes = m->chunk_bytes;
	if (statements_take(r, &m->statement, 1,
			    r->lease || r->taking_lease ? STATEMENT_LEASED : STATEMENT_ALONE))
		request_submit(r, simple ? &simple_kind : &query_kind);
}
