/* SPDX-License-Identifier: MIT */
/*
 * Hello goes ahead of everything on a new connection, and nothing else is sent before its answer:
 * it has the longest message that the daemon takes. sidepool_connect() waits for it as for a
 * request, but sends nothing of its own.
 */
#include "hello.h"

#include <errno.h>

#include "answer.h"
#include "error.h"
#include "handle.h"
#include "pb.h"
#include "proto-fields.h"
#include "sidepool-events.h"
#include "sidepool/v1/rpc.pb-c.h"
#include "util/macro.h"

struct request *hello_request(struct sidepool *sp)
{
	Sidepool__V1__Hello hello = SIDEPOOL__V1__HELLO__INIT;
	struct request *q = request_new(&sp->requests);

	if (!q)
		return NULL;
	hello.min_version = hello.max_version = 1;
	hello.application_name = sp->settings.application;
	hello.client_name = sp->settings.client_name;
	hello.client_version = sp->settings.client_version;
	pb_message(&q->frame, REQUEST_HELLO, &hello.base);
	if (q->frame.failed) {
		request_free(&sp->requests, q);
		return NULL;
	}
	q->state = REQUEST_QUEUED;
	q->kind = REQUEST_HELLO;
	return q;
}

static void forget_unpacked(struct connection *c)
{
	if (c->daemon)
		sidepool__v1__response__free_unpacked(c->daemon, NULL);
	c->daemon = NULL;
}

void hello_free(struct connection *c)
{
	forget_unpacked(c);
	bytes_deinit(&c->said);
}

/* The one thing in it that every connection needs. */
static bool read_limits(struct connection *c, const struct pb_field *hello)
{
	struct pb_reader r = pb_read(hello->data, hello->len);
	struct pb_field f;

	while (pb_next(&r, &f))
		if (f.number == HELLO_REPLY_MAX_MESSAGE_BYTES && f.value > 0)
			c->max_message_bytes = (uint32_t)MIN(f.value, (uint64_t)UINT32_MAX);
	return !r.failed;
}

static int take_refusal(struct sidepool_reply *reply, size_t len)
{
	if (reply_parse(reply, len, NULL) != 0)
		return HELLO_E_MALFORMED;
	return sidepool_code(reply) == SIDEPOOL_E_SHUTTING_DOWN ? HELLO_E_LATER : HELLO_E_REFUSED;
}

/* Most of it nobody ever asks for, and a short connection would spend its time with unpacking it. */
int hello_take(struct sidepool *sp, struct sidepool_reply *reply, size_t len)
{
	struct connection *c = sp->connection;
	struct pb_reader r = pb_read(reply->body.data, len);
	struct pb_field f;
	bool told = false;

	while (pb_next(&r, &f)) {
		if (f.number == RESPONSE_ERROR)
			return take_refusal(reply, len);
		if (f.number == RESPONSE_HELLO && f.type == PB_BLOB)
			told = read_limits(c, &f);
	}
	if (r.failed || !told)
		return HELLO_E_MALFORMED;
	forget_unpacked(c);
	bytes_reset(&c->said, len);
	bytes_put(&c->said, reply->body.data, len);
	return c->said.failed ? HELLO_E_MALFORMED : 0;
}

void hello_refuse(struct sidepool *sp, const struct sidepool_reply *reply)
{
	const struct sidepool_error *e = sidepool_error(reply);

	answer_queued(sp, sidepool_error_code(e), "%s", sidepool_error_message(e));
}

static int parse_as_reply(const struct connection *c, struct sidepool_reply *reply)
{
	if (!reply_reserve(reply, c->said.len))
		return -ENOMEM;
	memcpy(reply->body.data, c->said.data, c->said.len);
	return reply_parse(reply, c->said.len, NULL);
}

static void answer_connect(struct sidepool *sp, struct request *q)
{
	struct sidepool_reply *reply = reply_new(&sp->replies);

	if (reply && parse_as_reply(sp->connection, reply) != 0)
		reply_fail(reply, error_out_of_memory());
	request_complete(&sp->requests, q, reply ? reply : reply_out_of_memory());
}

void hello_answer(struct sidepool *sp)
{
	struct list *l, *next;

	for (l = sp->requests.queued.next; l != &sp->requests.queued; l = next) {
		struct request *q = container_of(l, struct request, link);

		next = l->next;
		if (q->kind == REQUEST_HELLO)
			answer_connect(sp, q);
	}
}

/* What the daemon said of itself. NULL before the first connection, and without memory. */
static const Sidepool__V1__HelloReply *told(const struct sidepool *sp)
{
	struct connection *c = sp->connection;

	if (!c->daemon && c->said.len > 0)
		c->daemon = sidepool__v1__response__unpack(NULL, c->said.len, c->said.data);
	if (!c->daemon || c->daemon->kind_case != SIDEPOOL__V1__RESPONSE__KIND_HELLO)
		return NULL;
	return c->daemon->hello;
}

const char *sidepool_daemon_version(const struct sidepool *sp)
{
	const Sidepool__V1__HelloReply *daemon = told(sp);

	return daemon ? daemon->daemon_version : NULL;
}

const char *sidepool_events_url(const struct sidepool *sp)
{
	const Sidepool__V1__HelloReply *daemon = told(sp);

	return daemon && *daemon->events_url ? daemon->events_url : NULL;
}

const char *sidepool_application(const struct sidepool *sp)
{
	const Sidepool__V1__HelloReply *daemon = told(sp);

	return daemon ? daemon->application : NULL;
}

const char *sidepool_pool(const struct sidepool *sp, unsigned index)
{
	const Sidepool__V1__HelloReply *daemon = told(sp);

	return daemon && index < daemon->n_pools ? daemon->pools[index] : NULL;
}

const char *sidepool_parameter(const struct sidepool *sp, const char *name)
{
	const Sidepool__V1__HelloReply *daemon = told(sp);

	for (size_t i = 0; daemon && i < daemon->n_parameters; i++)
		if (strcmp(daemon->parameters[i]->name, name) == 0)
			return daemon->parameters[i]->value;
	return NULL;
}

int sidepool_has_feature(const struct sidepool *sp, const char *name)
{
	const Sidepool__V1__HelloReply *daemon = told(sp);

	for (size_t i = 0; daemon && i < daemon->n_features; i++)
		if (strcmp(daemon->features[i], name) == 0)
			return 1;
	return 0;
}

uint32_t sidepool_max_message_bytes(const struct sidepool *sp)
{
	return sp->connection->max_message_bytes;
}
