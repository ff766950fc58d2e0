/* SPDX-License-Identifier: MIT */
/*
 * A reply is decoded where it was received: what is asked for often (rows, tags, the lease, the
 * stream) is found by the reader in pb.h and pointed to, what is rare (errors, notices,
 * notifications, settings) goes through protobuf-c.
 *
 * Texts get a zero byte in place, behind their last one. That is always the first byte of a field
 * that follows, or the byte to spare at the end, so it is done when nothing is left to be read: the
 * last step of reply_parse().
 */
#include "reply.h"

#include <errno.h>
#include <stdlib.h>

#include "error.h"
#include "proto-fields.h"
#include "reply-tables.h"
#include "sidepool/v1/listen.pb-c.h"
#include "sidepool/v1/rpc.pb-c.h"

enum {
	REPLIES_FREE_MAX = 1024,
};

void replies_init(struct replies *r, size_t keep_bytes)
{
	*r = (struct replies){ .keep_bytes = keep_bytes };
	list_init(&r->free);
	list_init(&r->out);
}

static void destroy(struct sidepool_reply *reply)
{
	bytes_deinit(&reply->body);
	bytes_deinit(&reply->cells);
	free(reply);
}

void replies_deinit(struct replies *r)
{
	while (!list_empty(&r->free))
		destroy((struct sidepool_reply *)(void *)list_shift(&r->free));
	while (!list_empty(&r->out))
		((struct sidepool_reply *)(void *)list_shift(&r->out))->home = NULL;
}

struct sidepool_reply *reply_new(struct replies *r)
{
	struct sidepool_reply *reply;

	if (list_empty(&r->free)) {
		reply = calloc(1, sizeof(*reply));
		if (!reply)
			return NULL;
		list_init(&reply->link);
	} else {
		reply = (struct sidepool_reply *)(void *)list_shift(&r->free);
		r->n_free--;
	}
	reply->home = r;
	list_append(&r->out, &reply->link);
	return reply;
}

struct sidepool_reply *reply_out_of_memory(void)
{
	static struct sidepool_reply reply = { .fixed = true };

	reply.error = error_out_of_memory();
	return &reply;
}

struct sidepool_reply *reply_no_handle(void)
{
	static struct sidepool_reply reply = { .fixed = true };

	reply.error = error_no_handle();
	return &reply;
}

struct sidepool_reply *reply_closed(void)
{
	static struct sidepool_reply reply = { .fixed = true };

	reply.error = error_closed();
	return &reply;
}

/* Gives back what a message brought, and keeps what the next one needs too. */
static void clear(struct sidepool_reply *reply)
{
	for (size_t i = 0; i < reply->n_results; i++)
		result_deinit(&reply->results[i]);
	if (reply->results != &reply->first)
		free(reply->results);
	for (size_t i = 0; i < reply->n_tables; i++)
		table_free(reply->tables[i]);
	free(reply->tables);
	for (size_t i = 0; i < reply->n_notifications; i++)
		sidepool__v1__notification__free_unpacked(reply->notifications[i], NULL);
	free(reply->notifications);
	for (size_t i = 0; i < reply->n_parameters; i++)
		sidepool__v1__parameter_status__free_unpacked(reply->parameters[i], NULL);
	free(reply->parameters);
	reply->error = error_free(reply->error);
	reply->results = NULL;
	reply->n_results = reply->results_capacity = 0;
	reply->tables = NULL;
	reply->notifications = NULL;
	reply->parameters = NULL;
	reply->n_tables = reply->n_notifications = reply->n_parameters = 0;
	reply->copy_data = NULL;
	reply->copy_bytes = 0;
	reply->stream = (struct sidepool_stream){ { 0 } };
	reply->lease = (struct sidepool_lease){ { 0 } };
	reply->transaction = SIDEPOOL_TRANSACTION_UNSPECIFIED;
	reply->wait_us = reply->run_us = reply->event_lost = 0;
	reply->event_kind = NULL;
}

struct sidepool_reply *sidepool_reply_free(struct sidepool_reply *reply)
{
	struct replies *home;

