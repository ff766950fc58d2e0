/* SPDX-License-Identifier: MIT */
/*
 * What each layout costs in C: made from one PGresult with all rows, made from one PGresult a row
 * as single-row mode hands them out (without libpq's own work), read through in
 * place, indexed for random access, and read at random through that index. Nanoseconds of this
 * thread's processor time per value. "A>" is A with big-endian lengths.
 *
 * Row by row, A has one buffer, C two, and B two for each column; what is full is sent by one
 * writev (to /dev/null: the same for all but for the number of pieces, and no copy).
 */
#include <assert.h>
#include <endian.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "shapes.h"

#ifdef NDEBUG
#error "the checks of this program are asserts"
#endif

enum {
	ROUNDS = 11,
	N_LAYOUTS = 4,
	MAX_COLUMNS = 50,
	MAX_BYTES = 4 << 20,
};

enum work {
	MAKE,
	MAKE_ROWS,
	READ,
	INDEX,
	RANDOM,
	N_WORKS,
};

static const char *const layouts[N_LAYOUTS] = { "A", "B", "C", "A>" };
static const char *const works[N_WORKS] = { "make", "make-rows", "read", "index", "random" };

struct bench {
	PGresult *whole, **each; /* owned */
	int rows, columns;
	uint8_t *wire, *aside;         /* owned */
	uint8_t *lanes[MAX_COLUMNS];   /* owned: values of a column, for B row by row */
	int32_t *lengths[MAX_COLUMNS]; /* owned */
	uint32_t *index, *order;       /* owned; where each value starts; a shuffle of all */
	int null_fd;
};

static uint64_t sum;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint8_t *put(uint8_t *out, const void *p, size_t n)
{
	memcpy(out, p, n);
	return out + n;
}

static int32_t length_of(const PGresult *r, int row, int column)
{
	int32_t n = PQgetlength(r, row, column);

	return n == 0 && PQgetisnull(r, row, column) ? -1 : n;
}

static uint8_t *put_value(uint8_t *out, const PGresult *r, int row, int column, int32_t n)
{
	return n > 0 ? put(out, PQgetvalue(r, row, column), (size_t)n) : out;
}

static uint8_t *put_row_a(uint8_t *out, const PGresult *r, int row, int columns, int big)
{
	for (int c = 0; c < columns; c++) {
		int32_t n = length_of(r, row, c);
		uint32_t wire = big ? htobe32((uint32_t)n) : htole32((uint32_t)n);

		out = put(out, &wire, sizeof(wire));
		out = put_value(out, r, row, c, n);
	}
	return out;
}

static size_t make_a(struct bench *b, int big)
{
	uint8_t *out = b->wire;

	for (int row = 0; row < b->rows; row++)
		out = put_row_a(out, b->whole, row, b->columns, big);
	return (size_t)(out - b->wire);
}

/* With all rows at hand B and C need nothing aside: where the values begin is known. */
static size_t make_b(struct bench *b)
{
	uint8_t *lengths = b->wire, *out = b->wire;

	for (int c = 0; c < b->columns; c++) {
		lengths = out;
		out += 4 * (size_t)b->rows;
		for (int row = 0; row < b->rows; row++) {
			int32_t n = length_of(b->whole, row, c);

			lengths = put(lengths, &n, sizeof(n));
			out = put_value(out, b->whole, row, c, n);
		}
	}
	return (size_t)(out - b->wire);
}

static size_t make_c(struct bench *b)
{
	uint8_t *lengths = b->wire, *out = b->wire + 4 * (size_t)b->rows * (size_t)b->columns;

	for (int row = 0; row < b->rows; row++) {
		for (int c = 0; c < b->columns; c++) {
			int32_t n = length_of(b->whole, row, c);

			lengths = put(lengths, &n, sizeof(n));
			out = put_value(out, b->whole, row, c, n);
		}
	}
	return (size_t)(out - b->wire);
}

static size_t make(struct bench *b, int layout)
{
	if (layout == 1)
		return make_b(b);
	return layout == 2 ? make_c(b) : make_a(b, layout == 3);
}

static void send_pieces(struct bench *b, struct iovec *pieces, int n)
{
	ssize_t written = writev(b->null_fd, pieces, n);

	assert(written >= 0);
	sum += (uint64_t)written;
}

static void make_rows_a(struct bench *b, int big)
{
	uint8_t *out = b->wire;

	for (int row = 0; row < b->rows; row++)
		out = put_row_a(out, b->each[row], 0, b->columns, big);
	send_pieces(b, &(struct iovec){ b->wire, (size_t)(out - b->wire) }, 1);
}

