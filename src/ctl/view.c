/* SPDX-License-Identifier: MIT */
/* Columns are named by the fields of status.proto, so that one that the daemon does not have yet
 * reads as empty. */
#include "ctl/view.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/duration.h"
#include "ctl/text.h"

enum {
	VIEW_WIDTH = 80,
	GAP = 2,
	TEXT_WIDTH_MIN = 8,
	TEXT_WIDTH_LEAST = 4,
	SENTENCE_INDENT = 2,
	COLUMNS_MAX = 16,
};

static const struct view_column pools[] = {
	{ "POOL", "name", VIEW_TEXT },
	{ "OPEN", "size", VIEW_NUMBER },
	{ "USE", "in_use", VIEW_NUMBER },
	{ "LEASED", "leased", VIEW_NUMBER },
	{ "LIMIT", "limit_in_force", VIEW_NUMBER },
	{ "WAIT", "waiting", VIEW_NUMBER },
	{ "OLDEST", "oldest_wait_ms", VIEW_MS },
	{ "P99", "wait_p99_us", VIEW_US },
	{ "QUERIES", "queries_total", VIEW_NUMBER },
	{ "BREAKER", "breaker", VIEW_TEXT },
};

static const struct view_column applications[] = {
	{ "APPLICATION", "name", VIEW_TEXT },
	{ "USE", "in_use", VIEW_NUMBER },
	{ "WAIT", "waiting", VIEW_NUMBER },
	{ "MIN", "min", VIEW_NUMBER },
	{ "MAX", "max", VIEW_MOST },
	{ "WEIGHT", "weight", VIEW_NUMBER },
	{ "QUERIES", "queries_total", VIEW_NUMBER },
	{ "ERRORS", "errors_total", VIEW_NUMBER },
	{ "P99", "wait_p99_us", VIEW_US },
	{ "TIME", "connection_us_total", VIEW_US },
};

static const struct view_column leases[] = {
	{ "LEASE", "lease_id", VIEW_ID },
	{ "POOL", "pool", VIEW_TEXT },
	{ "APPLICATION", "application", VIEW_TEXT },
	{ "PID", "pid", VIEW_ID },
	{ "STATE", "state", VIEW_TEXT },
	{ "SINCE", "state_ms", VIEW_MS },
	{ "HELD", "held_ms", VIEW_MS },
	{ "CALL SITE", "call_site", VIEW_PLACE },
};

static const struct view_column clients[] = {
	{ "CLIENT", "client_id", VIEW_ID },
	{ "APPLICATION", "application", VIEW_TEXT },
	{ "PID", "pid", VIEW_ID },
	{ "UNIT", "unit", VIEW_TEXT },
	{ "PROGRAM", "client_name", VIEW_TEXT },
	{ "SINCE", "connected_ms", VIEW_MS },
	{ "REQUESTS", "requests_total", VIEW_NUMBER },
	{ "NOW", "in_flight", VIEW_NUMBER },
};

static const struct view_column requests[] = {
	{ "REQUEST", "request_id", VIEW_ID },
	{ "APPLICATION", "application", VIEW_TEXT },
	{ "PID", "pid", VIEW_ID },
	{ "STATE", "state", VIEW_TEXT },
	{ "AGE", "age_ms", VIEW_MS },
	{ "LEFT", "deadline_ms", VIEW_MS },
	{ "CALL SITE", "call_site", VIEW_PLACE },
	{ "STATEMENT", "statement", VIEW_TEXT },
};

static const struct view_column submissions[] = {
	{ "SUBMITTED", "submission_id", VIEW_ID },
	{ "APPLICATION", "application", VIEW_TEXT },
	{ "POOL", "pool", VIEW_TEXT },
	{ "STATE", "state", VIEW_TEXT },
	{ "AGE", "age_ms", VIEW_MS },
	{ "TRIES", "tries", VIEW_NUMBER },
	{ "REASON", "reason", VIEW_TEXT },
	{ "STATEMENT", "statement", VIEW_TEXT },
};

