/* SPDX-License-Identifier: MIT */
/*
 * Each request takes three bytes: its kind, what goes with it, and a number. A write has a number
 * of its own in its text, so that it can be followed to where it takes effect.
 */
#include "fake-requests.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fake-client.h"
#include "fake-pq.h"
#include "fuzz.h"
#include "util/macro.h"

enum with {
	WITH_DEADLINE = 1,
	WITH_LEASE = 2,
	WITH_ACQUIRE = 4,
	WITH_COMMIT = 8,
	WITH_ROLLBACK = 16,
	WITH_KEY = 32,
	WITH_HALF = 64,
	WITH_PARAMETER = 128,
};

enum {
	STATEMENTS_MOST = 4,
	TEXT_BYTES = 64,
};

/* All that a request may consist of, in one place, so that nothing is allocated. */
struct making {
	Sidepool__V1__Request m;
	unsigned with, n;
	int write;
	char text[STATEMENTS_MOST][TEXT_BYTES];
	char key[sizeof("q4294967295")];
	uint8_t parameter[5];
	Sidepool__V1__Statement statements[STATEMENTS_MOST];
	Sidepool__V1__Statement *list[STATEMENTS_MOST];
	Sidepool__V1__LeaseRef lease;
	Sidepool__V1__LeaseOptions options;
	union {
		Sidepool__V1__Query query;
		Sidepool__V1__Batch batch;
		Sidepool__V1__Fetch fetch;
		Sidepool__V1__Lease take_lease;
		Sidepool__V1__Release release;
		Sidepool__V1__Renew renew;
		Sidepool__V1__Cancel cancel;
		Sidepool__V1__Hello hello;
		Sidepool__V1__CopyIn copy_in;
		Sidepool__V1__CopyData copy_data;
		Sidepool__V1__CopyOut copy_out;
		Sidepool__V1__Listen listen;
		Sidepool__V1__Unlisten unlisten;
		Sidepool__V1__Status status;
		Sidepool__V1__Health health;
		Sidepool__V1__Ping ping;
		Sidepool__V1__Admin admin;
		Sidepool__V1__Submit submit;
	};
	Sidepool__V1__PoolCommand pool;
	Sidepool__V1__BreakerCommand breaker;
	Sidepool__V1__RevokeLease revoke;
	Sidepool__V1__KillApplication kill;
};

static unsigned last_write;

void requests_reset(void)
{
	last_write = 0;
}

static ProtobufCBinaryData bytes_of(char *text)
{
	return (ProtobufCBinaryData){ strlen(text), (uint8_t *)text };
}

/* ---- statements ---- */

static void write_insert(struct making *k, char *text)
{
	if (last_write + 1 >= FAKE_WRITES_N) {
		(void)snprintf(text, TEXT_BYTES, "SELECT n");
		return;
	}
	(void)snprintf(text, TEXT_BYTES, "INSERT %u.", ++last_write);
	k->write = (int)last_write;
}

static Sidepool__V1__Statement *statement(struct making *k, size_t i, unsigned what)
{
	static const char *const texts[] = { "SELECT n",
					     NULL,
					     "BEGIN",
					     "COMMIT",
					     "ROLLBACK",
					     "SET x = 1",
					     "LISTEN ch",
					     "SELECT f()",
					     "CREATE TEMP TABLE t ()",
					     "DISCARD ALL",
					     "PREPARE p AS SELECT 1",
					     "ALTER TABLE t ADD c int" };
	Sidepool__V1__Statement *s = &k->statements[i];
	const char *text = texts[what % ARRAY_LEN(texts)];

	sidepool__v1__statement__init(s);
	if (text)
		(void)snprintf(k->text[i], TEXT_BYTES, "%s", text);
	else
		write_insert(k, k->text[i]);
	if (k->with & WITH_PARAMETER) {
		memcpy(k->parameter, "\1\0\0\0x", sizeof(k->parameter));
		s->parameter_count = 1;
		s->parameters.data = k->parameter;
		s->parameters.len = sizeof(k->parameter);
	}
	s->sql = bytes_of(k->text[i]);
	k->list[i] = s;
	return s;
}

static void make_query(struct making *k, unsigned what, uint32_t chunk_bytes)
{
	sidepool__v1__query__init(&k->query);
	k->query.statement = statement(k, 0, what);
	k->query.chunk_bytes = chunk_bytes;
	k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_QUERY;
	k->m.query = &k->query;
}

static void make_simple(struct making *k)
{
	static const char *const texts[] = { "SELECT 1;COPY t TO STDOUT", "INSERT 250;SELECT n",
					     "BEGIN;SELECT n", "COPY t FROM STDIN;SELECT 1" };

	k->with &= ~(unsigned)WITH_PARAMETER;
	make_query(k, 0, 0);
	(void)snprintf(k->text[0], TEXT_BYTES, "%s", texts[k->n % ARRAY_LEN(texts)]);
	if (k->n % ARRAY_LEN(texts) == 1)
		(void)snprintf(k->text[0], TEXT_BYTES, "SELECT 1;SELECT n");
	k->statements[0].sql = bytes_of(k->text[0]);
	k->statements[0].simple = true;
}

