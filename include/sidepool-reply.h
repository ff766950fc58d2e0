/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What comes back. A reply is the caller's from the moment that it has it, and stays valid after
 * sidepool_close(). Everything that these functions return points into the reply and lives as long
 * as it does. None of them blocks, and each takes NULL for what is not there: a NULL result has no
 * rows and no columns, a NULL error has code SIDEPOOL_E_OK and empty texts.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct sidepool_error;
struct sidepool_lease;
struct sidepool_reply;
struct sidepool_result;
struct sidepool_stream;

/*
 * Gives the reply back, from the thread that its handle belongs to; the memory serves the handle's
 * next one, so that a program in its stride allocates nothing. NULL is permitted. Returns NULL.
 */
struct sidepool_reply *sidepool_reply_free(struct sidepool_reply *reply);

/* Why the request failed; NULL: it did not. */
const struct sidepool_error *sidepool_error(const struct sidepool_reply *reply);

/* SIDEPOOL_E_OK, or the code of the reply's error: enum sidepool_error_code. */
int sidepool_code(const struct sidepool_reply *reply);

/*
 * A batch has one for each statement, a script one for each that has something to tell. result(0)
 * of a query is the one.
 */
size_t sidepool_results(const struct sidepool_reply *reply);
const struct sidepool_result *sidepool_result(const struct sidepool_reply *reply, size_t index);

/* The lease that the request took or renewed: returns 1 and sets it, or 0. */
int sidepool_reply_lease(const struct sidepool_reply *reply, struct sidepool_lease *ret_lease);

/* The result goes on: returns 1 and sets what to fetch from, or 0. */
int sidepool_reply_stream(const struct sidepool_reply *reply, struct sidepool_stream *ret_stream);

/* Of a lease, after this request; UNSPECIFIED on no lease. */
enum sidepool_transaction_status {
	SIDEPOOL_TRANSACTION_UNSPECIFIED = 0,
	SIDEPOOL_TRANSACTION_IDLE,
	SIDEPOOL_TRANSACTION_ACTIVE,
	SIDEPOOL_TRANSACTION_FAILED, /* only ROLLBACK is accepted */
};

enum sidepool_transaction_status sidepool_transaction_status(const struct sidepool_reply *reply);

/* What COPY TO STDOUT gave: NULL where the reply has none. */
const void *sidepool_copy_chunk(const struct sidepool_reply *reply, size_t *ret_bytes);

/*
 * NOTIFY messages that came to the lease's connection. Returns 1 and sets, or 0 beyond the last;
 * out-parameters may be NULL.
 */
int sidepool_notification(const struct sidepool_reply *reply, size_t index,
			  const char **ret_channel, const char **ret_payload,
			  uint32_t *ret_backend_pid);

/*
 * Settings of the lease's connection that PostgreSQL reported as changed (TimeZone, DateStyle, ...),
 * as they are now. Returns 1 and sets, or 0 beyond the last; out-parameters may be NULL.
 */
int sidepool_changed_parameter(const struct sidepool_reply *reply, size_t index,
			       const char **ret_name, const char **ret_value);

/*
 * How long the request waited for a connection, and from there to its answer, in microseconds, as
 * the daemon saw it.
 */
uint64_t sidepool_wait_us(const struct sidepool_reply *reply);
uint64_t sidepool_run_us(const struct sidepool_reply *reply);

/* ---- a result: rows and columns count from 0 ---- */

size_t sidepool_nrows(const struct sidepool_result *result);
size_t sidepool_nfields(const struct sidepool_result *result);

/* Of a column; "" and 0 where there is no such column. */
const char *sidepool_fname(const struct sidepool_result *result, size_t column);
uint32_t sidepool_ftype(const struct sidepool_result *result, size_t column); /* type OID */
int32_t sidepool_fmod(const struct sidepool_result *result,
		      size_t column); /* type modifier, -1: none */
int32_t sidepool_fsize(const struct sidepool_result *result,
		       size_t column); /* negative: variable */
uint32_t sidepool_ftable(const struct sidepool_result *result,
			 size_t column); /* table OID, 0: not of a table */
uint32_t sidepool_fcolumn(const struct sidepool_result *result,
			  size_t column); /* number in that table */

/* The first column of that name, compared byte by byte, or -1. */
int sidepool_fnumber(const struct sidepool_result *result, const char *name);

/* 0: the values are text, 1: binary. */
int sidepool_format(const struct sidepool_result *result);

