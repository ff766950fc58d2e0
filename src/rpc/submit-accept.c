/* SPDX-License-Identifier: MIT */
/* A Submit on its way into the queue: checked, written into the journal where there is one, answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/idempotency.h"
#include "rpc/kinds.h"
#include "rpc/lease.h"
#include "rpc/statement.h"
#include "rpc/submit-internal.h"
#include "rpc/submit-journal.h"

enum {
	STATEMENTS_MAX = 10000,
	RETRY_FULL_SEC = 1,
	FLOW_BYTES = 2 * SUBMIT_NAME_BYTES + 2,
};

static void write_flow(const struct submit_record *r, char flow[static FLOW_BYTES])
{
	(void)snprintf(flow, FLOW_BYTES, "%s/%s", r->pool, r->share);
}

static void refuse(struct request *r, enum sidepool_error_code code, const char *message)
{
	r->pool->submits.refused_total++;
	r->failure.retry_after_us =
		code == SIDEPOOL_E_QUEUE_FULL ? RETRY_FULL_SEC * USEC_PER_SEC : 0;
	request_fail(r, code, message ? "%s" : NULL, message);
}

static void reply(struct request *r, uint64_t id, bool journaled)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__SubmitReply m = SIDEPOOL__V1__SUBMIT_REPLY__INIT;
	uint8_t *at;
	size_t n;

	m.submission_id = id;
	m.journaled = journaled;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_SUBMIT;
	response.submit = &m;
	r->state = REQUEST_ENDED;
	n = sidepool__v1__response__get_packed_size(&response);
	at = arena_alloc(&r->arena, n);
	if (at) {
		(void)sidepool__v1__response__pack(&response, at);
		sp_reply(r->conn, &r->id, at, n);
	} else {
		sp_request_drop(r->conn, &r->id);
	}
	r->answered = true;
	if (r->idempotency)
		idempotency_answered(r, at, at ? n : 0);
	request_unhold(r);
}

/* Statements in full: their ids are not known for long. */
static size_t pack_request(struct request *r, uint8_t **ret_bytes)
{
	Sidepool__V1__Request m = SIDEPOOL__V1__REQUEST__INIT;
	size_t n;

	for (size_t i = 0; i < r->n_texts; i++) {
		Sidepool__V1__Statement *s = r->message->submit->statements[i];

		s->statement_id = 0;
		s->sql.data = (uint8_t *)r->texts[i]->sql;
		s->sql.len = r->texts[i]->sql_bytes;
		s->parameter_types = r->texts[i]->types;
		s->n_parameter_types = r->texts[i]->n_types;
	}
	m.call_site = r->message->call_site;
	m.traceparent = r->message->traceparent;
	m.kind_case = SIDEPOOL__V1__REQUEST__KIND_SUBMIT;
	m.submit = r->message->submit;
	n = sidepool__v1__request__get_packed_size(&m);
	*ret_bytes = arena_alloc(&r->arena, n);
	return *ret_bytes ? sidepool__v1__request__pack(&m, *ret_bytes) : 0;
}

static uint64_t expires_ms(const struct request *r, uint64_t wall)
{
	uint32_t asked = r->message->submit->try_ms;
	usec usual = r->rpc->config->submit_timeout_us;

	if (asked)
		return wall + asked;
	return usual == USEC_NEVER ? 0 : wall + MAX(usual / USEC_PER_MS, 1U);
}

static struct submitted *make(struct request *r)
{
	struct submits *s = r->rpc->submits;
	const ProtobufCBinaryData *key = &r->message->submit->key;
	struct submit_record record = { .accepted_ms = submit_wall_clock_ms(),
					.uid = r->client->facts.uid,
					.pid = (uint32_t)r->client->facts.pid };
	struct submitted *w;
	uint8_t *packed;

	record.id = s->last_id + 1;
	record.expires_ms = expires_ms(r, record.accepted_ms);
	(void)snprintf(record.application, sizeof(record.application), "%s", r->client->name);
	(void)snprintf(record.share, sizeof(record.share), "%.63s", r->client->application->name);
	(void)snprintf(record.pool, sizeof(record.pool), "%.63s", r->pool->config->name);
	record.request_bytes = pack_request(r, &packed);
	record.request = packed;
	w = packed ? submitted_new(s, &record) : NULL;
	if (!w)
		return NULL;
	w->key_bytes = (uint8_t)key->len;
	if (key->len > 0)
		memcpy(w->key, key->data, key->len);
	w->n_statements = r->n_texts;
	s->last_id++;
	return w;
}

int submitted_enqueue(struct submitted *w)
{
	char flow[FLOW_BYTES];
	int r;

	write_flow(&w->record, flow);
	r = submit_queue_add(&w->submits->queue, &w->queued, flow, w->key, w->key_bytes);
	if (r < 0)
		return r;
	w->counts->waiting++;
	w->counts->bytes += w->queued.bytes;
	return 0;
}

