/* SPDX-License-Identifier: MIT */
/*
 * Errors are rare and have many fields, so here protobuf-c does the decoding, and the accessors
 * read its structures. Its strings are never NULL.
 */
#include "error.h"

#include <stdio.h>
#include <stdlib.h>

#include "sidepool/v1/error.pb-c.h"
#include "sidepool/v1/statement.pb-c.h"
#include "table.h"

struct code {
	int number;
	enum sidepool_outcome outcome;
	bool retryable;
	const char *name;
	const char *sentence;
	const char *remedy;
};

static const struct code codes[] = {
#define SIDEPOOL_ERROR(number, name, outcome, retryable, sentence, remedy)                         \
	{ number, SIDEPOOL_OUTCOME_##outcome, retryable, #name, sentence, remedy },
#include "errors.def"
#undef SIDEPOOL_ERROR
};

static const struct code *find_code(int number)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].number == number)
			return &codes[i];
	return NULL;
}

const char *sidepool_code_name(int code)
{
	const struct code *c = find_code(code);

	if (code == SIDEPOOL_E_OK)
		return "OK";
	return c ? c->name : "UNKNOWN";
}

const char *sidepool_code_sentence(int code)
{
	const struct code *c = find_code(code);

	return c ? c->sentence : "";
}

struct sidepool_error *error_out_of_memory(void)
{
	static struct sidepool_error e = {
		.code = SIDEPOOL_E_OUT_OF_MEMORY,
		.outcome = SIDEPOOL_OUTCOME_UNKNOWN,
		.message = "this process has no memory for the request or its answer",
		.remedy = "ask for less at once",
		.fixed = true,
	};

	return &e;
}

struct sidepool_error *error_no_handle(void)
{
	static struct sidepool_error e = {
		.code = SIDEPOOL_E_INVALID_ARGUMENT,
		.outcome = SIDEPOOL_OUTCOME_NOT_SENT,
		.message = "there is no handle",
		.remedy = "look at what sidepool_open() returned",
		.fixed = true,
	};

	return &e;
}

struct sidepool_error *error_closed(void)
{
	static struct sidepool_error e = {
		.code = SIDEPOOL_E_CLOSED,
		.outcome = SIDEPOOL_OUTCOME_UNKNOWN,
		.message = "a callback closed the handle",
		.remedy = "",
		.fixed = true,
	};

	return &e;
}

