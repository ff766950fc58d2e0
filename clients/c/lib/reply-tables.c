/* SPDX-License-Identifier: MIT */
/* One function for each kind of answer with parts of several types; the others are one row of what
 * they are. */
#include "reply-tables.h"

#include <errno.h>
#include <stdlib.h>

#include "proto-fields.h"
#include "reply.h"
#include "sidepool/v1/rpc.pb-c.h"

int reply_add_table(struct sidepool_reply *reply, struct table *t)
{
	void *grown;

	if (!t)
		return -ENOMEM;
	grown = realloc(reply->tables, (reply->n_tables + 1) * sizeof(struct table *));
	if (!grown) {
		table_free(t);
		return -ENOMEM;
	}
	reply->tables = grown;
	reply->tables[reply->n_tables++] = t;
	return 0;
}

static int add_messages(struct sidepool_reply *reply, const ProtobufCMessageDescriptor *type,
			size_t n, ProtobufCMessage *const *messages)
{
	return reply_add_table(reply, table_of_messages(type, n, messages));
}

/* In the order of enum sidepool_table. */
static int add_status(struct sidepool_reply *reply, const ProtobufCMessage *m)
{
	const Sidepool__V1__StatusReply *s = (const void *)m;
	int r;

	r = add_messages(reply, &sidepool__v1__pool_status__descriptor, s->n_pools,
			 (ProtobufCMessage *const *)s->pools);
	if (r == 0)
		r = add_messages(reply, &sidepool__v1__application_status__descriptor,
				 s->n_applications, (ProtobufCMessage *const *)s->applications);
	if (r == 0)
		r = add_messages(reply, &sidepool__v1__lease_status__descriptor, s->n_leases,
				 (ProtobufCMessage *const *)s->leases);
	if (r == 0)
		r = add_messages(reply, &sidepool__v1__client_status__descriptor, s->n_client_list,
				 (ProtobufCMessage *const *)s->client_list);
	if (r == 0)
		r = reply_add_table(reply, table_of_texts("warning", s->n_warnings, s->warnings));
	if (r == 0)
		r = add_messages(reply, &sidepool__v1__request_status__descriptor, s->n_requests,
				 (ProtobufCMessage *const *)s->requests);
	if (r == 0)
		r = add_messages(reply, &sidepool__v1__submit_status__descriptor, s->submit ? 1 : 0,
				 (ProtobufCMessage *const *)&s->submit);
	if (r == 0)
		r = add_messages(reply, &sidepool__v1__submission_status__descriptor,
				 s->n_submissions, (ProtobufCMessage *const *)s->submissions);
	if (r == 0)
		r = add_messages(reply, &sidepool__v1__submission_status__descriptor,
				 s->n_failed_submissions,
				 (ProtobufCMessage *const *)s->failed_submissions);
	return r;
}

static int add_health(struct sidepool_reply *reply, const ProtobufCMessage *m)
{
	const Sidepool__V1__HealthReply *h = (const void *)m;

	return add_messages(reply, &sidepool__v1__health_check__descriptor, h->n_checks,
			    (ProtobufCMessage *const *)h->checks);
}

static int add_hello(struct sidepool_reply *reply, const ProtobufCMessage *m)
{
	const Sidepool__V1__HelloReply *h = (const void *)m;

	return add_messages(reply, &sidepool__v1__parameter_status__descriptor, h->n_parameters,
			    (ProtobufCMessage *const *)h->parameters);
}

static const struct kind {
	uint32_t field;
	const ProtobufCMessageDescriptor *type;
	int (*add_parts)(struct sidepool_reply *reply, const ProtobufCMessage *m); /* or NULL */
} kinds[] = {
	{ RESPONSE_HELLO, &sidepool__v1__hello_reply__descriptor, add_hello },
	{ RESPONSE_COPY_READY, &sidepool__v1__copy_ready__descriptor, NULL },
	{ RESPONSE_LISTEN, &sidepool__v1__listen_reply__descriptor, NULL },
	{ RESPONSE_CANCEL, &sidepool__v1__cancel_reply__descriptor, NULL },
	{ RESPONSE_STATUS, &sidepool__v1__status_reply__descriptor, add_status },
	{ RESPONSE_HEALTH, &sidepool__v1__health_reply__descriptor, add_health },
	{ RESPONSE_ADMIN, &sidepool__v1__admin_reply__descriptor, NULL },
	{ RESPONSE_SUBMIT, &sidepool__v1__submit_reply__descriptor, NULL },
};

static int set_tables(struct sidepool_reply *reply, const struct kind *kind,
		      const struct pb_field *f)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(kind->type, NULL, f->len, f->data);
	int r;

	if (!m)
		return REPLY_E_MALFORMED;
	if (kind->field == RESPONSE_COPY_READY)
		reply->stream.private_[0] = ((const Sidepool__V1__CopyReady *)(void *)m)->stream_id;
	r = reply_add_table(reply, table_of_message(m));
	if (r == 0 && kind->add_parts)
		r = kind->add_parts(reply, m);
	protobuf_c_message_free_unpacked(m, NULL);
	return r;
}

int reply_set_tables(struct sidepool_reply *reply, const struct pb_field *f)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].field == f->number && reply->n_tables == 0)
			return set_tables(reply, &kinds[i], f);
	return 0;
}
