/* SPDX-License-Identifier: MIT */
/*
 * One entry for each (uid, key). It is made when the first request with the key comes, and then
 *
 *	RUNNING: whoever repeats it waits.
 *	KEPT:    the answer is given again, for as long as idempotency_ttl and idempotency_max_bytes allow.
 *
 * A request that was *not sent* leaves no entry: repeating it is what the client should do. An unknown outcome is kept like any
 * answer, because running it again is just what the key is to prevent.
 *
 * What makes two requests the same is a 128-bit hash over kind, statements and parameters; deadline and call site may differ.
 */
#include "rpc/idempotency.h"

#include <stdlib.h>
#include <string.h>

#include "pg/text.h"
#include "rpc/rpc-internal.h"
#include "util/error.h"

enum {
	ENTRY_OVERHEAD_BYTES = 400,
};

struct idempotency_key {
	uint32_t uid;
	uint32_t len;
	uint8_t bytes[256];
};

struct idempotency {
	struct idempotency_key key;
	uint64_t hash[2];
	struct request *running;      /* borrowed; NULL once the answer is kept */
	struct request_list waiting;  /* by request::on_idempotency */
	uint8_t *answer;              /* owned */
	size_t answer_len;
	usec expires;
	UT_hash_handle hh;
	TAILQ_ENTRY(idempotency) link; /* idempotency_table::kept, the oldest first */
};

struct idempotency_table {
	struct idempotency *entries;
	TAILQ_HEAD(, idempotency) kept;
	size_t bytes;
};

int idempotency_new(struct idempotency_table **ret_table)
{
	struct idempotency_table *t = calloc(1, sizeof(*t));

	if (!t)
		return err_raise(-ENOMEM);
	TAILQ_INIT(&t->kept);
	*ret_table = t;
	return 0;
}

static void drop(struct idempotency_table *t, struct idempotency *e)
{
	if (!e->running) {
		TAILQ_REMOVE(&t->kept, e, link);
		t->bytes -= e->answer_len + ENTRY_OVERHEAD_BYTES;
	}
	HASH_DELETE(hh, t->entries, e);
	free(e->answer);
	free(e);
}

struct idempotency_table *idempotency_free(struct idempotency_table *t)
{
	if (!t)
		return NULL;
	while (t->entries)
		drop(t, t->entries);
	free(t);
	return NULL;
}

static void expire(struct idempotency_table *t, usec now, size_t limit_bytes)
{
	struct idempotency *e;

	while ((e = TAILQ_FIRST(&t->kept)) && (e->expires <= now || t->bytes > limit_bytes))
		drop(t, e);
}

static void mix(uint64_t hash[2], const void *data, size_t n)
{
	const uint8_t *p = data;

	for (; n > 0; n--, p++) {
		hash[0] = (hash[0] ^ *p) * UINT64_C(0x100000001b3);
		hash[1] = (hash[1] + *p) * UINT64_C(0x9e3779b97f4a7c15);
		hash[1] ^= hash[1] >> 32;
	}
}

static void hash_request(const struct request *r, uint64_t hash[2])
{
	hash[0] = UINT64_C(0xcbf29ce484222325);
	hash[1] = 1;
	mix(hash, &r->message->kind_case, sizeof(r->message->kind_case));
	mix(hash, &r->message->finish, sizeof(r->message->finish));
	mix(hash, r->message->pool, strlen(r->message->pool));
	for (size_t i = 0; i < r->n_texts; i++) {
		const struct pg_statement *s = &r->statements[i];

		mix(hash, &s->text->sql_bytes, sizeof(s->text->sql_bytes));
		mix(hash, s->text->sql, s->text->sql_bytes);
		mix(hash, s->text->types, s->text->n_types * sizeof(*s->text->types));
		mix(hash, &s->n_params, sizeof(s->n_params));
		mix(hash, &s->n_sets, sizeof(s->n_sets));
		mix(hash, s->formats, s->n_formats * sizeof(*s->formats));
		mix(hash, s->params, s->params_bytes);
	}
}

static void fill_key(const struct request *r, struct idempotency_key *key)
{
	memset(key, 0, sizeof(*key));
	key->uid = r->client->facts.uid;
	key->len = (uint32_t)r->message->idempotency_key.len;
	memcpy(key->bytes, r->message->idempotency_key.data, key->len);
}

static void answer_again(struct request *r, const struct idempotency *e)
{
	sp_reply(r->conn, &r->id, e->answer, e->answer_len);
	r->answered = true;
	request_unhold(r);
}

static bool begin(struct request *r, const struct idempotency_key *key, const uint64_t hash[2])
{
	struct idempotency *e = calloc(1, sizeof(*e));

	if (!e) {
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		return false;
	}
	e->key = *key;
	memcpy(e->hash, hash, sizeof(e->hash));
	e->running = r;
	TAILQ_INIT(&e->waiting);
	HASH_ADD(hh, r->rpc->idempotency->entries, key, sizeof(e->key), e);
	r->idempotency = e;
	return true;
}

bool idempotency_admit(struct request *r)
{
	struct idempotency_table *t = r->rpc->idempotency;
	struct idempotency_key key;
	struct idempotency *e;
	uint64_t hash[2];

	if (r->message->idempotency_key.len == 0)
		return true;
	if (r->n_texts == 0 || (r->lease && !r->taking_lease) || (r->taking_lease && !r->finishes_lease)) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "an idempotency_key is for queries and batches that are over with their answer");
		return false;
	}
	expire(t, rpc_now(), r->rpc->config->idempotency_max_bytes);
	fill_key(r, &key);
	hash_request(r, hash);
	HASH_FIND(hh, t->entries, &key, sizeof(key), e);
	if (!e)
		return begin(r, &key, hash);
	if (memcmp(e->hash, hash, sizeof(hash)) != 0) {
		request_fail(r, SIDEPOOL_E_IDEMPOTENCY_MISMATCH, NULL);
	} else if (e->running) {
		r->state = REQUEST_WAITING;
		r->repeats = e;
		TAILQ_INSERT_TAIL(&e->waiting, r, on_idempotency);
	} else {
		answer_again(r, e);
	}
	return false;
}

void idempotency_forget(struct request *r)
{
	if (!r->repeats)
		return;
	TAILQ_REMOVE(&r->repeats->waiting, r, on_idempotency);
	r->repeats = NULL;
}

void idempotency_answered(struct request *r, const uint8_t *body, size_t len)
{
	struct idempotency_table *t = r->rpc->idempotency;
	struct idempotency *e = steal(&r->idempotency);
	bool keep = body && !(r->failure.code && failure_outcome_of(&r->failure) == FAILURE_NOT_SENT);
	struct request *waiting;

	if (body)
		e->answer = malloc(len);
	if (e->answer) {
		memcpy(e->answer, body, len);
		e->answer_len = len;
	}
	while ((waiting = TAILQ_FIRST(&e->waiting))) {
		idempotency_forget(waiting);
		if (e->answer)
			answer_again(waiting, e);
		else
			request_fail(waiting, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
	}
	e->running = NULL;
	e->expires = usec_add(rpc_now(), r->rpc->config->idempotency_ttl_us);
	t->bytes += e->answer_len + ENTRY_OVERHEAD_BYTES;
	TAILQ_INSERT_TAIL(&t->kept, e, link);
	if (!keep || !e->answer)
		drop(t, e);
}
