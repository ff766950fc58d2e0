/* SPDX-License-Identifier: MIT */
#include "pg/result.h"

#include <libpq-fe.h>
#include <stdlib.h>

int pg_result_n_columns(const struct pg_result *r)
{
	return PQnfields(r);
}

int pg_result_n_rows(const struct pg_result *r)
{
	return PQntuples(r);
}

void pg_result_column(const struct pg_result *r, int i, struct pg_column *ret_column)
{
	*ret_column = (struct pg_column){
		.name = PQfname(r, i),
		.type_oid = PQftype(r, i),
		.type_modifier = PQfmod(r, i),
		.table_oid = PQftable(r, i),
		.column_number = (uint32_t)PQftablecol(r, i),
		.type_bytes = PQfsize(r, i),
	};
}

int pg_result_format(const struct pg_result *r)
{
	return PQbinaryTuples(r);
}

int pg_result_column_format(const struct pg_result *r, int i)
{
	return PQfformat(r, i);
}

const char *pg_result_value(const struct pg_result *r, int row, int column)
{
	const char *value = PQgetvalue(r, row, column);

	return value ? value : ""; /* a server that sends fewer columns than it was asked for */
}

bool pg_result_is_copy_in(const struct pg_result *r)
{
	return PQresultStatus(r) == PGRES_COPY_IN;
}

const char *pg_result_tag(const struct pg_result *r)
{
	return PQcmdStatus((PGresult *)r);
}

uint64_t pg_result_affected(const struct pg_result *r)
{
	return strtoull(PQcmdTuples((PGresult *)r), NULL, 10);
}

struct pg_sql_error pg_result_error(const struct pg_result *r)
{
	return (struct pg_sql_error){
		.severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED),
		.sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE),
		.message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY),
		.detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL),
		.hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT),
		.position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION),
		.internal_position = PQresultErrorField(r, PG_DIAG_INTERNAL_POSITION),
		.internal_query = PQresultErrorField(r, PG_DIAG_INTERNAL_QUERY),
		.where = PQresultErrorField(r, PG_DIAG_CONTEXT),
		.schema_name = PQresultErrorField(r, PG_DIAG_SCHEMA_NAME),
		.table_name = PQresultErrorField(r, PG_DIAG_TABLE_NAME),
		.column_name = PQresultErrorField(r, PG_DIAG_COLUMN_NAME),
		.data_type_name = PQresultErrorField(r, PG_DIAG_DATATYPE_NAME),
		.constraint_name = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME),
		.source_file = PQresultErrorField(r, PG_DIAG_SOURCE_FILE),
		.source_line = PQresultErrorField(r, PG_DIAG_SOURCE_LINE),
		.source_function = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION),
	};
}

static uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ (h >> 29);
}

uint64_t pg_result_columns_id(const struct pg_result *r)
{
	int n = PQnfields(r);
	uint64_t h = (uint64_t)n + 1;

	if (n == 0)
		return 0;
	for (int i = 0; i < n; i++) {
		for (const char *c = PQfname(r, i); *c; c++)
			h = mix(h, (unsigned char)*c);
		h = mix(h, (uint64_t)PQftype(r, i) << 32 | (uint32_t)PQfmod(r, i));
		h = mix(h, (uint64_t)PQftable(r, i) << 32 | (uint32_t)PQftablecol(r, i));
		h = mix(h, (uint64_t)PQfformat(r, i));
	}
	return h ? h : 1;
}