	if (!reply || reply->fixed)
		return NULL;
	home = reply->home;
	clear(reply);
	list_remove(&reply->link);
	if (!home || home->n_free >= REPLIES_FREE_MAX) {
		destroy(reply);
		return NULL;
	}
	bytes_reset(&reply->body, home->keep_bytes);
	bytes_reset(&reply->cells, home->keep_bytes);
	list_prepend(&home->free, &reply->link);
	home->n_free++;
	return NULL;
}

uint8_t *reply_reserve(struct sidepool_reply *reply, size_t len)
{
	return bytes_reserve(&reply->body, len + 1) ? reply->body.data : NULL;
}

void reply_fail(struct sidepool_reply *reply, struct sidepool_error *error)
{
	clear(reply);
	reply->error = error;
}

/* A malformed message and a lack of memory look alike to protobuf-c; the difference matters to
 * whoever debugs. */
static int parsed(const void *p, bool malformed)
{
	if (p)
		return 0;
	return malformed ? REPLY_E_MALFORMED : -ENOMEM;
}

static int add_notice(struct sidepool_result *r, const struct pb_field *f)
{
	struct sidepool_error **end = &r->notices;
	bool malformed;

	while (*end)
		end = &(*end)->next;
	*end = error_parse_notice(f->data, f->len, &malformed);
	return parsed(*end, malformed);
}

static int set_error(struct sidepool_error **error, const struct pb_field *f)
{
	bool malformed;

	error_free(*error);
	*error = error_parse(f->data, f->len, &malformed);
	return parsed(*error, malformed);
}

static int scan_field(struct sidepool_result *r, bool *columns, const struct pb_field *f)
{
	switch (f->number) {
	case RESULT_COLUMNS:
		*columns = true;
		return 0;
	case RESULT_ROWS:
		r->base = (char *)f->data;
		r->rows_bytes = f->len;
		return 0;
	case RESULT_ROW_COUNT:
		r->rows = (uint32_t)f->value;
		return 0;
	case RESULT_COMMAND_TAG:
		r->tag = (char *)f->data;
		r->tag_bytes = f->len;
		return 0;
	case RESULT_AFFECTED_ROWS:
		r->affected = f->value;
		return 0;
	case RESULT_STATEMENT_ID:
		r->statement_id = f->value;
		return 0;
	case RESULT_COLUMNS_ID:
		r->columns_id = f->value;
		return 0;
	case RESULT_NOTICES:
		return add_notice(r, f);
	case RESULT_STATEMENT_INDEX:
		r->statement_index = (uint32_t)f->value;
		return 0;
	case RESULT_PARAMETER_SET_INDEX:
		r->set_index = (uint32_t)f->value;
		return 0;
	case RESULT_ERROR:
		return set_error(&r->error, f);
	case RESULT_MORE:
		r->more = f->value != 0;
		return 0;
	case RESULT_FORMAT:
		r->format = f->value != 0;
		return 0;
	default:
		return 0;
	}
}

/* The columns that a Result without columns has: of the request, or of the Result in front of it.
 */
static struct columns *find_columns(const struct sidepool_reply *reply,
				    const struct sidepool_result *r, struct columns *known)
{
	struct columns *before = NULL;

	if (r != reply->results)
		before = r[-1].columns;
	if (r->columns_id == 0)
		return r == reply->results && r->rows > 0 ? known : NULL;
	if (before && before->id == r->columns_id)
		return before;
	return known && known->id == r->columns_id ? known : NULL;
}

static int set_columns(struct sidepool_reply *reply, struct sidepool_result *r, bool sent,
		       struct pb_reader reader, struct columns *known)
{
	bool malformed = false;

	if (!sent) {
		r->columns = columns_ref(find_columns(reply, r, known));
		return r->columns || r->columns_id == 0 ? 0 : REPLY_E_MALFORMED;
	}
	r->columns = columns_parse(reader, &malformed);
	if (r->columns)
		r->columns->id = r->columns_id;
	return parsed(r->columns, malformed);
}

static struct sidepool_result *grow(struct sidepool_reply *reply)
{
	size_t capacity = reply->results_capacity * 2;
	struct sidepool_result *results;