static void make_rows_b(struct bench *b)
{
	struct iovec pieces[2 * MAX_COLUMNS];
	uint8_t *ends[MAX_COLUMNS];

	memcpy(ends, b->lanes, sizeof(ends));
	for (int row = 0; row < b->rows; row++) {
		for (int c = 0; c < b->columns; c++) {
			int32_t n = length_of(b->each[row], 0, c);

			b->lengths[c][row] = n;
			ends[c] = put_value(ends[c], b->each[row], 0, c, n);
		}
	}
	for (int c = 0; c < b->columns; c++) {
		pieces[2 * c] = (struct iovec){ b->lengths[c], 4 * (size_t)b->rows };
		pieces[2 * c + 1] = (struct iovec){ b->lanes[c], (size_t)(ends[c] - b->lanes[c]) };
	}
	send_pieces(b, pieces, 2 * b->columns);
}

static void make_rows_c(struct bench *b)
{
	uint8_t *lengths = b->wire, *out = b->aside;

	for (int row = 0; row < b->rows; row++) {
		for (int c = 0; c < b->columns; c++) {
			int32_t n = length_of(b->each[row], 0, c);

			lengths = put(lengths, &n, sizeof(n));
			out = put_value(out, b->each[row], 0, c, n);
		}
	}
	send_pieces(b,
		    (struct iovec[]){ { b->wire, (size_t)(lengths - b->wire) },
				      { b->aside, (size_t)(out - b->aside) } },
		    2);
}

static void make_rows(struct bench *b, int layout)
{
	if (layout == 1)
		make_rows_b(b);
	else if (layout == 2)
		make_rows_c(b);
	else
		make_rows_a(b, layout == 3);
}

static int32_t get(const uint8_t *p, int big)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return (int32_t)(big ? be32toh(n) : le32toh(n));
}

static void touch(const uint8_t *p, int32_t n)
{
	sum += n > 0 ? (uint64_t)p[0] + p[n - 1] : (uint64_t)n;
}

/* `index` is NULL where the values are only read, each at its first and last byte. */
static inline void walk_a(const struct bench *b, uint32_t *index, int big)
{
	const uint8_t *p = b->wire;

	for (int i = 0; i < b->rows * b->columns; i++) {
		int32_t n = get(p, big);

		p += 4;
		if (index)
			index[i] = (uint32_t)(p - b->wire);
		else
			touch(p, n);
		p += n > 0 ? n : 0;
	}
}

/* In B one column of `rows` values, `step` apart in the index; in C all values as one column. */
static inline uint32_t walk_lane(const struct bench *b, uint32_t at, uint32_t count,
				 uint32_t *index, uint32_t step)
{
	const uint8_t *lengths = b->wire + at;
	uint32_t data = at + 4 * count;

	for (uint32_t i = 0; i < count; i++) {
		int32_t n = get(lengths + 4 * (size_t)i, 0);

		if (index)
			index[(size_t)i * step] = data;
		else
			touch(b->wire + data, n);
		data += n > 0 ? (uint32_t)n : 0;
	}
	return data;
}

static inline void walk(const struct bench *b, int layout, uint32_t *index)
{
	uint32_t at = 0;

	if (layout == 0)
		walk_a(b, index, 0);
	else if (layout == 3)
		walk_a(b, index, 1);
	else if (layout == 2)
		walk_lane(b, 0, (uint32_t)(b->rows * b->columns), index, 1);
	else
		for (int c = 0; c < b->columns; c++)
			at = walk_lane(b, at, (uint32_t)b->rows, index ? index + c : NULL,
				       (uint32_t)b->columns);
}

static void value_at(const struct bench *b, int layout, uint32_t i, const uint8_t **ret_p,
		     int32_t *ret_n)
{
	uint32_t columns = (uint32_t)b->columns, row = i / columns, column = i % columns;
	const uint8_t *p = b->wire + b->index[i];

	*ret_p = p;
	if (layout == 2)
		*ret_n = get(b->wire + 4 * (size_t)i, 0);
	else if (layout == 1) /* the first value of a column lies behind its lengths */
		*ret_n = get(b->wire + b->index[column] - 4 * (size_t)b->rows + 4 * (size_t)row, 0);
	else
		*ret_n = get(p - 4, layout == 3);
}

static void read_random(const struct bench *b, int layout)
{
	const uint8_t *p;
	int32_t n;

	for (int i = 0; i < b->rows * b->columns; i++) {
		value_at(b, layout, b->order[i], &p, &n);
		touch(p, n);
	}
}

static void run_once(struct bench *b, int layout, enum work work)
{
	if (work == MAKE)
		sum += make(b, layout);
	else if (work == MAKE_ROWS)
		make_rows(b, layout);
	else if (work == READ)
		walk(b, layout, NULL);
	else if (work == INDEX)
		walk(b, layout, b->index);
	else
		read_random(b, layout);
}

