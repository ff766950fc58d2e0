/* SPDX-License-Identifier: MIT */
/*
 * The body stays with the reply, so that its topic, which ends with a zero byte, can be pointed to.
 * What happened is found by protobuf-c's descriptors: a kind that is added to events.proto needs no
 * word here.
 */
#include "event.h"

#include <errno.h>
#include <string.h>

#include "reply-tables.h"
#include "sidepool/v1/events.pb-c.h"
#include "subscriber.h"

/* The message that is told of at `offset`; NULL: none. */
static const ProtobufCMessage *part_at(const void *message, unsigned offset)
{
	const ProtobufCMessage *part;

	memcpy(&part, (const char *)message + offset, sizeof(ProtobufCMessage *));
	return part;
}

/* The member of the oneof that is set, with its field; NULL: none that we know. */
static const ProtobufCMessage *kind_of(const Sidepool__V1__Event *e,
				       const ProtobufCFieldDescriptor **ret_field)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field(e->base.descriptor, (unsigned)e->kind_case);

	*ret_field = f;
	return f ? part_at(e, f->offset) : NULL;
}

static int add_table(struct sidepool_reply *reply, const ProtobufCMessage *m)
{
	return reply_add_table(reply, table_of_message(m));
}

/* The messages within it, each a result of its own. */
static int add_parts(struct sidepool_reply *reply, const ProtobufCMessage *m)
{
	const ProtobufCMessage *part;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

		if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED)
			continue;
		part = part_at(m, f->offset);
		if (part)
			r = add_table(reply, part);
	}
	return r;
}

static int set_tables(struct sidepool_reply *reply, const Sidepool__V1__Event *e)
{
	const ProtobufCFieldDescriptor *field;
	const ProtobufCMessage *m = kind_of(e, &field);
	int r = add_table(reply, &e->base);

	reply->event_kind = m ? field->name : "";
	if (r == 0 && m)
		r = add_table(reply, m);
	if (r == 0 && m)
		r = add_parts(reply, m);
	return r;
}

/* A connection is one with one instance of the daemon, so its numbers do not begin anew. */
static int count(struct sidepool_subscriber *s, struct sidepool_reply *reply,
		 const Sidepool__V1__Event *e)
{
	return counted_next(&s->topics, (const char *)reply->body.data, e->sequence,
			    e->kind_case == SIDEPOOL__V1__EVENT__KIND_MARK, &reply->event_lost);
}

static int decode(struct sidepool_subscriber *s, struct sidepool_reply *reply, size_t n,
		  bool *ret_shown)
{
	const uint8_t *body = reply->body.data, *end = memchr(body, 0, n);
	size_t topic = end ? (size_t)(end - body) + 1 : 0;
	Sidepool__V1__Event *e;
	int r;

	if (!end)
		return SIDEPOOL_E_PROTOCOL_VIOLATION;
	e = sidepool__v1__event__unpack(NULL, n - topic, body + topic);
	if (!e)
		return SIDEPOOL_E_PROTOCOL_VIOLATION;
	r = count(s, reply, e);
	*ret_shown = e->kind_case != SIDEPOOL__V1__EVENT__KIND_MARK || reply->event_lost > 0;
	if (r == 0 && *ret_shown)
		r = set_tables(reply, e);
	sidepool__v1__event__free_unpacked(e, NULL);
	return r == 0 ? 0 : SIDEPOOL_E_OUT_OF_MEMORY;
}

int event_new(struct sidepool_subscriber *s, const uint8_t *body, size_t n,
	      struct sidepool_reply **ret_event)
{
	struct sidepool_reply *reply = reply_new(&s->replies);
	bool shown = false;
	int r = SIDEPOOL_E_OUT_OF_MEMORY;

	if (reply && reply_reserve(reply, n)) {
		memcpy(reply->body.data, body, n);
		r = decode(s, reply, n, &shown);
	}
	if (r == 0 && shown)
		*ret_event = reply;
	else
		sidepool_reply_free(reply);
	return r;
}

const char *sidepool_event_kind(const struct sidepool_reply *event)
{
	return event->event_kind ? event->event_kind : "";
}

const char *sidepool_event_topic(const struct sidepool_reply *event)
{
	return event->event_kind ? (const char *)event->body.data : "";
}

uint64_t sidepool_event_lost(const struct sidepool_reply *event)
{
	return event->event_lost;
}
