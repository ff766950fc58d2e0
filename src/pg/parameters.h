/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The settings that PostgreSQL reports by itself (ParameterStatus,
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC), as they were at one
 * moment.
 */

#include <stdbool.h>
#include <stddef.h>

struct pg_conn;

enum {
	PG_PARAMETERS_N = 14,
	PG_PARAMETER_BYTES = 64,
};

struct pg_parameters {
	char values[PG_PARAMETERS_N][PG_PARAMETER_BYTES]; /* "": not reported */
};

const char *pg_parameter_name(size_t i);
void pg_parameters_take(struct pg_parameters *p, const struct pg_conn *conn);

/*
 * Whether the connection reports something else by now; application_name, which is ours to set,
 * does not count.
 */
bool pg_parameters_differ(const struct pg_parameters *p, const struct pg_conn *conn);