void submitted_dequeue(struct submitted *w)
{
	if (w->queued.state == SUBMISSION_RUNNING)
		w->counts->running--;
	else
		w->counts->waiting--;
	w->counts->bytes -= w->queued.bytes;
	submit_queue_remove(&w->submits->queue, &w->queued);
}

void submits_entered(struct submitted *w, const char *why, bool certain)
{
	struct submits *s = w->submits;
	struct request *r = steal(&w->request);

	TAILQ_REMOVE(&s->entering, w, link);
	s->n_entering--;
	s->bytes_entering -= w->queued.bytes;
	if (r)
		r->submitted = NULL;
	if (!why && submitted_enqueue(w) < 0)
		why = "the daemon has no memory for it";
	if (!why) {
		w->counts->accepted_total++;
		if (r)
			reply(r, w->record.id, true);
		return;
	}
	if (r) {
		r->failure.outcome = certain ? FAILURE_NOT_SENT : FAILURE_UNKNOWN;
		refuse(r, SIDEPOOL_E_JOURNAL_FAILED, why);
	}
	(void)submitted_free(w);
}

static void enter(struct submits *s, struct request *r, struct submitted *w)
{
	TAILQ_INSERT_TAIL(&s->entering, w, link);
	s->n_entering++;
	s->bytes_entering += w->queued.bytes;
	w->request = r;
	r->submitted = w;
	r->state = REQUEST_WAITING;
	submit_journal_enter(s->journal, w);
}

static bool has_room(struct request *r)
{
	static const char *const messages[] = {
		[SUBMIT_E_FULL] = "submit_queue_size submitted writes wait already",
		[SUBMIT_E_BYTES] = "submitted writes take submit_queue_bytes already",
		[SUBMIT_E_SHARE] =
			"submitted writes of this application take half of submit_queue_size or submit_queue_bytes already",
	};
	struct submits *s = r->rpc->submits;
	struct submit_record record = { .id = 0 };
	size_t n = 0;
	char flow[FLOW_BYTES];
	int err;

	(void)snprintf(record.share, sizeof(record.share), "%.63s", r->client->application->name);
	(void)snprintf(record.pool, sizeof(record.pool), "%.63s", r->pool->config->name);
	write_flow(&record, flow);
	for (size_t i = 0; i < r->n_texts; i++)
		n += r->texts[i]->sql_bytes + r->statements[i].params_bytes;
	n += sizeof(struct submitted);
	err = submit_queue_admits(&s->queue, flow, n, s->n_entering, s->bytes_entering);
	if (err != 0)
		refuse(r, SIDEPOOL_E_QUEUE_FULL, messages[err]);
	return err == 0;
}

static void on_admitted(struct request *r)
{
	struct submits *s = r->rpc->submits;
	struct submitted *w;

	if (!has_room(r))
		return;
	w = make(r);
	if (!w) {
		refuse(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
	} else if (s->journal) {
		enter(s, r, w);
	} else if (submitted_enqueue(w) < 0) {
		(void)submitted_free(w);
		refuse(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
	} else {
		w->counts->accepted_total++;
		reply(r, w->record.id, false);
		submits_look(s->rpc);
	}
}

static const struct request_kind submit_kind = {
	.name = "submit",
	.admitted = on_admitted,
};

/* What can be told without looking at the statements. */
static bool check(struct request *r)
{
	const Sidepool__V1__Submit *m = r->message->submit;
	const char *wrong = NULL;

	if (r->message->lease || r->message->acquire || r->message->finish)
		wrong = "submit is on no lease, and takes none";
	else if (m->n_statements == 0 || m->n_statements > STATEMENTS_MAX)
		wrong = "submit has 1 to 10000 statements";
	else if (m->key.len > SUBMIT_KEY_MOST)
		wrong = "submit.key has at most 255 bytes";
	if (wrong)
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "%s", wrong);
	else if (r->rpc->config->submit_queue_size == 0)
		request_fail(r, SIDEPOOL_E_UNSUPPORTED, "submit_queue_size is 0");
	else if (r->client->config->read_only)
		request_fail(r, SIDEPOOL_E_READ_ONLY, NULL);
	else
		return true;
	return false;
}

void submit_handle(struct request *r)
{
	const Sidepool__V1__Submit *m = r->message->submit;

	if (check(r) && lease_resolve(r) &&
	    statements_take(r, m->statements, m->n_statements, STATEMENT_ALONE))
		request_submit(r, &submit_kind);
}

bool submit_forget(struct request *r)
{
	bool waited = r->submitted != NULL;

	if (waited)
		r->submitted->request = NULL;
	r->submitted = NULL;
	return waited;
}
