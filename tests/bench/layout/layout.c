/* SPDX-License-Identifier: MIT */
/*
 * How fast each layout is made from a PGresult and read in place, every value touched once:
 * nanoseconds per value. A needs one pass to make and one to read; B and C need the lengths first,
 * and an index for random access in every case.
 */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t sum;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static PGresult *make(int rows, int columns)
{
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc *d = calloc((size_t)columns, sizeof(*d));
	char text[32];

	for (int c = 0; c < columns; c++)
		d[c].name = (char *)"column";
	PQsetResultAttrs(r, columns, d);
	for (int i = 0; i < rows; i++)
		for (int c = 0; c < columns; c++)
			PQsetvalue(r, i, c, text,
				   snprintf(text, sizeof(text), c % 3 ? "text value %d" : "%d",
					    i * 7 + c));
	free(d);
	return r;
}

static uint8_t *put(uint8_t *out, const void *p, size_t n)
{
	memcpy(out, p, n);
	return out + n;
}

static uint8_t *encode(char layout, uint8_t *out, PGresult *r, uint8_t *aside)
{
	int rows = PQntuples(r), columns = PQnfields(r);
	uint8_t *data = aside;

	for (int a = 0; a < (layout == 'B' ? columns : rows); a++) {
		for (int b = 0; b < (layout == 'B' ? rows : columns); b++) {
			int row = layout == 'B' ? b : a, column = layout == 'B' ? a : b;
			int32_t n = PQgetlength(r, row, column);

			out = put(out, &n, sizeof(n));
			if (layout == 'A')
				out = put(out, PQgetvalue(r, row, column), (size_t)n);
			else
				data = put(data, PQgetvalue(r, row, column), (size_t)n);
		}
		if (layout == 'B') {
			out = put(out, aside, (size_t)(data - aside));
			data = aside;
		}
	}
	return layout == 'C' ? put(out, aside, (size_t)(data - aside)) : out;
}

static void touch(const uint8_t *p, int32_t n)
{
	sum += n > 0 ? p[0] + p[n - 1] : 0;
}

static void decode(char layout, const uint8_t *p, int rows, int columns)
{
	int outer = layout == 'B' ? columns : 1, inner = layout == 'B' ? rows : rows * columns;
	int32_t n;

	for (int o = 0; o < outer; o++) {
		const uint8_t *data = p + 4 * (size_t)inner;

		for (int i = 0; i < inner; i++) {
			memcpy(&n, layout == 'A' ? p : p + 4 * (size_t)i, sizeof(n));
			touch(layout == 'A' ? p + 4 : data, n);
			if (layout == 'A')
				p += 4 + n;
			else
				data += n;
		}
		p = data;
	}
}

static int compare(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) -
	       (*(const double *)a < *(const double *)b);
}

static double timed(char layout, PGresult *r, uint8_t *buffer, uint8_t *aside, int reading)
{
	int rows = PQntuples(r), columns = PQnfields(r);
	long count = 20000000L / (rows * columns + 20);
	double started = now();

	for (long i = 0; i < count; i++) {
		if (reading)
			decode(layout, buffer, rows, columns);
		else
			sum += *encode(layout, buffer, r, aside);
	}
	return (now() - started) / (double)count / rows / columns;
}

int main(void)
{
	static const int shapes[][2] = { { 1, 1 }, { 1, 4 }, { 1000, 5 }, { 100, 50 } };
	static uint8_t buffer[1 << 20], aside[1 << 20];

	for (size_t s = 0; s < 4; s++) {
		PGresult *r = make(shapes[s][0], shapes[s][1]);
		double took[2][3][3];

		for (int round = 0; round < 3; round++)
			for (int l = 0; l < 3; l++)
				for (int reading = 0; reading < 2; reading++)
					took[reading][l][round] =
						timed("ABC"[l], r, buffer, aside, reading);
		for (int reading = 0; reading < 2; reading++) {
			printf("c %-5s %5d x %2d ", reading ? "read" : "make", shapes[s][0],
			       shapes[s][1]);
			for (int l = 0; l < 3; l++) {
				qsort(took[reading][l], 3, sizeof(double), compare);
				printf(" %c %7.1f ", "ABC"[l], took[reading][l][1]);
			}
			printf(" ns/value\n");
		}
		PQclear(r);
	}
	return sum == 0;
}
