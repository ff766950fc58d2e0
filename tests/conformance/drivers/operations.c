/* SPDX-License-Identifier: MIT */
/* One function for each operation of a case. What a case cannot ask for is a mistake in the case,
 * and ends the driver. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

enum {
	PARAMETERS_MAX = 16,
};

struct values {
	struct sidepool_params params;
	const char *data[PARAMETERS_MAX];
	size_t lengths[PARAMETERS_MAX];
};

static _Noreturn void complain(const char *what, const char *which)
{
	fprintf(stderr, "%s: %s\n", what, which);
	exit(2);
}

static const char *text(json_t *step, const char *name)
{
	const char *found = json_string_value(json_object_get(step, name));

	if (!found)
		complain("the operation has no", name);
	return found;
}

static uint32_t number(json_t *step, const char *name)
{
	return (uint32_t)json_integer_value(json_object_get(step, name));
}

static json_t *nothing(void)
{
	return json_pack("{s:{}}", "ok");
}

static struct sidepool_params *values_of(json_t *array, struct values *v)
{
	size_t n = json_array_size(array);

	if (n > PARAMETERS_MAX)
		complain("too many", "values");
	for (size_t i = 0; i < n; i++) {
		v->data[i] = json_string_value(json_array_get(array, i));
		v->lengths[i] = json_string_length(json_array_get(array, i));
	}
	v->params = (struct sidepool_params){ n, v->data, v->lengths, NULL, NULL };
	return &v->params;
}

/* ---- what is held ---- */

static struct held *held_of(struct driver *d, json_t *step)
{
	const char *name = json_string_value(json_object_get(step, "on"));

	if (!name)
		return NULL;
	for (size_t i = 0; i < d->n_held; i++)
		if (strcmp(d->held[i].name, name) == 0)
			return &d->held[i];
	complain("nothing is held by the name of", name);
	return NULL;
}

static struct held *hold(struct driver *d, json_t *step)
{
	struct held *h = &d->held[d->n_held];

	if (++d->n_held > sizeof(d->held) / sizeof(d->held[0]))
		complain("too much is held", text(step, "as"));
	*h = (struct held){ 0 };
	(void)snprintf(h->name, sizeof(h->name), "%s", text(step, "as"));
	return h;
}

/* Runs on what is held, and takes it where that has not been done. */
static void run_on(struct held *h, struct sidepool_call *call)
{
	static const struct sidepool_lease_options begin = { sizeof(begin), .begin = 1 };

	if (h && h->has)
		call->lease = &h->lease;
	else if (h)
		call->acquire = &begin;
}

/* Waits, and keeps the lease that came with the reply. */
static struct sidepool_reply *wait_held(struct driver *d, struct held *h, uint32_t id)
{
	struct sidepool_reply *reply = sidepool_wait(d->sp, id);

	if (h && sidepool_reply_lease(reply, &h->lease))
		h->has = 1;
	return reply;
}

static json_t *take_session(struct driver *d, json_t *step)
{
	struct held *h = hold(d, step);

	return answer_empty(wait_held(d, h, sidepool_take_lease(d->sp, NULL, NULL)));
}

static json_t *begin_later(struct driver *d, json_t *step)
{
	hold(d, step);
	return nothing();
}

static json_t *end(struct driver *d, json_t *step, enum sidepool_finish finish)
{
	struct held *h = held_of(d, step);

	if (!h->has)
		return nothing();
	h->has = 0;
	return answer_empty(sidepool_wait(d->sp, sidepool_release(d->sp, &h->lease, finish, NULL)));
}

static json_t *commit(struct driver *d, json_t *step)
{
	return end(d, step, SIDEPOOL_FINISH_COMMIT);
}

static json_t *rollback(struct driver *d, json_t *step)
{
	return end(d, step, SIDEPOOL_FINISH_ROLLBACK);
}

/* ---- statements ---- */

static struct started *started_of(struct driver *d, json_t *step)
{
	json_int_t target = json_integer_value(json_object_get(step, "target"));

	for (size_t i = 0; i < d->n_started; i++)
		if (d->started[i].step == target)
			return &d->started[i];
	complain("was not sent with", "later");
	return NULL;
}

