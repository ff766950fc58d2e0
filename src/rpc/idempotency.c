/* SPDX-License-Identifier: MIT */
/*
 * One entry for each (uid, key). It is made when the first request with the key comes, and then
 *
 *	RUNNING: whoever repeats it waits, until its own deadline. If the first comes to nothing (*not sent*), the next one in line
 *	         becomes the first.
 *	KEPT:    the answer is given again, for as long as idempotency_ttl and idempotency_max_bytes allow.
 *
 * A request that was *not sent* leaves no entry: repeating it is what the client should do. An
 * unknown outcome is kept like any answer, because running it again is just what the key is to
 * prevent.
 *
 * What makes two requests the same is a 128-bit hash over kind, statements and parameters; deadline
 * and call site may differ.
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
	struct request *running;     /* borrowed; NULL once the answer is kept */
	struct request_list waiting; /* by request::on_idempotency */
	uint8_t *answer;             /* owned */
	size_t answer_len;
	usec expires;
	UT_hash_handle hh;
	TAILQ_ENTRY(idempotency) link; /* idempotency_table::running, or ::kept, the oldest first */
};

TAILQ_HEAD(idempotency_list, idempotency);

struct idempotency_table {
	struct idempotency *entries;
	struct idempotency_list running;
	struct idempotency_list kept;
	size_t bytes;
	uv_timer_t timer; /* for the next deadline of one that waits */
	usec wakeup;
};

int idempotency_new(struct idempotency_table **ret_table, uv_loop_t *loop)
{
	struct idempotency_table *t = calloc(1, sizeof(*t));

	if (!t)
		return err_raise(-ENOMEM);
	TAILQ_INIT(&t->running);
	TAILQ_INIT(&t->kept);
	t->wakeup = USEC_NEVER;
	(void)uv_timer_init(loop, &t->timer);
	uv_unref((uv_handle_t *)&t->timer);
	*ret_table = t;
	return 0;
}

static void drop(struct idempotency_table *t, struct idempotency *e)
{
	TAILQ_REMOVE(e->running ? &t->running : &t->kept, e, link);
	if (!e->running)
		t->bytes -= e->answer_len + ENTRY_OVERHEAD_BYTES;
	HASH_DELETE(hh, t->entries, e);
	free(e->answer);
	free(e);
}

static void on_closed(uv_handle_t *timer)
{
	free(container_of((uv_timer_t *)timer, struct idempotency_table, timer));
}