static const struct view_column failed_submissions[] = {
	{ "SUBMITTED", "submission_id", VIEW_ID }, { "APPLICATION", "application", VIEW_TEXT },
	{ "SINCE", "ended_ms", VIEW_MS },          { "TRIES", "tries", VIEW_NUMBER },
	{ "OUTCOME", "outcome", VIEW_TEXT },       { "STATE", "sqlstate", VIEW_TEXT },
	{ "REASON", "reason", VIEW_TEXT },         { "STATEMENT", "statement", VIEW_TEXT },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_text(const struct view_column *c)
{
	return c->kind == VIEW_TEXT || c->kind == VIEW_PLACE;
}

struct table {
	const struct sidepool_result *r;
	const struct view_column *columns;
	size_t n;
	bool terse; /* numbers as short as they can be */
	size_t widths[COLUMNS_MAX];
};

static void print_number(const struct table *t, enum view_kind kind, uint64_t n, char buffer[16])
{
	uint64_t us = kind == VIEW_US ? n : n > UINT64_MAX / 1000 ? UINT64_MAX : n * 1000;

	if (kind == VIEW_MOST && n == 0)
		strcpy(buffer, "any");
	else if (kind == VIEW_NUMBER || kind == VIEW_MOST)
		count_print_short(n, buffer);
	else if (n == 0)
		strcpy(buffer, "-");
	else if (t->terse)
		duration_print_short(us, buffer);
	else
		duration_print(us, buffer);
}

/* The value as it is shown: `buffer` is used where it is not there as such. */
static const char *shown(const struct table *t, size_t row, size_t column, char buffer[16],
			 size_t *ret_len)
{
	const struct view_column *c = &t->columns[column];
	int at = sidepool_fnumber(t->r, c->field);
	const char *v = at < 0 ? NULL : sidepool_value(t->r, row, (size_t)at);

	*ret_len = v ? sidepool_length(t->r, row, (size_t)at) : 0;
	if (!v || is_text(c) || c->kind == VIEW_ID || (c->kind == VIEW_NUMBER && !t->terse) ||
	    (c->kind == VIEW_MOST && !t->terse && strcmp(v, "0") != 0))
		return v ? v : "";
	print_number(t, c->kind, strtoull(v, NULL, 10), buffer);
	*ret_len = strlen(buffer);
	return buffer;
}

/* Cuts the widest text column until the table fits. Returns whether it does. */
static bool shrink(struct table *t, size_t least)
{
	for (;;) {
		size_t sum = (t->n - 1) * GAP, widest = t->n;

		for (size_t c = 0; c < t->n; c++) {
			sum += t->widths[c];
			if (is_text(&t->columns[c]) && t->widths[c] > least &&
			    (widest == t->n || t->widths[c] > t->widths[widest]))
				widest = c;
		}
		if (sum <= VIEW_WIDTH || widest == t->n)
			return sum <= VIEW_WIDTH;
		t->widths[widest]--;
	}
}

/* Where the last `width` columns of it begin. */
static size_t tail(const char *s, size_t len, size_t width)
{
	size_t at = 0;

	while (text_width(s + at, len - at) > width)
		at += text_char_bytes(s + at);
	return at;
}

/* Less than `width` where a wide character did not fit. Returns what it took. */
static size_t put_cut(const struct view_column *c, const char *s, size_t len, size_t width)
{
	bool place = c->kind == VIEW_PLACE;
	size_t from = place ? tail(s, len, width - 1) : 0;
	size_t bytes = place ? len - from : text_fit(s, len, width - 1);

	if (place)
		fputs("…", stdout);
	text_put(stdout, s + from, bytes);
	if (!place)
		fputs("…", stdout);
	return text_width(s + from, bytes) + 1;
}

static void put_cell(const struct view_column *c, const char *s, size_t len, size_t width,
		     bool last)
{
	size_t used = text_width(s, len);

	if (!is_text(c) && used < width)
		printf("%*s", (int)(width - used), "");
	if (used > width)
		used = put_cut(c, s, len, width);
	else
		text_put(stdout, s, len);
	if (is_text(c) && !last && used < width)
		printf("%*s", (int)(width - used), "");
	fputs(last ? "\n" : "  ", stdout);
}

static void measure(struct table *t)
{
	char buffer[16];
	size_t len;

	for (size_t c = 0; c < t->n; c++) {
		t->widths[c] = strlen(t->columns[c].head);
		for (size_t row = 0; row < sidepool_nrows(t->r); row++) {
			const char *s = shown(t, row, c, buffer, &len);
			size_t w = text_width(s, len);

			t->widths[c] = w > t->widths[c] ? w : t->widths[c];
		}
	}
}

static void fit(struct table *t)
{
	measure(t);
	if (shrink(t, TEXT_WIDTH_MIN))
		return;
	t->terse = true;
	measure(t);
	if (!shrink(t, TEXT_WIDTH_MIN))
		(void)shrink(t, TEXT_WIDTH_LEAST);
}

/* Of the head of a place the beginning says more than the end. */
static void put_heads(const struct table *t)
{
	for (size_t c = 0; c < t->n; c++) {
		const char *head = t->columns[c].head;
		struct view_column column = { .kind = is_text(&t->columns[c])
							      ? VIEW_TEXT
							      : t->columns[c].kind };

		put_cell(&column, head, strlen(head), t->widths[c], c + 1 == t->n);
	}
}

int view_print(const struct sidepool_result *r, const struct view_column *columns, size_t n)
{
	struct table t = { .r = r, .columns = columns, .n = n };
	char buffer[16];
	size_t len;

	if (n > COLUMNS_MAX)
		return CTL_TROUBLE;
	fit(&t);
	put_heads(&t);
	for (size_t row = 0; row < sidepool_nrows(r); row++)
		for (size_t c = 0; c < n; c++) {
			const char *s = shown(&t, row, c, buffer, &len);

			put_cell(&columns[c], s, len, t.widths[c], c + 1 == n);
		}
	return CTL_OK;
}

/* What does not fit into 80 columns: a sentence for each row that has one. */
static void put_sentences(const struct sidepool_result *r, const char *what, const char *id_field,
			  const char *field)
{
	int id = sidepool_fnumber(r, id_field), said = sidepool_fnumber(r, field);
	bool any = false;

	for (size_t row = 0; id >= 0 && said >= 0 && row < sidepool_nrows(r); row++) {
		if (sidepool_length(r, row, (size_t)said) == 0)
			continue;
		if (!any)
			putchar('\n');
		any = true;
		text_wrapf(stdout, SENTENCE_INDENT, "%s %s: %s", what,
			   sidepool_value(r, row, (size_t)id),
			   sidepool_value(r, row, (size_t)said));
	}
}

static int put_leases(const struct sidepool_result *r)
{
	int status = view_print(r, leases, COUNT(leases));

	put_sentences(r, "lease", "lease_id", "blame");
	return status;
}

static int put_submissions(const struct sidepool_result *r, const struct view_column *columns,
			   size_t n)
{
	int status = view_print(r, columns, n);

	put_sentences(r, "submitted", "submission_id", "reason");
	return status;
}

int view_table(const struct sidepool_result *r, enum sidepool_table table)
{
	switch (table) {
	case SIDEPOOL_TABLE_POOLS:
		return view_print(r, pools, COUNT(pools));
	case SIDEPOOL_TABLE_APPLICATIONS:
		return view_print(r, applications, COUNT(applications));
	case SIDEPOOL_TABLE_LEASES:
		return put_leases(r);
	case SIDEPOOL_TABLE_CLIENTS:
		return view_print(r, clients, COUNT(clients));
	case SIDEPOOL_TABLE_REQUESTS:
		return view_print(r, requests, COUNT(requests));
	case SIDEPOOL_TABLE_SUBMISSIONS:
		return put_submissions(r, submissions, COUNT(submissions));
	case SIDEPOOL_TABLE_FAILED_SUBMISSIONS:
		return put_submissions(r, failed_submissions, COUNT(failed_submissions));
	default:
		return CTL_TROUBLE;
	}
}

/* A field of the daemon's row. */
static const char *field(const struct sidepool_result *r, const char *name)
{
	int i = sidepool_fnumber(r, name);
	const char *v = i < 0 ? NULL : sidepool_value(r, 0, (size_t)i);

	return v ? v : "?";
}

static void put_reasons(const struct sidepool_result *r)
{
	int name = sidepool_fnumber(r, "name"), reason = sidepool_fnumber(r, "breaker_reason");

	int paused = sidepool_fnumber(r, "paused");

	for (size_t row = 0; name >= 0 && row < sidepool_nrows(r); row++) {
		if (paused >= 0 && !strcmp(sidepool_value(r, row, (size_t)paused), "t"))
			text_wrapf(stdout, SENTENCE_INDENT,
				   "%s: paused by hand, nothing is granted until it is resumed",
				   sidepool_value(r, row, (size_t)name));
		if (reason >= 0 && sidepool_length(r, row, (size_t)reason) > 0)
			text_wrapf(stdout, SENTENCE_INDENT, "%s: %s",
				   sidepool_value(r, row, (size_t)name),
				   sidepool_value(r, row, (size_t)reason));
	}
}

int view_status(const struct sidepool_reply *reply)
{
	const struct sidepool_result *d = sidepool_result(reply, SIDEPOOL_TABLE_DAEMON);
	const struct sidepool_result *warnings = sidepool_result(reply, SIDEPOOL_TABLE_WARNINGS);
	const struct sidepool_result *p = sidepool_result(reply, SIDEPOOL_TABLE_POOLS);
	char up[16];
	int status;

	duration_print_ms(strtoull(field(d, "uptime_ms"), NULL, 10), up);
	text_wrapf(stdout, SENTENCE_INDENT, "sidepoold %s, pid %s, up %s%s",
		   field(d, "daemon_version"), field(d, "pid"), up,
		   strcmp(field(d, "draining"), "t") == 0 ? ", draining" : "");
	text_wrapf(stdout, SENTENCE_INDENT,
		   "%s of %s connections (budget %s), %s clients, %s requests, %llu MiB",
		   field(d, "connections"), field(d, "budget_in_force"), field(d, "budget"),
		   field(d, "clients"), field(d, "requests_total"),
		   strtoull(field(d, "memory_bytes"), NULL, 10) >> 20);
	putchar('\n');
	status = view_table(p, SIDEPOOL_TABLE_POOLS);
	put_reasons(p);
	for (size_t row = 0; row < sidepool_nrows(warnings); row++)
		text_wrapf(stdout, SENTENCE_INDENT, "warning: %s",
			   sidepool_value(warnings, row, 0));
	return status;
}
