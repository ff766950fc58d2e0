/* SPDX-License-Identifier: MIT */
/*
 * The counterpart of stream.c: the same rows by libpq in single-row mode, straight from PostgreSQL.
 * One connection, one thread, one result after the other.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "latency.h"
#include "options.h"
#include "report.h"
#include "stream.h"
#include "workload.h"

static void add_rows(struct stream_sum *sum, const PGresult *result)
{
	int n = PQntuples(result);

	for (int row = 0; row < n; row++)
		for (int column = 0; column < STREAM_COLUMNS; column++)
			stream_add(sum,
				   PQgetisnull(result, row, column)
					   ? NULL
					   : PQgetvalue(result, row, column),
				   (uint64_t)PQgetlength(result, row, column));
	sum->rows += (uint64_t)n;
}

/* Reads the table once. Returns 0, or -1 with the reason on stderr. */
static int read_all(PGconn *connection)
{
	struct stream_sum sum = { 0 };
	PGresult *result;
	int r = 0;

	if (!PQsendQueryParams(connection, STREAM_SQL, 0, NULL, NULL, NULL, NULL, 0) ||
	    !PQsetSingleRowMode(connection))
		r = -1;
	while ((result = PQgetResult(connection))) {
		if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
			add_rows(&sum, result);
		else if (PQresultStatus(result) != PGRES_TUPLES_OK)
			r = -1;
		PQclear(result);
	}
	if (r < 0 || sum.rows != STREAM_ROWS) {
		(void)fprintf(stderr, "sidepool-bench: %ju rows have come. %s", (uintmax_t)sum.rows,
			      PQerrorMessage(connection));
		return -1;
	}
	return 0;
}

static int measure(const struct options *o, PGconn *connection, struct latency *l)
{
	uint64_t start = clock_ns(), measure = start + (uint64_t)(o->warmup_seconds * 1e9);
	uint64_t end = measure + (uint64_t)(o->seconds * 1e9), now = start, begun;

	for (uint64_t n = 0; o->requests ? n < o->requests : now < end; n++) {
		begun = now;
		if (read_all(connection) < 0)
			return -1;
		now = clock_ns();
		if (begun >= measure)
			latency_record(l, now - begun);
	}
	report_print(o, &(struct report){
				.name = "stream-libpq",
				.done = l->count,
				.seconds = l->sum_ns / 1e9,
				.error = "",
				.latency = l,
			});
	return 0;
}

int stream_libpq(const struct options *o)
{
	static struct latency latency;
	PGconn *connection = PQconnectdb(o->conninfo);
	int r;

	if (PQstatus(connection) != CONNECTION_OK) {
		(void)fprintf(stderr, "sidepool-bench: %s", PQerrorMessage(connection));
		PQfinish(connection);
		return EXIT_FAILURE;
	}
	r = measure(o, connection, &latency);
	PQfinish(connection);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
