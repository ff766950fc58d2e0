/* SPDX-License-Identifier: MIT */
#include "rpc/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/result.h"
#include "rpc/pb.h"
#include "sidepool/v1/error.pb-c.h"
#include "util/error.h"

struct code {
	enum sidepool_error_code code;
	const char *name;
	enum failure_outcome outcome;
	bool retryable;
	const char *sentence;
	const char *remedy;
};

#define FAILURE_OF_NOT_SENT FAILURE_NOT_SENT
#define FAILURE_OF_FAILED FAILURE_FAILED
#define FAILURE_OF_UNKNOWN FAILURE_UNKNOWN

static const struct code codes[] = {
#define SIDEPOOL_ERROR(number, name, outcome, retryable, sentence, remedy)                         \
	{ SIDEPOOL_E_##name, #name, FAILURE_OF_##outcome, retryable, sentence, remedy },
#include "../../proto/errors.def"
#undef SIDEPOOL_ERROR
};

static const struct code *find(enum sidepool_error_code code)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].code == code)
			return &codes[i];
	return find(SIDEPOOL_E_INTERNAL);
}

void failure_deinit(struct failure *f)
{
	buf_deinit(&f->sql);
	buf_deinit(&f->pool);
}

void failure_set(struct failure *f, enum sidepool_error_code code, const char *format, ...)
{
	va_list args;

	f->code = code;
	if (!format) {
		(void)snprintf(f->message, sizeof(f->message), "%s", find(code)->sentence);
		return;
	}
	va_start(args, format);
	(void)vsnprintf(f->message, sizeof(f->message), format, args);
	va_end(args);
}

void failure_set_sql(struct failure *f, const struct pg_result *error)
{
	struct pg_sql_error sql = pg_result_error(error);

	failure_set(f, SIDEPOOL_E_SQL_ERROR, "%s",
		    sql.message ? sql.message : "PostgreSQL gave no reason");
	(void)snprintf(f->sqlstate, sizeof(f->sqlstate), "%s", sql.sqlstate ? sql.sqlstate : "");
	f->fatal =
		sql.severity && (!strcmp(sql.severity, "FATAL") || !strcmp(sql.severity, "PANIC"));
	/* Serialization failures and deadlocks: the same transaction may succeed next time. */
	f->retryable = !strcmp(f->sqlstate, "40001") || !strcmp(f->sqlstate, "40P01");
	(void)failure_pack_sql(error, &f->sql);
}

enum failure_outcome failure_outcome_of(const struct failure *f)
{
	return f->outcome != FAILURE_OUTCOME_USUAL ? f->outcome : find(f->code)->outcome;
}

const char *failure_code_name(enum sidepool_error_code code)
{
	return find(code)->name;
}

enum {
	ERROR_CODE = 1,
	ERROR_OUTCOME = 2,
	ERROR_MESSAGE = 3,
	ERROR_REMEDY = 4,
	ERROR_RETRYABLE = 5,
	ERROR_RETRY_AFTER_MS = 6,
	ERROR_SQL = 7,
	ERROR_STATEMENT_INDEX = 8,
	ERROR_PARAMETER_SET_INDEX = 9,
	ERROR_POOL = 10,
	ERROR_FIXED_BYTES = 64, /* more than all numbers and heads take */
};

static uint64_t wire_outcome(const struct failure *f)
{
	switch (failure_outcome_of(f)) {
	case FAILURE_NOT_SENT:
		return SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT;
	case FAILURE_FAILED:
		return SIDEPOOL__V1__OUTCOME__OUTCOME_FAILED;
	default:
		return SIDEPOOL__V1__OUTCOME__OUTCOME_UNKNOWN;
	}
}

int failure_pack(const struct failure *f, struct buf *out)
{
	const struct code *c = find(f->code);
	size_t message = strlen(f->message), remedy = strlen(c->remedy);
	size_t n = ERROR_FIXED_BYTES + message + remedy + buf_len(&f->sql) + buf_len(&f->pool);
	uint8_t *from = buf_reserve(out, n), *at = from;

	if (!at)
		return err_raise(-ENOMEM);
	at = pb_uint(at, ERROR_CODE, f->code);
	at = pb_uint(at, ERROR_OUTCOME, wire_outcome(f));
	at = pb_bytes(at, ERROR_MESSAGE, f->message, message);
	at = pb_bytes(at, ERROR_REMEDY, c->remedy, remedy);
	at = pb_uint(at, ERROR_RETRYABLE,
		     (f->retryable || c->retryable) && failure_outcome_of(f) != FAILURE_UNKNOWN);
	at = pb_uint(at, ERROR_RETRY_AFTER_MS,
		     (uint32_t)MIN((f->retry_after_us + 999) / 1000, UINT32_MAX));
	at = pb_bytes(at, ERROR_SQL, buf_len(&f->sql) ? buf_at(&f->sql) : NULL, buf_len(&f->sql));
	at = pb_uint(at, ERROR_STATEMENT_INDEX, f->statement_index);
	at = pb_uint(at, ERROR_PARAMETER_SET_INDEX, f->parameter_set_index);
	at = pb_bytes(at, ERROR_POOL, buf_len(&f->pool) ? buf_at(&f->pool) : NULL,
		      buf_len(&f->pool));
	buf_added(out, (size_t)(at - from));
	return 0;
}

static uint32_t number(const char *s)
{
	return s ? (uint32_t)strtoul(s, NULL, 10) : 0;
}

/* protobuf-c does not write through the strings of a message that it packs. */
static char *text(const char *s)
{
	return s ? (char *)s : (char *)"";
}

int failure_pack_sql(const struct pg_result *result, struct buf *out)
{
	struct pg_sql_error e = pg_result_error(result);
	Sidepool__V1__SqlError m = SIDEPOOL__V1__SQL_ERROR__INIT;
	uint8_t *at;

	m.severity = text(e.severity);
	m.sqlstate = text(e.sqlstate);
	m.message = text(e.message);
	m.detail = text(e.detail);
	m.hint = text(e.hint);
	m.position = number(e.position);
	m.internal_position = number(e.internal_position);
	m.internal_query = text(e.internal_query);
	m.where = text(e.where);
	m.schema_name = text(e.schema_name);
	m.table_name = text(e.table_name);
	m.column_name = text(e.column_name);
	m.data_type_name = text(e.data_type_name);
	m.constraint_name = text(e.constraint_name);
	m.source_file = text(e.source_file);
	m.source_line = number(e.source_line);
	m.source_function = text(e.source_function);
	at = buf_reserve(out, sidepool__v1__sql_error__get_packed_size(&m));
	if (!at)
		return err_raise(-ENOMEM);
	buf_added(out, sidepool__v1__sql_error__pack(&m, at));
	return 0;
}
