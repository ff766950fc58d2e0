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

void hello_free(struct connection *c)
{
	if (c->daemon)
		sidepool__v1__hello_reply__free_unpacked(c->daemon, NULL);
	c->daemon = NULL;
}

int hello_take(struct sidepool *sp, struct sidepool_reply *reply, size_t len)
{
	Sidepool__V1__Response *response;
	struct connection *c = sp->connection;

	if (reply_parse(reply, len, NULL) != 0)
		return HELLO_E_MALFORMED;
	if (sidepool_code(reply) == SIDEPOOL_E_SHUTTING_DOWN)
		return HELLO_E_LATER;
	if (sidepool_code(reply) != SIDEPOOL_E_OK)
		return HELLO_E_REFUSED;
	response = sidepool__v1__response__unpack(NULL, len, reply->body.data);
	if (!response || response->kind_case != SIDEPOOL__V1__RESPONSE__KIND_HELLO) {
		if (response)
			sidepool__v1__response__free_unpacked(response, NULL);
		return HELLO_E_MALFORMED;
	}
	hello_free(c);
	c->daemon = steal(&response->hello);
	response->kind_case = SIDEPOOL__V1__RESPONSE__KIND__NOT_SET;
	sidepool__v1__response__free_unpacked(response, NULL);
	if (c->daemon->max_message_bytes > 0)
		c->max_message_bytes = c->daemon->max_message_bytes;
	return 0;
}

void hello_refuse(struct sidepool *sp, const struct sidepool_reply *reply)
{
	const struct sidepool_error *e = sidepool_error(reply);

	answer_queued(sp, sidepool_error_code(e), "%s", sidepool_error_message(e));
}

static int parse_as_reply(const struct connection *c, struct sidepool_reply *reply)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	size_t len;

	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_HELLO;
	response.hello = c->daemon;
	len = sidepool__v1__response__get_packed_size(&response);
	if (!reply_reserve(reply, len))
		return -ENOMEM;
	sidepool__v1__response__pack(&response, reply->body.data);
	return reply_parse(reply, len, NULL);
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

const char *sidepool_daemon_version(const struct sidepool *sp)
{
	return sp->connection->daemon ? sp->connection->daemon->daemon_version : NULL;
}

const char *sidepool_events_url(const struct sidepool *sp)
{
	const Sidepool__V1__HelloReply *daemon = sp->connection->daemon;

	return daemon && *daemon->events_url ? daemon->events_url : NULL;
}

const char *sidepool_application(const struct sidepool *sp)
{
	return sp->connection->daemon ? sp->connection->daemon->application : NULL;
}

const char *sidepool_pool(const struct sidepool *sp, unsigned index)
{
	const Sidepool__V1__HelloReply *daemon = sp->connection->daemon;

	return daemon && index < daemon->n_pools ? daemon->pools[index] : NULL;
}

const char *sidepool_parameter(const struct sidepool *sp, const char *name)
{
	const Sidepool__V1__HelloReply *daemon = sp->connection->daemon;

	for (size_t i = 0; daemon && i < daemon->n_parameters; i++)
		if (strcmp(daemon->parameters[i]->name, name) == 0)
			return daemon->parameters[i]->value;
	return NULL;
}

int sidepool_has_feature(const struct sidepool *sp, const char *name)
{
	const Sidepool__V1__HelloReply *daemon = sp->connection->daemon;

	for (size_t i = 0; daemon && i < daemon->n_features; i++)
		if (strcmp(daemon->features[i], name) == 0)
			return 1;
	return 0;
}

uint32_t sidepool_max_message_bytes(const struct sidepool *sp)
{
	return sp->connection->max_message_bytes;
}
