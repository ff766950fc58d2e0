/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a PGresult says, for those who must not include libpq. All strings live as long as the
 * result.
 */

#include <stdbool.h>
#include <stdint.h>

struct pg_result; /* libpq's PGresult */

struct pg_column {
	const char *name;
	uint32_t type_oid;
	int32_t type_modifier;
	uint32_t table_oid;
	uint32_t column_number;
	int32_t type_bytes;
};

/* The fields of ErrorResponse and NoticeResponse; NULL where the server sent none. */
struct pg_sql_error {
	const char *severity; /* not localized */
	const char *sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
	const char *position;
	const char *internal_position;
	const char *internal_query;
	const char *where;
	const char *schema_name;
	const char *table_name;
	const char *column_name;
	const char *data_type_name;
	const char *constraint_name;
	const char *source_file;
	const char *source_line;
	const char *source_function;
};

int pg_result_n_columns(const struct pg_result *r);
int pg_result_n_rows(const struct pg_result *r);
void pg_result_column(const struct pg_result *r, int i, struct pg_column *ret_column);
/* 0 text, 1 binary: of every column of a query, or of the whole of a COPY. */
int pg_result_format(const struct pg_result *r);
/* A COPY's column i. */
int pg_result_column_format(const struct pg_result *r, int i);
/* The value's text; "" for NULL. */
const char *pg_result_value(const struct pg_result *r, int row, int column);
/* Whether a COPY goes in, rather than out. */
bool pg_result_is_copy_in(const struct pg_result *r);
const char *pg_result_tag(const struct pg_result *r);
/* The number in the tag; 0 if it has none. */
uint64_t pg_result_affected(const struct pg_result *r);
struct pg_sql_error pg_result_error(const struct pg_result *r);

/* A number that differs where the columns differ in name, type or format; 0 without columns. */
uint64_t pg_result_columns_id(const struct pg_result *r);
