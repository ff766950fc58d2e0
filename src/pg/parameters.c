/* SPDX-License-Identifier: MIT */
#include "pg/parameters.h"

#include <stdio.h>
#include <string.h>

#include "pg/conn.h"
#include "util/macro.h"

static const char *const names[PG_PARAMETERS_N] = {
	"server_version",
	"server_encoding",
	"client_encoding",
	"is_superuser",
	"session_authorization",
	"DateStyle",
	"IntervalStyle",
	"TimeZone",
	"integer_datetimes",
	"standard_conforming_strings",
	"default_transaction_read_only",
	"in_hot_standby",
	"scram_iterations",
	"search_path",
};

const char *pg_parameter_name(size_t i)
{
	return names[i];
}

void pg_parameters_take(struct pg_parameters *p, const struct pg_conn *conn)
{
	for (size_t i = 0; i < PG_PARAMETERS_N; i++) {
		const char *value = pg_conn_parameter(conn, names[i]);

		(void)snprintf(p->values[i], sizeof(p->values[i]), "%s", value ? value : "");
	}
}

bool pg_parameters_differ(const struct pg_parameters *p, const struct pg_conn *conn)
{
	for (size_t i = 0; i < PG_PARAMETERS_N; i++) {
		const char *value = pg_conn_parameter(conn, names[i]);

		if (strncmp(p->values[i], value ? value : "", sizeof(p->values[i]) - 1) != 0)
			return true;
	}
	return false;
}
