/* SPDX-License-Identifier: MIT */
/* What a result of the fake libpq says; out of its bounds it is NULL, as with libpq itself. */
#include <stdlib.h>
#include <string.h>

#include "fake-pq-internal.h"

ExecStatusType PQresultStatus(const PGresult *r)
{
	return r ? r->status : PGRES_FATAL_ERROR;
}

void PQclear(PGresult *r)
{
	fake_counts.results -= r != NULL;
	free(r);
}

int PQnfields(const PGresult *r)
{
	return r->status == PGRES_COPY_IN || r->status == PGRES_COPY_OUT ? 1 : r->n_columns;
}

int PQntuples(const PGresult *r)
{
	return r->n_rows;
}

int PQbinaryTuples(const PGresult *r)
{
	(void)r;
	return 0;
}

char *PQfname(const PGresult *r, int i)
{
	return i < PQnfields(r) ? (char *)"column" : NULL;
}

Oid PQftable(const PGresult *r, int i)
{
	(void)r;
	(void)i;
	return 0;
}

int PQftablecol(const PGresult *r, int i)
{
	(void)r;
	(void)i;
	return 0;
}

int PQfformat(const PGresult *r, int i)
{
	(void)r;
	(void)i;
	return 0;
}

Oid PQftype(const PGresult *r, int i)
{
	(void)r;
	(void)i;
	return 23;
}

int PQfsize(const PGresult *r, int i)
{
	(void)r;
	(void)i;
	return 4;
}

int PQfmod(const PGresult *r, int i)
{
	(void)r;
	(void)i;
	return -1;
}

static int is_there(const PGresult *r, int row, int column)
{
	return row < r->n_rows && column < r->n_columns;
}

char *PQgetvalue(const PGresult *r, int row, int column)
{
	return is_there(r, row, column) ? (char *)r->value : NULL;
}

int PQgetlength(const PGresult *r, int row, int column)
{
	return is_there(r, row, column) ? (int)strlen(r->value) : 0;
}

size_t PQresultMemorySize(const PGresult *r)
{
	return (size_t)r->n_rows * (size_t)r->n_columns * (strlen(r->value) + 1);
}

int PQgetisnull(const PGresult *r, int row, int column)
{
	return !is_there(r, row, column);
}

char *PQcmdStatus(PGresult *r)
{
	return r->tag;
}

char *PQcmdTuples(PGresult *r)
{
	char *number = strrchr(r->tag, ' ');

	return number ? number + 1 : (char *)"";
}

char *PQresultErrorField(const PGresult *r, int field)
{
	switch (field) {
	case PG_DIAG_SQLSTATE:
		return (char *)r->sqlstate;
	case PG_DIAG_SEVERITY:
	case PG_DIAG_SEVERITY_NONLOCALIZED:
		return (char *)r->severity;
	case PG_DIAG_MESSAGE_PRIMARY:
		return (char *)r->message;
	default:
		return NULL;
	}
}
