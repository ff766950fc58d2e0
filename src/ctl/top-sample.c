/* SPDX-License-Identifier: MIT */
/* A sample is filled once and thrown away as a whole, so its texts lie in blocks one behind the other. */
#include "ctl/top-sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/text.h"

enum {
	BLOCK_BYTES = 16384,
};

struct top_block {
	struct top_block *next; /* owned */
	size_t used, size;
	char bytes[];
};

static const struct top_column pools[] = {
	{ "POOLS", "name", TOP_TEXT, 0 },
	{ "USE/LIMIT/MAX", NULL, TOP_PAIR, 0 },
	{ "LEASED", "leased", TOP_NUMBER, 4 },
	{ "IDLE", "idle", TOP_NUMBER, 5 },
	{ "WAIT", "waiting", TOP_NUMBER, 0 },
	{ "OLDEST", "oldest_wait_ms", TOP_MS, 1 },
	{ "P99", "wait_p99_us", TOP_US, 2 },
	{ "QUERIES/s", NULL, TOP_RATE, 3 },
	{ "BREAKER", "breaker", TOP_TEXT, 0 },
	{ "in_use", "in_use", TOP_NUMBER, TOP_HIDDEN },
	{ "limit", "limit_in_force", TOP_NUMBER, TOP_HIDDEN },
	{ "max", "max_size", TOP_NUMBER, TOP_HIDDEN },
	{ "connecting", "connecting", TOP_NUMBER, TOP_HIDDEN },
	{ "paused", "paused", TOP_TEXT, TOP_HIDDEN },
	{ "reason", "breaker_reason", TOP_TEXT, TOP_HIDDEN },
	{ "retry", "breaker_retry_ms", TOP_MS, TOP_HIDDEN },
	{ "target", "target", TOP_TEXT, TOP_HIDDEN },
	{ "queries", "queries_total", TOP_NUMBER, TOP_HIDDEN },
	{ "DETAIL", NULL, TOP_TEXT, TOP_HIDDEN },
};

static const struct top_column applications[] = {
	{ "APPS", "name", TOP_TEXT, 0 },
	{ "SHARE", NULL, TOP_PAIR, 1 },
	{ "HELD", "in_use", TOP_NUMBER, 0 },
	{ "WAIT", "waiting", TOP_NUMBER, 0 },
	{ "OLDEST", "oldest_wait_ms", TOP_MS, 0 },
	{ "P99", "wait_p99_us", TOP_US, 3 },
	{ "QUERIES/s", NULL, TOP_RATE, 2 },
	{ "ERRORS", "errors_total", TOP_NUMBER, 5 },
	{ "REFUSED", "refused_total", TOP_NUMBER, 6 },
	{ "WHY", NULL, TOP_TEXT, 0 },
	{ "min", "min", TOP_NUMBER, TOP_HIDDEN },
	{ "max", "max", TOP_NUMBER, TOP_HIDDEN },
	{ "weight", "weight", TOP_NUMBER, TOP_HIDDEN },
	{ "priority", "priority", TOP_TEXT, TOP_HIDDEN },
	{ "queries", "queries_total", TOP_NUMBER, TOP_HIDDEN },
	{ "clients", "clients", TOP_NUMBER, TOP_HIDDEN },
	{ "used", "connection_us_total", TOP_US, TOP_HIDDEN },
	{ "DETAIL", NULL, TOP_TEXT, TOP_HIDDEN },
};

static const struct top_column leases[] = {
	{ "LEASES", "lease_id", TOP_TEXT, 0 },
	{ "APPLICATION", "application", TOP_TEXT, 0 },
	{ "POOL", "pool", TOP_TEXT, 5 },
	{ "PID", "pid", TOP_NUMBER, 1 },
	{ "STATE", "state", TOP_TEXT, 0 },
	{ "SINCE", "state_ms", TOP_MS, 3 },
	{ "HELD", "held_ms", TOP_MS, 0 },
	{ "WHY", NULL, TOP_TEXT, 0 },
	{ "unit", "unit", TOP_TEXT, TOP_HIDDEN },
	{ "call site", "call_site", TOP_TEXT, TOP_HIDDEN },
	{ "blame", "blame", TOP_TEXT, TOP_HIDDEN },
	{ "backend", "backend_pid", TOP_NUMBER, TOP_HIDDEN },
	{ "expires", "expires_ms", TOP_MS, TOP_HIDDEN },
	{ "DETAIL", NULL, TOP_TEXT, TOP_HIDDEN },
};

static const struct top_column running[] = {
	{ "RUNNING", "request_id", TOP_NUMBER, 0 },
	{ "APPLICATION", "application", TOP_TEXT, 0 },
	{ "POOL", "pool", TOP_TEXT, 7 },
	{ "PID", "pid", TOP_NUMBER, 3 },
	{ "STATE", "state", TOP_TEXT, 4 },
	{ "AGE", "age_ms", TOP_MS, 5 },
	{ "RUN", "run_ms", TOP_MS, 0 },
	{ "LEFT", "deadline_ms", TOP_MS, 6 },
	{ "CALL SITE", "call_site", TOP_TEXT, 2 },
	{ "STATEMENT", "statement", TOP_TEXT, 0 },
	{ "unit", "unit", TOP_TEXT, TOP_HIDDEN },
	{ "lease", "lease_id", TOP_NUMBER, TOP_HIDDEN },
	{ "backend", "backend_pid", TOP_NUMBER, TOP_HIDDEN },
	{ "statements", "statements", TOP_NUMBER, TOP_HIDDEN },
	{ "DETAIL", NULL, TOP_TEXT, TOP_HIDDEN },
};