static void make_batch(struct making *k)
{
	sidepool__v1__batch__init(&k->batch);
	k->batch.n_statements = 1 + k->n % STATEMENTS_MOST;
	for (size_t i = 0; i < k->batch.n_statements; i++)
		(void)statement(k, i, i % 2 ? 1 : k->n >> 4);
	k->batch.statements = k->list;
	k->batch.atomic = k->n & 4;
	k->write = NO_WRITE; /* several, of which some may fail */
	k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_BATCH;
	k->m.batch = &k->batch;
}

static void make_submit(struct making *k)
{
	sidepool__v1__submit__init(&k->submit);
	k->submit.n_statements = 1 + k->n % 2;
	for (size_t i = 0; i < k->submit.n_statements; i++)
		(void)statement(k, i, 1);
	k->submit.statements = k->list;
	if (k->n & 4) {
		(void)snprintf(k->key, sizeof(k->key), "q%u", k->n >> 6);
		k->submit.key = bytes_of(k->key);
	}
	k->submit.try_ms = (k->n & 8) * 100;
	k->write = NO_WRITE; /* accepted is not done */
	k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_SUBMIT;
	k->m.submit = &k->submit;
}

/* ---- what is no statement ---- */

static void make_fetch(struct making *k, const struct player *c)
{
	sidepool__v1__fetch__init(&k->fetch);
	k->fetch.stream_id = c->stream_id;
	k->fetch.close = k->n % 4 == 0;
	k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_FETCH;
	k->m.fetch = &k->fetch;
}

static void make_copy(struct making *k, bool in)
{
	static const char *const texts[] = { "COPY t FROM STDIN", "COPY t TO STDOUT" };
	/* Now and then the wrong way. */
	bool from = k->n % 8 == 7 ? !in : in;

	(void)snprintf(k->text[0], TEXT_BYTES, "%s", texts[from ? 0 : 1]);
	if (in) {
		sidepool__v1__copy_in__init(&k->copy_in);
		k->copy_in.sql = bytes_of(k->text[0]);
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_COPY_IN;
		k->m.copy_in = &k->copy_in;
	} else {
		sidepool__v1__copy_out__init(&k->copy_out);
		k->copy_out.sql = bytes_of(k->text[0]);
		k->copy_out.chunk_bytes = k->n % 2 ? 1 : 0;
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_COPY_OUT;
		k->m.copy_out = &k->copy_out;
	}
}

static void make_copy_data(struct making *k, const struct player *c)
{
	sidepool__v1__copy_data__init(&k->copy_data);
	k->copy_data.stream_id = c->stream_id;
	(void)snprintf(k->text[0], TEXT_BYTES, "1\n");
	k->copy_data.data = bytes_of(k->text[0]);
	k->copy_data.end = k->n % 4 == 0;
	k->copy_data.fail = k->n % 4 == 1 ? k->text[0] : (char *)"";
	k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_COPY_DATA;
	k->m.copy_data = &k->copy_data;
}

static void make_cancel(struct making *k, const struct player *c)
{
	sidepool__v1__cancel__init(&k->cancel);
	if (k->n % 2)
		k->cancel.lease_id = c->lease_id;
	else
		k->cancel.request_id = (c->last_id - k->n / 2) | 0x80000000U;
	k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_CANCEL;
	k->m.cancel = &k->cancel;
}

static void make_hello(struct making *k)
{
	static char *const names[] = { "small", "reader", "other", "" };

	sidepool__v1__hello__init(&k->hello);
	k->hello.min_version = k->n & 16 ? 9 : 1;
	k->hello.max_version = 9;
	k->hello.application_name = names[k->n % ARRAY_LEN(names)];
	k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_HELLO;
	k->m.hello = &k->hello;
}

static void make_listen(struct making *k, bool on)
{
	static char *const channels[] = { "ch", "other" };

	if (on) {
		sidepool__v1__listen__init(&k->listen);
		k->listen.channel = channels[k->n % 2];
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_LISTEN;
		k->m.listen = &k->listen;
	} else {
		sidepool__v1__unlisten__init(&k->unlisten);
		k->unlisten.channel = channels[k->n % 2];
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_UNLISTEN;
		k->m.unlisten = &k->unlisten;
	}
}