static json_t *start(struct driver *d, json_t *step, uint32_t id)
{
	struct started *s = &d->started[d->n_started];

	if (++d->n_started > sizeof(d->started) / sizeof(d->started[0]))
		complain("too much at once", text(step, "sql"));
	*s = (struct started){ json_integer_value(json_object_get(step, "id")), id };
	(void)sidepool_flush(d->sp);
	return nothing();
}

/* A reply that takes a lease must be seen before the rest of its rows are fetched. */
static json_t *query_held(struct driver *d, struct held *h, uint32_t id)
{
	struct sidepool_reply *reply = wait_held(d, h, id);
	json_t *answer = answer_batch(reply), *results = json_object_get(answer, "ok");

	if (!results)
		return answer;
	results = json_pack("{s:O}", "ok", json_array_get(json_object_get(results, "results"), 0));
	json_decref(answer);
	return results;
}

static json_t *query(struct driver *d, json_t *step)
{
	struct sidepool_call call = { .size = sizeof(call) };
	struct held *h = held_of(d, step);
	struct values v;
	uint32_t id;

	call.deadline_ms = number(step, "deadline_ms");
	run_on(h, &call);
	if (json_is_true(json_object_get(step, "commit"))) {
		call.finish = SIDEPOOL_FINISH_COMMIT;
		h->has = 0;
	}
	id = sidepool_query(d->sp, text(step, "sql"),
			    values_of(json_object_get(step, "values"), &v), &call);
	if (json_is_true(json_object_get(step, "later")))
		return start(d, step, id);
	return h ? query_held(d, h, id) : answer_rows(d->sp, id);
}

static json_t *wait_started(struct driver *d, json_t *step)
{
	return answer_rows(d->sp, started_of(d, step)->id);
}

static json_t *cancel(struct driver *d, json_t *step)
{
	uint32_t id = sidepool_cancel(d->sp, started_of(d, step)->id, NULL);

	return answer_empty(sidepool_wait(d->sp, id));
}

static json_t *many(struct driver *d, json_t *step)
{
	struct sidepool_batch *batch = sidepool_batch_new();
	json_t *sets = json_object_get(step, "sets"), *set, *answer;
	struct values v;
	size_t i;

	json_array_foreach(sets, i, set)
	{
		int code =
			i == 0 ? sidepool_batch_add(batch, text(step, "sql"), values_of(set, &v), 0)
			       : sidepool_batch_add_set(batch, values_of(set, &v));

		if (code)
			complain("a set was refused", sidepool_code_name(code));
	}
	answer = answer_affected(
		sidepool_wait(d->sp, sidepool_batch_send(d->sp, batch, 1, NULL, NULL)));
	sidepool_batch_free(batch);
	return answer;
}

static void add_statements(struct sidepool_batch *all, json_t *statements)
{
	struct values v;
	json_t *one;
	size_t i;

	json_array_foreach(statements, i, one)
	{
		int code = sidepool_batch_add(all, text(one, "sql"),
					      values_of(json_object_get(one, "values"), &v), 0);

		if (code)
			complain("a statement was refused", sidepool_code_name(code));
	}
}

static json_t *batch(struct driver *d, json_t *step)
{
	struct sidepool_batch *all = sidepool_batch_new();
	int atomic = json_is_true(json_object_get(step, "atomic"));
	json_t *answer;

	add_statements(all, json_object_get(step, "statements"));
	answer = answer_batch(
		sidepool_wait(d->sp, sidepool_batch_send(d->sp, all, atomic, NULL, NULL)));
	sidepool_batch_free(all);
	return answer;
}

static json_t *submit(struct driver *d, json_t *step)
{
	const char *key = json_string_value(json_object_get(step, "key"));
	struct sidepool_submit_options options = { .size = sizeof(options) };
	struct sidepool_batch *all = sidepool_batch_new();
	json_t *answer;

	options.key = key;
	options.key_bytes = key ? strlen(key) : 0;
	options.try_ms = number(step, "try_ms");
	add_statements(all, json_object_get(step, "statements"));
	answer = answer_submit(sidepool_wait(d->sp, sidepool_submit(d->sp, all, &options, NULL)));
	sidepool_batch_free(all);
	return answer;
}

