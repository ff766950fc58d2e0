/* SPDX-License-Identifier: MIT */
/*
 * What a request hears from PostgreSQL while its call runs, and what the end of the call means:
 * whether it is over, may run once more, or which of *not sent*, *failed* and *outcome unknown* it
 * was.
 */
#include <string.h>

#include "pg/result.h"
#include "pg/text.h"
#include "rpc/copy.h"
#include "rpc/count.h"
#include "rpc/lease.h"
#include "rpc/request.h"
#include "rpc/rpc-internal.h"
#include "rpc/statement-log.h"
#include "rpc/stream.h"

/* The statements of a simple query are those that PostgreSQL finds in its text, our BEGIN first. */
static struct output_statement statement_of(const struct request *r, uint32_t tag, uint32_t set)
{
	if (r->is_simple || tag >= r->n_texts)
		return (struct output_statement){ .index = r->is_simple ? tag - r->n_ahead : tag };
	return (struct output_statement){
		.index = tag,
		.set = r->messages[tag]->result_per_set ? set : 0,
		.statement_id = r->texts[tag]->id,
		.known_columns_id = r->messages[tag]->known_columns_id,
	};
}

/*
 * BEGIN, COMMIT and ROLLBACK of ours, which nobody asked to hear of; a Release has nothing else to
 * tell.
 */
static bool is_own(const struct request *r, uint32_t tag, const struct pg_result *result)
{
	const char *text = pg_result_tag(result);

	if (r->message->kind_case == SIDEPOOL__V1__REQUEST__KIND_RELEASE)
		return false;
	if (!r->is_simple)
		return tag >= TAG_OWN;
	return tag < r->n_ahead ||
	       (r->finishes_lease && (!strcmp(text, "COMMIT") || !strcmp(text, "ROLLBACK")));
}

static void on_rows(struct pg_call *call, uint32_t tag, uint32_t set, const struct pg_result *rows)
{
	struct request *r = container_of(call, struct request, call);
	struct output_statement s;

	if (tag == TAG_XACT)
		settle_hear(r, rows);
	if (tag >= TAG_OWN || r->dropping)
		return;
	s = statement_of(r, tag, set);
	output_rows(&r->output, &s, rows);
	if (output_bytes(&r->output) >= request_chunk_bytes(r))
		stream_chunk_full(r);
}

static void on_complete(struct pg_call *call, uint32_t tag, uint32_t set,
			const struct pg_result *result)
{
	struct request *r = container_of(call, struct request, call);
	struct output_statement s;

	r->completed |= tag < TAG_OWN || tag == TAG_FINISH;
	r->all_complete |= tag + 1 == r->n_texts && set + 1 == r->statements[tag].n_sets;
	if (is_own(r, tag, result) || r->dropping)
		return;
	s = statement_of(r, tag, set);
	output_complete(&r->output, &s, result);
}

static void on_error(struct pg_call *call, uint32_t tag, uint32_t set,
		     const struct pg_result *error)
{
	struct request *r = container_of(call, struct request, call);
	struct failure f = { .code = 0 };
	struct output_statement s;

	failure_set_sql(&f, error);
	/* A cancel may hit it; what follows is another transaction, and runs. */
	if (tag == PG_TAG_LABEL && !f.fatal) {
		failure_deinit(&f);
		return;
	}
	r->refused = true;
	r->setup_refused |= tag == TAG_BEGIN && !r->begins;
	f.statement_index = tag < TAG_OWN && tag >= r->n_ahead ? tag - r->n_ahead : 0;
	f.parameter_set_index = tag < TAG_OWN ? set : 0;
	if (r->each_for_itself && !f.fatal && tag < TAG_OWN) {
		s = statement_of(r, tag, set);
		output_failed(&r->output, &s, &f);
		count_failure(r, &f);
	} else {
		request_set_failure(r, &f);
	}
	failure_deinit(&f);
}

static void on_notice(struct pg_call *call, const struct pg_result *notice)
{
	struct request *r = container_of(call, struct request, call);

	output_notice(&r->output, notice);
}

static void on_copy(struct pg_call *call, const struct pg_result *ready, const char *data, size_t n)
{
	copy_on_data(container_of(call, struct request, call), ready, data, n);
}

static void on_flushed(struct pg_call *call)
{
	struct request *r = container_of(call, struct request, call);

	if (r->kind->sent)
		r->kind->sent(r);
}

/*
 * We ended it half-way. By the first row of a RETURNING everything is written, and PostgreSQL does
 * not look for a cancel before it has sent the rest: what it wrote may be there.
 */
static enum failure_outcome outcome_of_break_off(const struct request *r)
{
	bool wrote = r->n_texts != 1 || !r->texts[0]->class.reads_only || request_commits(r);

	return wrote && (!r->refused || r->each_for_itself) ? FAILURE_UNKNOWN : FAILURE_FAILED;
}