/* Each layout is read back value by value against the PGresult before it is timed. */
static void check(struct bench *b, int layout)
{
	const uint8_t *p;
	int32_t n;

	make(b, layout);
	walk(b, layout, b->index);
	for (int i = 0; i < b->rows * b->columns; i++) {
		int row = i / b->columns, column = i % b->columns;

		value_at(b, layout, (uint32_t)i, &p, &n);
		assert(n == length_of(b->whole, row, column));
		assert(n < 1 || !memcmp(p, PQgetvalue(b->whole, row, column), (size_t)n));
	}
}

static double timed(struct bench *b, int layout, enum work work, long count)
{
	double started;

	make(b, layout);
	walk(b, layout, b->index);
	run_once(b, layout, work);
	started = now_ns();
	for (long i = 0; i < count; i++)
		run_once(b, layout, work);
	return (now_ns() - started) / (double)count / b->rows / b->columns;
}

static int compare(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) -
	       (*(const double *)a < *(const double *)b);
}

static void measure(struct bench *b, const char *shape, enum work work)
{
	double took[N_LAYOUTS][ROUNDS];
	long count = 1;

	while (timed(b, 0, work, count) * (double)count * b->rows * b->columns < 2e6)
		count *= 2;
	/* Interleaved: what disturbs one disturbs all. */
	for (int round = 0; round < ROUNDS; round++)
		for (int l = 0; l < N_LAYOUTS; l++)
			took[l][round] = timed(b, l, work, count);
	printf("c\t%s\t%s", works[work], shape);
	for (int l = 0; l < N_LAYOUTS; l++) {
		double *t = took[l];

		qsort(t, ROUNDS, sizeof(double), compare);
		printf("\t%s %.2f ±%.0f%%", layouts[l], t[ROUNDS / 2],
		       100 * (t[ROUNDS * 3 / 4] - t[ROUNDS / 4]) / 2 / t[ROUNDS / 2]);
	}
	printf("\n");
}

static PGresult *result_new(const struct shape *s, int from, int rows)
{
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc d[MAX_COLUMNS] = { 0 };
	char *text = malloc(MAX_BYTES);
	int n;

	assert(r && text);
	for (int c = 0; c < s->columns; c++)
		d[c].name = (char *)"column";
	assert(PQsetResultAttrs(r, s->columns, d));
	for (int row = 0; row < rows; row++)
		for (int c = 0; c < s->columns; c++) {
			n = shape_value(s, from + row, c, text);
			assert(PQsetvalue(r, row, c, n < 0 ? NULL : text, n));
		}
	free(text);
	return r;
}

static void shuffle(uint32_t *order, uint32_t n)
{
	uint64_t state = 42;

	for (uint32_t i = 0; i < n; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		uint32_t j = (uint32_t)((state >> 33) % (i + 1));

		order[i] = order[j];
		order[j] = i;
	}
}

static void bench_init(struct bench *b, const struct shape *s)
{
	size_t n = (size_t)s->rows * (size_t)s->columns;

	*b = (struct bench){ .rows = s->rows, .columns = s->columns };
	b->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	b->whole = result_new(s, 0, s->rows);
	b->each = calloc((size_t)s->rows, sizeof(*b->each));
	b->wire = malloc(MAX_BYTES);
	b->aside = malloc(MAX_BYTES);
	b->index = calloc(n, sizeof(*b->index));
	b->order = calloc(n, sizeof(*b->order));
	assert(b->null_fd >= 0 && b->each && b->wire && b->aside && b->index && b->order);
	for (int row = 0; row < s->rows; row++)
		b->each[row] = result_new(s, row, 1);
	for (int c = 0; c < s->columns; c++) {
		b->lanes[c] = malloc(MAX_BYTES);
		b->lengths[c] = calloc((size_t)s->rows, sizeof(int32_t));
		assert(b->lanes[c] && b->lengths[c]);
	}
	shuffle(b->order, (uint32_t)n);
}

static void bench_deinit(struct bench *b)
{
	PQclear(b->whole);
	for (int row = 0; row < b->rows; row++)
		PQclear(b->each[row]);
	for (int c = 0; c < b->columns; c++) {
		free(b->lanes[c]);
		free(b->lengths[c]);
	}
	free(b->each);
	free(b->wire);
	free(b->aside);
	free(b->index);
	free(b->order);
}

int main(void)
{
	struct bench b;

	for (size_t s = 0; s < N_SHAPES; s++) {
		bench_init(&b, &shapes[s]);
		for (int l = 0; l < N_LAYOUTS; l++)
			check(&b, l);
		for (int work = 0; work < N_WORKS; work++)
			measure(&b, shapes[s].name, (enum work)work);
		bench_deinit(&b);
	}
	return sum == 0;
}