static json_t *stream(struct driver *d, json_t *step)
{
	struct sidepool_call call = { .size = sizeof(call) };

	call.chunk_bytes = number(step, "chunk_bytes");
	return answer_stream(d->sp, sidepool_query(d->sp, text(step, "sql"), NULL, &call),
			     number(step, "take"));
}

/* ---- COPY ---- */

/* Sends the pieces; waits for each. Returns the error, or NULL. */
static json_t *copy_pieces(struct driver *d, json_t *step, const struct sidepool_stream *to)
{
	json_t *pieces = json_object_get(step, "pieces"), *piece;
	size_t i;

	json_array_foreach(pieces, i, piece)
	{
		uint32_t id = sidepool_copy_data(d->sp, to, json_string_value(piece),
						 json_string_length(piece), NULL);
		struct sidepool_reply *reply = sidepool_wait(d->sp, id);

		if (sidepool_code(reply))
			return answer_empty(reply);
		sidepool_reply_free(reply);
	}
	return NULL;
}

static json_t *copy_in(struct driver *d, json_t *step)
{
	struct sidepool_call call = { .size = sizeof(call) };
	struct held *h = held_of(d, step);
	struct sidepool_reply *reply;
	struct sidepool_stream to;
	json_t *error;
	uint32_t id;

	run_on(h, &call);
	reply = wait_held(d, h, sidepool_copy_in(d->sp, text(step, "sql"), &call));
	if (!sidepool_reply_stream(reply, &to))
		return answer_empty(reply);
	sidepool_reply_free(reply);
	error = copy_pieces(d, step, &to);
	if (error)
		return error;
	id = json_object_get(step, "fail")
		     ? sidepool_copy_fail(d->sp, &to, text(step, "fail"), NULL)
		     : sidepool_copy_end(d->sp, &to, NULL);
	return answer_affected(sidepool_wait(d->sp, id));
}

static json_t *copy_out(struct driver *d, json_t *step)
{
	return answer_copy(d->sp, sidepool_copy_out(d->sp, text(step, "sql"), NULL));
}

/* ---- the connection ---- */

static json_t *hello(struct driver *d, json_t *step)
{
	(void)d;
	(void)step;
	return json_pack("{s:{s:s, s:[sssssssssss]}}", "ok", "client", "libsidepool", "features",
			 "sessions", "many", "batch", "batch_apart", "streams", "copy", "later",
			 "commit_with_last", "statement_ids", "known_columns", "submit");
}

static json_t *connect_daemon(struct driver *d, json_t *step)
{
	struct sidepool_options options = { .size = sizeof(options) };
	int code;

	options.socket = text(step, "socket");
	options.deadline_ms = number(step, "deadline_ms");
	options.grace_ms = number(step, "grace_ms");
	options.reconnect_wait_ms = number(step, "reconnect_wait_ms");
	d->sp = sidepool_close(d->sp);
	code = sidepool_open(&options, &d->sp);
	if (code)
		complain("sidepool_open()", sidepool_code_name(code));
	return answer_empty(sidepool_wait(d->sp, sidepool_connect(d->sp, NULL)));
}

static json_t *close_daemon(struct driver *d, json_t *step)
{
	(void)step;
	d->sp = sidepool_close(d->sp);
	return nothing();
}

json_t *driver_do(struct driver *d, json_t *step)
{
	static const struct {
		const char *name;
		json_t *(*run)(struct driver *d, json_t *step);
	} operations[] = {
		{ "hello", hello },        { "connect", connect_daemon },
		{ "close", close_daemon }, { "query", query },
		{ "wait", wait_started },  { "cancel", cancel },
		{ "begin", begin_later },  { "commit", commit },
		{ "rollback", rollback },  { "session", take_session },
		{ "release", rollback },   { "many", many },
		{ "batch", batch },        { "stream", stream },
		{ "copy_in", copy_in },    { "copy_out", copy_out },
		{ "submit", submit },
	};

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(operations[i].name, text(step, "op")) == 0)
			return operations[i].run(d, step);
	complain("there is no operation", text(step, "op"));
	return NULL;
}