/* Nothing asked for a COMMIT: what it did went with its session. */
static bool is_undone(const struct request *r)
{
	return r->in_explicit && !r->is_simple && !request_commits(r);
}

static void set_undone(struct failure *f)
{
	failure_set(f, SIDEPOOL_E_CONNECTION_LOST,
		    "the connection to PostgreSQL was lost, and the transaction with it");
	f->outcome = FAILURE_FAILED;
}

/* Why we ended it, where we did. */
static bool set_ended_by_us(struct request *r)
{
	struct failure *f = &r->failure;

	if (r->stream && stream_timed_out(r->stream))
		failure_set(f, SIDEPOOL_E_FETCH_TIMEOUT, NULL);
	else if (r->timed_out)
		failure_set(f,
			    r->statement_timeout ? SIDEPOOL_E_STATEMENT_TIMEOUT
						 : SIDEPOOL_E_DEADLINE_EXCEEDED,
			    NULL);
	else if (r->lease && lease_close_code(r->lease))
		failure_set(f, lease_close_code(r->lease), NULL);
	else if (r->cancelled)
		failure_set(f, SIDEPOOL_E_CANCELLED, NULL);
	else
		return false;
	return true;
}

/* What the end of the connection, or a cancel, means for the request. */
static void judge(struct request *r, enum pg_end end)
{
	struct failure *f = &r->failure;
	bool self_commits = r->n_texts != 1 || r->texts[0]->class.self_commits;

	if (end == PG_END_NOT_SENT) {
		f->code = 0;
		failure_set(f, SIDEPOOL_E_CONNECTION_LOST,
			    "the connection to PostgreSQL was lost before the request was sent");
		f->outcome = FAILURE_NOT_SENT;
		f->retryable = true;
	} else if (end == PG_END_LOST && (!f->code || !f->fatal || r->completed || self_commits)) {
		/*
		 * A FATAL error before the statement was done ended its transaction with it;
		 * anything else is open.
		 */
		failure_set(f, SIDEPOOL_E_CONNECTION_LOST, NULL);
		f->outcome = FAILURE_UNKNOWN;
		if (is_undone(r))
			set_undone(f);
	}
	if (end == PG_END_SYNCED && r->broken_off)
		f->outcome = outcome_of_break_off(r);
	/* It came to its end before the cancel did, and rows of it were dropped by then. */
	if (end == PG_END_SYNCED && r->dropping && !f->code) {
		if (set_ended_by_us(r))
			f->outcome = outcome_of_break_off(r);
		return;
	}
	if (strcmp(f->sqlstate, "57014") != 0 && !(end == PG_END_LOST && r->timed_out))
		return;
	if (!set_ended_by_us(r))
		return;
	/*
	 * PostgreSQL said that it stopped; that outweighs what the code usually means. But where
	 * that was the lease's settings, which went ahead, the statements ran all the same.
	 */
	if (end == PG_END_SYNCED)
		f->outcome = r->setup_refused ? FAILURE_UNKNOWN : FAILURE_FAILED;
}

/* Once, and only where PostgreSQL has said that it did nothing: see the two reasons. */
static bool run_again(struct request *r, enum pg_end end)
{
	struct failure *f = &r->failure;
	bool untouched = output_bytes(&r->output) == 0 && !r->answered && !r->stream;

	if (end != PG_END_SYNCED || r->lease || r->n_texts != 1 || r->completed || !untouched)
		return false;
	/* A cancel meant for the statement ahead of it, which ended at the same moment. */
	if (!strcmp(f->sqlstate, "57014") && !r->timed_out && !r->cancelled &&
	    r->ticket.pipelined && !r->rerun)
		r->rerun = true;
	/* "cached plan must not change result type": a table was altered; it is planned anew. */
	else if (!strcmp(f->sqlstate, "0A000") && !r->plan_retried &&
		 strstr(f->message, "cached plan")) {
		r->plan_retried = true;
		pg_conn_unprepare(r->task.conn, r->texts[0]);
	} else {
		return false;
	}
	f->code = 0;
	f->sqlstate[0] = '\0';
	buf_reset(&f->sql, SIZE_MAX);
	r->kind->run(r);
	return true;
}

static void learn(struct request *r)
{
	struct rpc_pool *pool = r->pool;

	if (r->n_texts == 1 && !r->failure.code && !r->stream)
		pg_text_ran(r->texts[0], pg_task_run_us(&r->task), r->output.bytes_total);
	pool->queries_total++;
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct request *r = container_of(call, struct request, call);

	if (run_again(r, end))
		return;
	judge(r, end);
	count_ran(r);
	statement_log_tell(r);
	if (!r->lease)
		learn(r);
	request_end(r);
}

const struct pg_call_ops request_call_ops = {
	.on_rows = on_rows,
	.on_complete = on_complete,
	.on_error = on_error,
	.on_notice = on_notice,
	.on_copy = on_copy,
	.on_flushed = on_flushed,
	.on_end = on_end,
};
