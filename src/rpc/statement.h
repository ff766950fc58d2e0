/* SPDX-License-Identifier: MIT */
#pragma once
/* The statements of a message, checked and made ready for PostgreSQL. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sidepool/v1/statement.pb-c.h"

struct request;

/* What a statement may be where it stands. */
enum statement_place {
	STATEMENT_ALONE,  /* on any connection, autocommit: must not change the session */
	STATEMENT_LEASED, /* on a lease: anything */
};

/*
 * Fills r->texts and r->statements. False: the request has been answered with an error that names
 * the statement, and is gone.
 */
bool statements_take(struct request *r, Sidepool__V1__Statement *const *messages, size_t n,
		     enum statement_place place);

/*
 * The SQL of a message's bytes as a string in the request's arena. NULL: answered with an error.
 * `what` names the field.
 */
const char *statement_sql(struct request *r, const ProtobufCBinaryData *sql, const char *what);
