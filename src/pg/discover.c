/* SPDX-License-Identifier: MIT */
#include "pg/discover.h"

#include <stdlib.h>

#include "core/settings.h"
#include "pg/result.h"
#include "util/macro.h"

/*
 * Slots that a role like ours may take: superusers may take the reserved ones as well;
 * reserved_connections came with PostgreSQL 16.
 * https://www.postgresql.org/docs/current/runtime-config-connection.html
 */
const char *pg_discover_sql(void)
{
	return "SELECT current_setting('max_connections')::int"
	       " - CASE WHEN r.rolsuper THEN 0"
	       " ELSE current_setting('superuser_reserved_connections')::int"
	       " + coalesce(current_setting('reserved_connections', true)::int, 0) END,"
	       " r.rolconnlimit, d.datconnlimit,"
	       " (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'client backend')"
	       " FROM pg_catalog.pg_roles r, pg_catalog.pg_database d"
	       " WHERE r.rolname = current_user AND d.datname = current_database()";
}

static uint32_t number(const struct pg_result *row, int column)
{
	long n = strtol(pg_result_value(row, 0, column), NULL, 10);

	return n > 0 ? (uint32_t)n : 0;
}

void pg_discover_read(const struct pg_result *row, uint32_t own, struct server_limits *ret_limits)
{
	uint32_t all = number(row, 3);

	*ret_limits = (struct server_limits){
		.max_connections = number(row, 0),
		.role_limit = number(row, 1),
		.database_limit = number(row, 2),
		.others = all > own ? all - own : 0,
	};
}