static char *format_text(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_text(const char *format, va_list args)
{
	char *text;

	return vasprintf(&text, format, args) < 0 ? NULL : text;
}

struct sidepool_error *error_new(int code, enum sidepool_outcome outcome, const char *format,
				 va_list args)
{
	const struct code *c = find_code(code);
	struct sidepool_error *e = calloc(1, sizeof(*e));

	if (!e)
		return error_out_of_memory();
	e->text = format_text(format, args);
	e->code = code;
	e->outcome = outcome;
	e->message = e->text ? e->text : sidepool_code_sentence(code);
	e->remedy = c ? c->remedy : "";
	e->retryable = c && c->retryable && outcome == SIDEPOOL_OUTCOME_NOT_SENT;
	return e;
}

/* How the pool stood, for waits that failed. Lack of memory here loses only this. */
static void tell_pool(struct sidepool_error *e)
{
	Sidepool__V1__PoolState *pool = e->wire->pool;

	if (!pool)
		return;
	e->pool = table_of_message(&pool->base);
	e->holders = table_of_messages(&sidepool__v1__holder__descriptor, pool->n_holders,
				       (ProtobufCMessage *const *)pool->holders);
}

/* An outcome that this library does not know is not known. */
static enum sidepool_outcome outcome_of(const Sidepool__V1__Error *wire)
{
	const struct code *c = find_code((int)wire->code);

	switch (wire->outcome) {
	case SIDEPOOL__V1__OUTCOME__OUTCOME_UNSPECIFIED:
		return c ? c->outcome : SIDEPOOL_OUTCOME_UNKNOWN;
	case SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT:
		return SIDEPOOL_OUTCOME_NOT_SENT;
	case SIDEPOOL__V1__OUTCOME__OUTCOME_FAILED:
		return SIDEPOOL_OUTCOME_FAILED;
	default:
		return SIDEPOOL_OUTCOME_UNKNOWN;
	}
}

struct sidepool_error *error_parse(const uint8_t *data, size_t len, bool *ret_malformed)
{
	struct sidepool_error *e = calloc(1, sizeof(*e));

	*ret_malformed = false;
	if (!e)
		return NULL;
	e->wire = sidepool__v1__error__unpack(NULL, len, data);
	if (!e->wire) {
		*ret_malformed = true;
		free(e);
		return NULL;
	}
	e->code = (int)e->wire->code;
	e->outcome = outcome_of(e->wire);
	e->retryable = e->wire->retryable;
	e->message = e->wire->message;
	e->remedy = e->wire->remedy;
	e->sql = e->wire->sql;
	tell_pool(e);
	return e;
}

struct sidepool_error *error_parse_notice(const uint8_t *data, size_t len, bool *ret_malformed)
{
	struct sidepool_error *e = calloc(1, sizeof(*e));

	*ret_malformed = false;
	if (!e)
		return NULL;
	e->note = sidepool__v1__notice__unpack(NULL, len, data);
	if (!e->note) {
		*ret_malformed = true;
		free(e);
		return NULL;
	}
	e->sql = e->note->fields;
	e->message = e->sql ? e->sql->message : "";
	e->remedy = "";
	return e;
}

struct sidepool_error *error_free(struct sidepool_error *e)
{
	while (e && !e->fixed) {
		struct sidepool_error *next = e->next;

		if (e->wire)
			sidepool__v1__error__free_unpacked(e->wire, NULL);
		if (e->note)
			sidepool__v1__notice__free_unpacked(e->note, NULL);
		table_free(e->pool);
		table_free(e->holders);
		free(e->text);
		free(e);
		e = next;
	}
	return NULL;
}

int sidepool_error_code(const struct sidepool_error *e)
{
	return e ? e->code : SIDEPOOL_E_OK;
}

enum sidepool_outcome sidepool_error_outcome(const struct sidepool_error *e)
{
	return e ? e->outcome : SIDEPOOL_OUTCOME_UNSPECIFIED;
}

const char *sidepool_error_message(const struct sidepool_error *e)
{
	return e ? e->message : "";
}

const char *sidepool_error_remedy(const struct sidepool_error *e)
{
	return e ? e->remedy : "";
}

int sidepool_error_retryable(const struct sidepool_error *e)
{
	return e && e->retryable;
}

uint32_t sidepool_error_retry_after_ms(const struct sidepool_error *e)
{
	return e && e->wire ? e->wire->retry_after_ms : 0;
}

uint32_t sidepool_error_statement_index(const struct sidepool_error *e)
{
	return e && e->wire ? e->wire->statement_index : 0;
}

uint32_t sidepool_error_set_index(const struct sidepool_error *e)
{
	return e && e->wire ? e->wire->parameter_set_index : 0;
}

const char *sidepool_error_field(const struct sidepool_error *e, enum sidepool_field field)
{
	static const size_t offsets[] = {
		[SIDEPOOL_FIELD_SEVERITY] = offsetof(Sidepool__V1__SqlError, severity),
		[SIDEPOOL_FIELD_SQLSTATE] = offsetof(Sidepool__V1__SqlError, sqlstate),
		[SIDEPOOL_FIELD_MESSAGE] = offsetof(Sidepool__V1__SqlError, message),
		[SIDEPOOL_FIELD_DETAIL] = offsetof(Sidepool__V1__SqlError, detail),
		[SIDEPOOL_FIELD_HINT] = offsetof(Sidepool__V1__SqlError, hint),
		[SIDEPOOL_FIELD_INTERNAL_QUERY] = offsetof(Sidepool__V1__SqlError, internal_query),
		[SIDEPOOL_FIELD_WHERE] = offsetof(Sidepool__V1__SqlError, where),
		[SIDEPOOL_FIELD_SCHEMA] = offsetof(Sidepool__V1__SqlError, schema_name),
		[SIDEPOOL_FIELD_TABLE] = offsetof(Sidepool__V1__SqlError, table_name),
		[SIDEPOOL_FIELD_COLUMN] = offsetof(Sidepool__V1__SqlError, column_name),
		[SIDEPOOL_FIELD_DATA_TYPE] = offsetof(Sidepool__V1__SqlError, data_type_name),
		[SIDEPOOL_FIELD_CONSTRAINT] = offsetof(Sidepool__V1__SqlError, constraint_name),
		[SIDEPOOL_FIELD_SOURCE_FILE] = offsetof(Sidepool__V1__SqlError, source_file),
		[SIDEPOOL_FIELD_SOURCE_FUNCTION] =
			offsetof(Sidepool__V1__SqlError, source_function),
	};
	const char *text;

	if (!e || !e->sql || field < SIDEPOOL_FIELD_SEVERITY ||
	    (size_t)field >= sizeof(offsets) / sizeof(offsets[0]))
		return "";
	memcpy(&text, (const char *)e->sql + offsets[field], sizeof(text));
	return text;
}

const char *sidepool_error_sqlstate(const struct sidepool_error *e)
{
	return sidepool_error_field(e, SIDEPOOL_FIELD_SQLSTATE);
}

uint32_t sidepool_error_position(const struct sidepool_error *e)
{
	return e && e->sql ? e->sql->position : 0;
}

uint32_t sidepool_error_internal_position(const struct sidepool_error *e)
{
	return e && e->sql ? e->sql->internal_position : 0;
}

const struct sidepool_result *sidepool_error_pool(const struct sidepool_error *e)
{
	return e && e->pool ? &e->pool->result : NULL;
}

const struct sidepool_result *sidepool_error_holders(const struct sidepool_error *e)
{
	return e && e->holders ? &e->holders->result : NULL;
}