	if (reply->n_results == 0) {
		reply->results = &reply->first;
		reply->results_capacity = 1;
	} else if (reply->n_results == reply->results_capacity) {
		results = malloc(capacity * sizeof(*results));
		if (!results)
			return NULL;
		memcpy(results, reply->results, reply->n_results * sizeof(*results));
		if (reply->results != &reply->first)
			free(reply->results);
		reply->results = results;
		reply->results_capacity = capacity;
	}
	results = &reply->results[reply->n_results++];
	*results = (struct sidepool_result){ .columns = NULL };
	return results;
}

static int add_result(struct sidepool_reply *reply, const struct pb_field *f, struct columns *known)
{
	struct sidepool_result *r = grow(reply);
	struct pb_reader reader = pb_read(f->data, f->len);
	bool columns = false;
	struct pb_field g;
	int code;

	if (!r)
		return -ENOMEM;
	while (pb_next(&reader, &g)) {
		code = scan_field(r, &columns, &g);
		if (code != 0)
			return code;
	}
	if (reader.failed)
		return REPLY_E_MALFORMED;
	return set_columns(reply, r, columns, pb_read(f->data, f->len), known);
}

static void set_lease(struct sidepool_lease *lease, const struct pb_field *f)
{
	struct pb_reader reader = pb_read(f->data, f->len);
	struct pb_field g;

	while (pb_next(&reader, &g))
		if (g.number >= LEASE_GRANT_LEASE_ID && g.number <= LEASE_GRANT_BACKEND_PID)
			lease->private_[g.number - LEASE_GRANT_LEASE_ID] = g.value;
}

static int add_notification(struct sidepool_reply *reply, const struct pb_field *f)
{
	size_t n = reply->n_notifications;
	void *grown = realloc(reply->notifications, (n + 1) * sizeof(Sidepool__V1__Notification *));

	if (!grown)
		return -ENOMEM;
	reply->notifications = grown;
	reply->notifications[n] = sidepool__v1__notification__unpack(NULL, f->len, f->data);
	if (!reply->notifications[n])
		return REPLY_E_MALFORMED;
	reply->n_notifications++;
	return 0;
}

static int add_parameter(struct sidepool_reply *reply, const struct pb_field *f)
{
	size_t n = reply->n_parameters;
	void *grown = realloc(reply->parameters, (n + 1) * sizeof(Sidepool__V1__ParameterStatus *));

	if (!grown)
		return -ENOMEM;
	reply->parameters = grown;
	reply->parameters[n] = sidepool__v1__parameter_status__unpack(NULL, f->len, f->data);
	if (!reply->parameters[n])
		return REPLY_E_MALFORMED;
	reply->n_parameters++;
	return 0;
}

static int set_copy_chunk(struct sidepool_reply *reply, const struct pb_field *f)
{
	struct pb_reader reader = pb_read(f->data, f->len);
	struct pb_field g;

	reply->copy_data = f->data;
	while (pb_next(&reader, &g)) {
		if (g.number != COPY_CHUNK_DATA || g.type != PB_BLOB)
			continue;
		reply->copy_data = g.data;
		reply->copy_bytes = g.len;
	}
	return reader.failed ? REPLY_E_MALFORMED : 0;
}

static int parse_field(struct sidepool_reply *reply, const struct pb_field *f,
		       struct columns *known)
{
	switch (f->number) {
	case RESPONSE_RESULTS:
		return add_result(reply, f, known);
	case RESPONSE_ERROR:
		return set_error(&reply->error, f);
	case RESPONSE_STREAM_ID:
		reply->stream.private_[0] = f->value;
		return 0;
	case RESPONSE_TRANSACTION_STATUS:
		reply->transaction = (enum sidepool_transaction_status)f->value;
		return 0;
	case RESPONSE_LEASE:
		set_lease(&reply->lease, f);
		return 0;
	case RESPONSE_NOTIFICATIONS:
		return add_notification(reply, f);
	case RESPONSE_PARAMETERS:
		return add_parameter(reply, f);
	case RESPONSE_WAIT_US:
		reply->wait_us = f->value;
		return 0;
	case RESPONSE_RUN_US:
		reply->run_us = f->value;
		return 0;
	case RESPONSE_COPY_CHUNK:
		return set_copy_chunk(reply, f);
	default:
		return reply_set_tables(reply, f);
	}
}