/*
 * One value: sidepool_length() bytes, and behind them always a zero byte that does not count. NULL
 * beyond the last row or column and for an SQL NULL; sidepool_isnull() is 1 for both. Not aligned.
 */
const char *sidepool_value(const struct sidepool_result *result, size_t row, size_t column);
size_t sidepool_length(const struct sidepool_result *result, size_t row, size_t column);
int sidepool_isnull(const struct sidepool_result *result, size_t row, size_t column);

/* "INSERT 0 3" and its 3. "" and 0 until the result's last chunk. */
const char *sidepool_command_tag(const struct sidepool_result *result);
uint64_t sidepool_affected_rows(const struct sidepool_result *result);

/* Whether this result's rows go on in the stream's next reply. */
int sidepool_more(const struct sidepool_result *result);

/* Batch: which statement and which of its parameter sets. */
uint32_t sidepool_statement_index(const struct sidepool_result *result);
uint32_t sidepool_set_index(const struct sidepool_result *result);

/* Batch that is not atomic: why this statement failed; NULL: it did not. */
const struct sidepool_error *sidepool_result_error(const struct sidepool_result *result);

/* Warnings and messages of PostgreSQL, with the fields of an error; NULL beyond the last. */
const struct sidepool_error *sidepool_notice(const struct sidepool_result *result, size_t index);

/* ---- an error (or notice) ---- */

/* Which of three it was. */
enum sidepool_outcome {
	SIDEPOOL_OUTCOME_UNSPECIFIED = 0,
	SIDEPOOL_OUTCOME_NOT_SENT, /* PostgreSQL never saw it: safe to try again */
	SIDEPOOL_OUTCOME_FAILED,   /* it ended without effect */
	SIDEPOOL_OUTCOME_UNKNOWN,  /* sent, and the answer was lost: look before you repeat it */
};

int sidepool_error_code(const struct sidepool_error *error); /* enum sidepool_error_code */
enum sidepool_outcome sidepool_error_outcome(const struct sidepool_error *error);
const char *sidepool_error_message(
	const struct sidepool_error *error); /* what happened, in a sentence */
const char *sidepool_error_remedy(
	const struct sidepool_error *error); /* what to do about it; may be "" */
int sidepool_error_retryable(
	const struct sidepool_error *error); /* trying the same again may work ... */
uint32_t sidepool_error_retry_after_ms(
	const struct sidepool_error *error); /* ... but not before; 0: no advice */
uint32_t sidepool_error_statement_index(const struct sidepool_error *error);
uint32_t sidepool_error_set_index(const struct sidepool_error *error);

/*
 * The fields of PostgreSQL's own report, "" where it sent none:
 * https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
enum sidepool_field {
	SIDEPOOL_FIELD_SEVERITY = 1, /* not localized */
	SIDEPOOL_FIELD_SQLSTATE,
	SIDEPOOL_FIELD_MESSAGE,
	SIDEPOOL_FIELD_DETAIL,
	SIDEPOOL_FIELD_HINT,
	SIDEPOOL_FIELD_INTERNAL_QUERY,
	SIDEPOOL_FIELD_WHERE,
	SIDEPOOL_FIELD_SCHEMA,
	SIDEPOOL_FIELD_TABLE,
	SIDEPOOL_FIELD_COLUMN,
	SIDEPOOL_FIELD_DATA_TYPE,
	SIDEPOOL_FIELD_CONSTRAINT,
	SIDEPOOL_FIELD_SOURCE_FILE,
	SIDEPOOL_FIELD_SOURCE_FUNCTION,
};

const char *sidepool_error_field(const struct sidepool_error *error, enum sidepool_field field);
const char *sidepool_error_sqlstate(const struct sidepool_error *error);
uint32_t sidepool_error_position(
	const struct sidepool_error *error); /* in characters from 1; 0: none */
uint32_t sidepool_error_internal_position(const struct sidepool_error *error);

/*
 * Waits that failed: how the pool stood, in one row (pool, in_use, limit, waiting, waited_ms), and
 * who held its connections longest, at most 5 (Holder in proto/sidepool/v1); NULL where unknown.
 */
const struct sidepool_result *sidepool_error_pool(const struct sidepool_error *error);
const struct sidepool_result *sidepool_error_holders(const struct sidepool_error *error);

/*
 * Of a code: "QUEUE_FULL", and its sentence. "UNKNOWN" and "" for a number that this library does
 * not know. Static.
 */
const char *sidepool_code_name(int code);
const char *sidepool_code_sentence(int code);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