struct idempotency_table *idempotency_free(struct idempotency_table *t)
{
	if (!t)
		return NULL;
	while (t->entries)
		drop(t, t->entries);
	uv_close((uv_handle_t *)&t->timer, on_closed);
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

static void mix_options(const struct request *r, uint64_t hash[2])
{
	const Sidepool__V1__Batch *b = r->message->batch;
	const Sidepool__V1__TransactionOptions *o =
		r->taking_lease ? r->lease_options->transaction : NULL;
	bool begin = r->taking_lease && r->lease_options->begin;

	if (r->message->kind_case == SIDEPOOL__V1__REQUEST__KIND_BATCH) {
		mix(hash, &b->atomic, sizeof(b->atomic));
		o = b->transaction ? b->transaction : o;
	}
	mix(hash, &begin, sizeof(begin));
	if (!o)
		return;
	mix(hash, &o->isolation, sizeof(o->isolation));
	mix(hash, &o->read_only, sizeof(o->read_only));
	mix(hash, &o->deferrable, sizeof(o->deferrable));
}

static void hash_request(const struct request *r, uint64_t hash[2])
{
	hash[0] = UINT64_C(0xcbf29ce484222325);
	hash[1] = 1;
	mix(hash, &r->message->kind_case, sizeof(r->message->kind_case));
	mix(hash, &r->message->finish, sizeof(r->message->finish));
	mix(hash, r->message->pool, strlen(r->message->pool));
	mix_options(r, hash);
	for (size_t i = 0; i < r->n_texts; i++) {
		const struct pg_statement *s = &r->statements[i];

		mix(hash, &s->text->sql_bytes, sizeof(s->text->sql_bytes));
		mix(hash, s->text->sql, s->text->sql_bytes);
		mix(hash, s->text->types, s->text->n_types * sizeof(*s->text->types));
		mix(hash, &s->n_params, sizeof(s->n_params));
		mix(hash, &s->n_sets, sizeof(s->n_sets));
		mix(hash, &s->result_format, sizeof(s->result_format));
		mix(hash, &r->messages[i]->result_per_set, sizeof(r->messages[i]->result_per_set));
		mix(hash, &r->messages[i]->simple, sizeof(r->messages[i]->simple));
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

/* It ran, and must not run again; what came of it there was no memory to keep. */
static void fail_unkept(struct request *r)
{
	r->failure.outcome = FAILURE_UNKNOWN;
	request_fail(
		r, SIDEPOOL_E_OUT_OF_MEMORY,
		"there was no memory to keep the answer to the first request with this idempotency_key");
}

static bool begin(struct request *r, const struct idempotency_key *key, const uint64_t hash[2])
{
	struct idempotency *e = calloc(1, sizeof(*e));

	if (e) {
		e->key = *key;
		HASH_ADD(hh, r->rpc->idempotency->entries, key, sizeof(e->key), e);
	}
	if (!e || !hash_took(e, hh)) {
		free(e);
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		return false;
	}
	memcpy(e->hash, hash, sizeof(e->hash));
	e->running = r;
	TAILQ_INIT(&e->waiting);
	TAILQ_INSERT_TAIL(&r->rpc->idempotency->running, e, link);
	r->idempotency = e;
	return true;
}

static void wake_at(struct idempotency_table *t, usec deadline);

/* What it asked for may be done yet, by the first: only that one knows. */
static void expire_waiting(struct request *r)
{
	idempotency_forget(r);
	r->failure.outcome = FAILURE_UNKNOWN;
	request_fail(r, SIDEPOOL_E_DEADLINE_EXCEEDED,
		     "the first request with this idempotency_key was not done by the deadline");
}

static void on_timer(uv_timer_t *timer)
{
	struct idempotency_table *t = container_of(timer, struct idempotency_table, timer);
	struct idempotency *e;
	struct request *r, *next;
	usec now = rpc_now();

	t->wakeup = USEC_NEVER;
	TAILQ_FOREACH (e, &t->running, link) {
		for (r = TAILQ_FIRST(&e->waiting); r; r = next) {
			next = TAILQ_NEXT(r, on_idempotency);
			if (r->deadline <= now)
				expire_waiting(r);
			else
				wake_at(t, r->deadline);
		}
	}
}

static void wake_at(struct idempotency_table *t, usec deadline)
{
	if (deadline >= t->wakeup)
		return;
	t->wakeup = deadline;
	(void)uv_timer_start(&t->timer, on_timer,
			     (usec_sub(deadline, rpc_now()) + USEC_PER_MS - 1) / USEC_PER_MS, 0);
}

bool idempotency_admit(struct request *r)
{
	struct idempotency_table *t = r->rpc->idempotency;
	struct idempotency_key key;
	struct idempotency *e;
	uint64_t hash[2];

	if (r->message->idempotency_key.len == 0)
		return true;
	if (r->n_texts == 0 || (r->lease && !r->taking_lease) ||
	    (r->taking_lease && !r->finishes_lease)) {
		request_fail(
			r, SIDEPOOL_E_INVALID_ARGUMENT,
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
		wake_at(t, r->deadline);
	} else if (e->answer) {
		answer_again(r, e);
	} else {
		fail_unkept(r);
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

/* Nothing has been run: who is next in line is the first now. */
static bool take_over(struct idempotency *e)
{
	struct request *next = TAILQ_FIRST(&e->waiting);

	if (!next)
		return false;
	idempotency_forget(next);
	e->running = next;
	next->idempotency = e;
	request_submit_admitted(next);
	return true;
}

void idempotency_answered(struct request *r, const uint8_t *body, size_t len)
{
	struct idempotency_table *t = r->rpc->idempotency;
	struct idempotency *e = steal(&r->idempotency);
	bool ran = !(r->failure.code && failure_outcome_of(&r->failure) == FAILURE_NOT_SENT);
	struct request *waiting;

	if (!ran && take_over(e))
		return;
	if (body)
		e->answer = malloc(len);
	if (body && e->answer) {
		memcpy(e->answer, body, len);
		e->answer_len = len;
	}
	while ((waiting = TAILQ_FIRST(&e->waiting))) {
		idempotency_forget(waiting);
		if (e->answer)
			answer_again(waiting, e);
		else
			fail_unkept(waiting);
	}
	TAILQ_REMOVE(&t->running, e, link);
	e->running = NULL;
	e->expires = usec_add(rpc_now(), r->rpc->config->idempotency_ttl_us);
	t->bytes += e->answer_len + ENTRY_OVERHEAD_BYTES;
	TAILQ_INSERT_TAIL(&t->kept, e, link);
	if (!ran)
		drop(t, e);
}