/* Finds the values and ends the texts. The cells' memory may move meanwhile, so they are pointed to
 * at the end. */
static int settle(struct sidepool_reply *reply)
{
	struct cell *cells;

	for (size_t i = 0; i < reply->n_results; i++) {
		struct sidepool_result *r = &reply->results[i];
		uint64_t n = (uint64_t)r->rows * sidepool_nfields(r);

		if (r->tag)
			r->tag[r->tag_bytes] = '\0';
		if (!rows_index((uint8_t *)r->base, r->rows_bytes, n, &reply->cells))
			return REPLY_E_MALFORMED;
	}
	if (reply->cells.failed)
		return -ENOMEM;
	cells = (struct cell *)(void *)reply->cells.data;
	for (size_t i = 0; i < reply->n_results; i++) {
		reply->results[i].cells = cells;
		cells += reply->results[i].rows * sidepool_nfields(&reply->results[i]);
	}
	return 0;
}

int reply_parse(struct sidepool_reply *reply, size_t len, struct columns *known)
{
	struct pb_reader reader = pb_read(reply->body.data, len);
	struct pb_field f;
	int code;

	reply->body.len = len;
	while (pb_next(&reader, &f)) {
		code = parse_field(reply, &f, known);
		if (code != 0)
			return code;
	}
	return reader.failed ? REPLY_E_MALFORMED : settle(reply);
}

const struct sidepool_error *sidepool_error(const struct sidepool_reply *reply)
{
	return reply ? reply->error : NULL;
}

int sidepool_code(const struct sidepool_reply *reply)
{
	return sidepool_error_code(sidepool_error(reply));
}

size_t sidepool_results(const struct sidepool_reply *reply)
{
	if (!reply)
		return 0;
	return reply->n_tables > 0 ? reply->n_tables : reply->n_results;
}

const struct sidepool_result *sidepool_result(const struct sidepool_reply *reply, size_t index)
{
	if (index >= sidepool_results(reply))
		return NULL;
	return reply->n_tables > 0 ? &reply->tables[index]->result : &reply->results[index];
}

int sidepool_reply_lease(const struct sidepool_reply *reply, struct sidepool_lease *ret_lease)
{
	if (!reply || reply->lease.private_[0] == 0)
		return 0;
	*ret_lease = reply->lease;
	return 1;
}

int sidepool_reply_stream(const struct sidepool_reply *reply, struct sidepool_stream *ret_stream)
{
	if (!reply || reply->stream.private_[0] == 0)
		return 0;
	*ret_stream = reply->stream;
	return 1;
}

enum sidepool_transaction_status sidepool_transaction_status(const struct sidepool_reply *reply)
{
	return reply ? reply->transaction : SIDEPOOL_TRANSACTION_UNSPECIFIED;
}

const void *sidepool_copy_chunk(const struct sidepool_reply *reply, size_t *ret_bytes)
{
	*ret_bytes = reply ? reply->copy_bytes : 0;
	return reply ? reply->copy_data : NULL;
}

int sidepool_notification(const struct sidepool_reply *reply, size_t index,
			  const char **ret_channel, const char **ret_payload,
			  uint32_t *ret_backend_pid)
{
	const Sidepool__V1__Notification *n;

	if (!reply || index >= reply->n_notifications)
		return 0;
	n = reply->notifications[index];
	if (ret_channel)
		*ret_channel = n->channel;
	if (ret_payload)
		*ret_payload = n->payload;
	if (ret_backend_pid)
		*ret_backend_pid = n->backend_pid;
	return 1;
}

int sidepool_changed_parameter(const struct sidepool_reply *reply, size_t index,
			       const char **ret_name, const char **ret_value)
{
	if (!reply || index >= reply->n_parameters)
		return 0;
	if (ret_name)
		*ret_name = reply->parameters[index]->name;
	if (ret_value)
		*ret_value = reply->parameters[index]->value;
	return 1;
}

uint64_t sidepool_wait_us(const struct sidepool_reply *reply)
{
	return reply ? reply->wait_us : 0;
}

uint64_t sidepool_run_us(const struct sidepool_reply *reply)
{
	return reply ? reply->run_us : 0;
}