static const struct top_column waiting[] = {
	{ "WAITING", "request_id", TOP_NUMBER, 0 },
	{ "APPLICATION", "application", TOP_TEXT, 0 },
	{ "POOL", "pool", TOP_TEXT, 6 },
	{ "PID", "pid", TOP_NUMBER, 4 },
	{ "AGE", "age_ms", TOP_MS, 0 },
	{ "LEFT", "deadline_ms", TOP_MS, 3 },
	{ "WHY", NULL, TOP_TEXT, 0 },
	{ "CALL SITE", "call_site", TOP_TEXT, 5 },
	{ "STATEMENT", "statement", TOP_TEXT, 1 },
	{ "unit", "unit", TOP_TEXT, TOP_HIDDEN },
	{ "lease", "lease_id", TOP_NUMBER, TOP_HIDDEN },
	{ "statements", "statements", TOP_NUMBER, TOP_HIDDEN },
	{ "DETAIL", NULL, TOP_TEXT, TOP_HIDDEN },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const struct top_column *columns;
	size_t n;
} sections[] = {
	[TOP_POOLS] = { pools, COUNT(pools) },
	[TOP_APPLICATIONS] = { applications, COUNT(applications) },
	[TOP_LEASES] = { leases, COUNT(leases) },
	[TOP_RUNNING] = { running, COUNT(running) },
	[TOP_WAITING] = { waiting, COUNT(waiting) },
};

_Static_assert(COUNT(pools) <= TOP_COLUMNS_MAX && COUNT(applications) <= TOP_COLUMNS_MAX &&
		       COUNT(leases) <= TOP_COLUMNS_MAX && COUNT(running) <= TOP_COLUMNS_MAX &&
		       COUNT(waiting) <= TOP_COLUMNS_MAX,
	       "a row has a cell for each column");

struct top_sample *top_sample_new(uint64_t taken_us)
{
	struct top_sample *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->taken_us = taken_us;
	s->level = s->version = "";
	for (int i = 0; i < TOP_SECTION_N; i++) {
		s->tables[i].columns = sections[i].columns;
		s->tables[i].n_columns = sections[i].n;
	}
	return s;
}

struct top_sample *top_sample_free(struct top_sample *s)
{
	struct top_block *next;

	if (!s)
		return NULL;
	for (struct top_block *b = s->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	for (int i = 0; i < TOP_SECTION_N; i++)
		free(s->tables[i].rows);
	free(s);
	return NULL;
}

/* Room for that many bytes, in the newest block or in one more. */
static char *take(struct top_sample *s, size_t bytes)
{
	struct top_block *b = s->blocks;
	size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

	if (!b || b->size - b->used < bytes) {
		b = malloc(sizeof(*b) + size);
		if (!b) {
			s->out_of_memory = true;
			return NULL;
		}
		*b = (struct top_block){ .next = s->blocks, .size = size };
		s->blocks = b;
	}
	b->used += bytes;
	return b->bytes + b->used - bytes;
}

const char *top_sample_text(struct top_sample *s, const char *text)
{
	size_t bytes = text_plain(NULL, text) + 1;
	char *copy = *text ? take(s, bytes) : NULL;

	if (!copy)
		return "";
	text_plain(copy, text);
	return copy;
}

struct top_row *top_sample_row(struct top_sample *s, enum top_section section)
{
	struct top_table *t = &s->tables[section];
	size_t capacity = t->capacity ? t->capacity * 2 : 16;
	struct top_row *rows;

	if (t->n_rows == t->capacity) {
		rows = reallocarray(t->rows, capacity, sizeof(*rows));
		if (!rows) {
			s->out_of_memory = true;
			return NULL;
		}
		t->rows = rows;
		t->capacity = capacity;
	}
	rows = &t->rows[t->n_rows++];
	memset(rows, 0, sizeof(*rows));
	for (size_t i = 0; i < TOP_COLUMNS_MAX; i++)
		rows->cells[i].text = "";
	return rows;
}

static size_t column_of(const struct top_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if ((t->columns[i].field && !strcmp(t->columns[i].field, name)) ||
		    !strcmp(t->columns[i].head, name))
			return i;
	return TOP_COLUMNS_MAX;
}

void top_sample_set(struct top_sample *s, enum top_section section, struct top_row *row,
		    const char *name, const char *text)
{
	size_t column = column_of(&s->tables[section], name);

	if (column == TOP_COLUMNS_MAX)
		return;
	row->cells[column].text = top_sample_text(s, text);
	row->cells[column].number = strtoull(text, NULL, 10);
}

void top_sample_trouble(struct top_sample *s, enum top_level level, const char *text)
{
	size_t at = s->n_troubles, last = COUNT(s->troubles) - 1;

	while (at > 0 && s->troubles[at - 1].level < level)
		at--;
	if (at > last)
		return;
	if (s->n_troubles <= last)
		s->n_troubles++;
	memmove(&s->troubles[at + 1], &s->troubles[at],
		(s->n_troubles - 1 - at) * sizeof(s->troubles[0]));
	s->troubles[at] = (struct top_trouble){ top_sample_text(s, text), level };
}

const struct top_cell *top_cell(const struct top_table *t, const struct top_row *row,
				const char *name)
{
	static const struct top_cell none = { "", 0 };
	size_t column = column_of(t, name);

	return column < TOP_COLUMNS_MAX ? &row->cells[column] : &none;
}

const struct top_column *top_section_columns(enum top_section section, size_t *ret_n)
{
	*ret_n = sections[section].n;
	return sections[section].columns;
}