static void make_admin(struct making *k, const struct player *c)
{
	sidepool__v1__admin__init(&k->admin);
	sidepool__v1__pool_command__init(&k->pool);
	sidepool__v1__breaker_command__init(&k->breaker);
	sidepool__v1__revoke_lease__init(&k->revoke);
	sidepool__v1__kill_application__init(&k->kill);
	k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_ADMIN;
	k->m.admin = &k->admin;
	switch (k->n % 8) {
	case 0:
		k->admin.action_case = SIDEPOOL__V1__ADMIN__ACTION_REVOKE_LEASE;
		k->revoke.lease_id = c->lease_id;
		k->admin.revoke_lease = &k->revoke;
		break;
	case 1:
		k->admin.action_case = SIDEPOOL__V1__ADMIN__ACTION_BREAKER;
		k->breaker.trip = k->n & 8;
		k->admin.breaker = &k->breaker;
		break;
	case 2:
		k->admin.action_case = SIDEPOOL__V1__ADMIN__ACTION_RELOAD;
		k->admin.reload = true;
		break;
	case 3:
		k->admin.action_case = SIDEPOOL__V1__ADMIN__ACTION_KILL;
		k->kill.pattern = (char *)"small";
		k->admin.kill = &k->kill;
		break;
	case 4:
		if ((k->n & 0xf8) == 0xf8) {
			k->admin.action_case = SIDEPOOL__V1__ADMIN__ACTION_DRAIN;
			k->admin.drain = true;
			break;
		}
		__attribute__((fallthrough));
	default:
		k->admin.action_case = SIDEPOOL__V1__ADMIN__ACTION_POOL;
		k->pool.action = (Sidepool__V1__PoolAction)(1 + k->n % 3);
		k->admin.pool = &k->pool;
	}
}

static void make_rest(struct making *k, unsigned kind)
{
	switch (kind) {
	case 0:
		sidepool__v1__release__init(&k->release);
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_RELEASE;
		k->m.release = &k->release;
		break;
	case 1:
		sidepool__v1__renew__init(&k->renew);
		k->renew.hold_ms = k->n * 10;
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_RENEW;
		k->m.renew = &k->renew;
		break;
	case 2:
		sidepool__v1__lease__init(&k->take_lease);
		k->with |= WITH_ACQUIRE;
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_TAKE_LEASE;
		k->m.take_lease = &k->take_lease;
		break;
	case 3:
		sidepool__v1__status__init(&k->status);
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_STATUS;
		k->m.status = &k->status;
		break;
	case 4:
		sidepool__v1__health__init(&k->health);
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_HEALTH;
		k->m.health = &k->health;
		break;
	default:
		sidepool__v1__ping__init(&k->ping);
		k->m.kind_case = SIDEPOOL__V1__REQUEST__KIND_PING;
		k->m.ping = &k->ping;
	}
}

/* ---- the envelope ---- */

static void add_lease(struct making *k, const struct player *c)
{
	sidepool__v1__lease_ref__init(&k->lease);
	sidepool__v1__lease_options__init(&k->options);
	k->lease.lease_id = c->lease_id;
	k->lease.token = c->token - (k->n == 200); /* a stale one */
	k->options.begin = k->n & 1;
	k->options.hold_ms = (k->n >> 1) * 50;
	if (k->with & WITH_LEASE)
		k->m.lease = &k->lease;
	if (k->with & WITH_ACQUIRE)
		k->m.acquire = &k->options;
	if (k->with & WITH_COMMIT)
		k->m.finish = SIDEPOOL__V1__FINISH__FINISH_COMMIT;
	else if (k->with & WITH_ROLLBACK)
		k->m.finish = SIDEPOOL__V1__FINISH__FINISH_ROLLBACK;
}

static void add_envelope(struct making *k, const struct player *c)
{
	add_lease(k, c);
	if (k->with & WITH_DEADLINE)
		k->m.deadline_ms = 1 + k->n * 10;
	if (k->with & WITH_KEY) {
		(void)snprintf(k->key, sizeof(k->key), "k%u", k->n % 4);
		k->m.idempotency_key = bytes_of(k->key);
	}
	/* Elsewhere a success is not the end of it, or is another's. */
	if (k->with & (WITH_LEASE | WITH_ACQUIRE | WITH_COMMIT | WITH_ROLLBACK | WITH_KEY))
		k->write = NO_WRITE;
}

static void make(struct making *k, unsigned kind, const struct player *c)
{
	switch (kind % 21) {
	case 0:
	case 1:
		make_query(k, kind % 21, 0);
		break;
	case 2:
		make_query(k, k->n, 0);
		break;
	case 3:
		make_query(k, 0, 1 + k->n % 3);
		break;
	case 4:
		make_simple(k);
		break;
	case 5:
		make_batch(k);
		break;
	case 6:
	case 7:
		make_fetch(k, c);
		break;
	case 8:
	case 9:
		make_copy(k, kind % 21 == 9);
		break;
	case 10:
		make_copy_data(k, c);
		break;
	case 11:
		make_cancel(k, c);
		break;
	case 12:
		make_listen(k, k->n & 2);
		break;
	case 13:
		make_admin(k, c);
		break;
	case 14:
		make_hello(k);
		break;
	case 20:
		make_submit(k);
		break;
	default:
		make_rest(k, kind % 21 - 15 + (kind >= 168 ? 3 : 0));
	}
}

void ask_something(struct player *c, struct input *in)
{
	struct making k = { .write = NO_WRITE };
	unsigned kind = input_byte(in);

	k.with = input_byte(in);
	k.n = input_byte(in);
	sidepool__v1__request__init(&k.m);
	make(&k, kind, c);
	add_envelope(&k, c);
	client_ask(c, &k.m, k.write, k.with & WITH_HALF && k.n % 16 == 0 ? 1 + k.n % 7 : 0);
}
