/* SPDX-License-Identifier: MIT */
#pragma once
/* Why a request failed, on its way to the client. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sidepool-errors.h"
#include "util/buf.h"
#include "util/macro.h"

struct pg_result;

enum failure_outcome {
	FAILURE_OUTCOME_USUAL, /* what errors.def says of the code */
	FAILURE_NOT_SENT,
	FAILURE_FAILED,
	FAILURE_UNKNOWN,
};

struct failure {
	enum sidepool_error_code code; /* 0: none */
	enum failure_outcome outcome;
	char message[512];
	usec retry_after_us;
	bool retryable; /* although the code is not */
	uint32_t statement_index;
	uint32_t parameter_set_index;
	char sqlstate[6];
	bool fatal;      /* the server ended the session with it */
	struct buf sql;  /* owned: a packed SqlError, or empty */
	struct buf pool; /* owned: a packed PoolState, or empty */
};

void failure_deinit(struct failure *f);

/* Sets it, with the usual sentence where `format` is NULL. */
void failure_set(struct failure *f, enum sidepool_error_code code, const char *format, ...)
	printf_like(3, 4);

/* What PostgreSQL said. */
void failure_set_sql(struct failure *f, const struct pg_result *error);

/* Which of three it was, resolved. */
enum failure_outcome failure_outcome_of(const struct failure *f);

const char *failure_code_name(enum sidepool_error_code code);

/* Appends the packed sidepool.v1.Error, without tag and length. Returns 0 or -ENOMEM. */
int failure_pack(const struct failure *f, struct buf *out);

/* Appends a packed SqlError with the fields of an error or a notice. Returns 0 or -ENOMEM. */
int failure_pack_sql(const struct pg_result *result, struct buf *out);
