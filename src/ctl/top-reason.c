/* SPDX-License-Identifier: MIT */
/*
 * The daemon tells numbers and states. Why a request waits is concluded from them here, from the
 * strongest reason to the weakest: it waits for its own lease, its pool is paused, the breaker is open,
 * its application has all that it may have, the pool has, or its turn is about to come.
 */
#include "ctl/top-reason.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/duration.h"

enum {
	REASON_BYTES = 320,
	SLOW_WAIT_MS = 1000,   /* a wait that is worth a look */
	IDLE_LEASE_MS = 10000, /* in a transaction that does nothing */
	LONG_STATEMENT_MS = 5000,
};

/* The daemon's word for applications that are too many to have a row each. */
static const char rest[] = "others";

struct reason {
	struct top_sample *s;
	const struct top_sample *before;
};

static const struct top_cell *cell(const struct reason *r, enum top_section section,
				   const struct top_row *row, const char *name)
{
	return top_cell(&r->s->tables[section], row, name);
}

static uint64_t number(const struct reason *r, enum top_section section, const struct top_row *row,
		       const char *name)
{
	return cell(r, section, row, name)->number;
}

static const char *text(const struct reason *r, enum top_section section, const struct top_row *row,
			const char *name)
{
	return cell(r, section, row, name)->text;
}

static void set(struct reason *r, enum top_section section, struct top_row *row, const char *name,
		const char *value, uint64_t sorted_by)
{
	struct top_table *t = &r->s->tables[section];

	for (size_t i = 0; i < t->n_columns; i++)
		if (!strcmp(t->columns[i].head, name))
			row->cells[i] =
				(struct top_cell){ top_sample_text(r->s, value), sorted_by };
}

/* The row of another sample, or of another section, with that in its first column. */
static const struct top_row *find(const struct top_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_rows; i++)
		if (!strcmp(t->rows[i].cells[0].text, name))
			return &t->rows[i];
	return NULL;
}

/* The row of the share that it has: of its name, or of the first pattern that is its, or of the rest. */
static const struct top_row *find_share(const struct reason *r, const char *application)
{
	const struct top_table *t = &r->s->tables[TOP_APPLICATIONS];
	const struct top_row *row = find(t, application);

	for (size_t i = 0; !row && i < t->n_rows; i++)
		if (fnmatch(t->rows[i].cells[0].text, application, 0) == 0)
			row = &t->rows[i];
	return row ? row : find(t, rest);
}

/* Tenths a second that a counter has grown by; 0 after a restart of the daemon. */
static uint64_t rate(const struct reason *r, enum top_section section, const struct top_row *row)
{
	const struct top_table *t = r->before ? &r->before->tables[section] : NULL;
	const struct top_row *old = t ? find(t, row->cells[0].text) : NULL;
	uint64_t us = r->before ? r->s->taken_us - r->before->taken_us : 0;
	uint64_t now = number(r, section, row, "queries");

	if (!old || us == 0 || now < top_cell(t, old, "queries")->number)
		return 0;
	return (now - top_cell(t, old, "queries")->number) * 10000000 / us;
}

static bool is_paused(const struct reason *r, const struct top_row *pool)
{
	return !strcmp(text(r, TOP_POOLS, pool, "paused"), "t");
}

static bool is_broken(const struct reason *r, const struct top_row *pool)
{
	return strcmp(text(r, TOP_POOLS, pool, "breaker"), "closed") != 0;
}

static void set_breaker(struct reason *r, struct top_row *row)
{
	char words[REASON_BYTES], in[16];
	uint64_t retry_ms = number(r, TOP_POOLS, row, "retry");

	duration_print_ms(retry_ms, in);
	(void)snprintf(words, sizeof(words), "%s%s%s%s", is_paused(r, row) ? "paused, " : "",
		       text(r, TOP_POOLS, row, "breaker"), retry_ms ? ", tries in " : "",
		       retry_ms ? in : "");
	if (is_paused(r, row) && !is_broken(r, row))
		strcpy(words, "paused");
	if (is_broken(r, row))
		row->level = TOP_BAD;
	else if (is_paused(r, row))
		row->level = TOP_WARN;
	set(r, TOP_POOLS, row, "BREAKER", words, 0);
}

static void reason_pool(struct reason *r, struct top_row *row)
{
	uint64_t in_use = number(r, TOP_POOLS, row, "in_use");
	uint64_t limit = number(r, TOP_POOLS, row, "limit"), max = number(r, TOP_POOLS, row, "max");
	char words[REASON_BYTES];

	if (number(r, TOP_POOLS, row, "waiting") > 0 || limit < max)
		row->level = TOP_WARN;
	(void)snprintf(words, sizeof(words), "%" PRIu64 "/%" PRIu64 "/%" PRIu64, in_use, limit,
		       max);
	set(r, TOP_POOLS, row, "USE/LIMIT/MAX", words, in_use);
	set(r, TOP_POOLS, row, "QUERIES/s", "", rate(r, TOP_POOLS, row));
	if (is_broken(r, row)) {
		(void)snprintf(words, sizeof(words), "%s: %s", row->cells[0].text,
			       text(r, TOP_POOLS, row, "reason"));
		top_sample_trouble(r->s, TOP_BAD, words);
	} else if (is_paused(r, row)) {
		(void)snprintf(words, sizeof(words),
			       "%s is paused: it grants no connection until 'sidepool resume'.",
			       row->cells[0].text);
		top_sample_trouble(r->s, TOP_WARN, words);
	}
	set_breaker(r, row);
	(void)snprintf(words, sizeof(words), "%s: %s, %" PRIu64 " connecting. %s",
		       row->cells[0].text, text(r, TOP_POOLS, row, "target"),
		       number(r, TOP_POOLS, row, "connecting"), text(r, TOP_POOLS, row, "reason"));
	set(r, TOP_POOLS, row, "DETAIL", words, 0);
}

static bool is_at_max(const struct reason *r, const struct top_row *application)
{
	uint64_t max = number(r, TOP_APPLICATIONS, application, "max");

	return max > 0 && number(r, TOP_APPLICATIONS, application, "in_use") >= max;
}

/* "2-4 w3": from its minimum to its maximum, with a weight that is not one. */
static void set_share(struct reason *r, struct top_row *row)
{
	uint64_t min = number(r, TOP_APPLICATIONS, row, "min");
	uint64_t max = number(r, TOP_APPLICATIONS, row, "max");
	uint64_t weight = number(r, TOP_APPLICATIONS, row, "weight");
	char words[64], most[24];

	(void)snprintf(most, sizeof(most), "%" PRIu64, max);
	(void)snprintf(words, sizeof(words), "%" PRIu64 "-%s w%" PRIu64, min, max ? most : "any",
		       weight);
	set(r, TOP_APPLICATIONS, row, "SHARE", words, weight);
}

/* Why its request waits that has waited longest; "" where none does. */
static const char *why_it_waits(const struct reason *r, const struct top_row *application)
{
	const struct top_table *t = &r->s->tables[TOP_WAITING];
	const struct top_row *oldest = NULL;

	for (size_t i = 0; i < t->n_rows; i++)
		if (find_share(r, text(r, TOP_WAITING, &t->rows[i], "application")) ==
			    application &&
		    (!oldest || number(r, TOP_WAITING, &t->rows[i], "AGE") >
					number(r, TOP_WAITING, oldest, "AGE")))
			oldest = &t->rows[i];
	return oldest ? text(r, TOP_WAITING, oldest, "WHY") : "";
}

static void reason_application(struct reason *r, struct top_row *row)
{
	uint64_t n = number(r, TOP_APPLICATIONS, row, "waiting");
	char words[REASON_BYTES], used[16];
	const char *why = "";

	if (n > 0) {
		row->level = number(r, TOP_APPLICATIONS, row, "OLDEST") >= SLOW_WAIT_MS ? TOP_BAD
											: TOP_WARN;
		why = why_it_waits(r, row);
	} else if (is_at_max(r, row)) {
		why = "has its max";
	}
	set_share(r, row);
	set(r, TOP_APPLICATIONS, row, "QUERIES/s", "", rate(r, TOP_APPLICATIONS, row));
	set(r, TOP_APPLICATIONS, row, "WHY", why, 0);
	duration_print(number(r, TOP_APPLICATIONS, row, "used"), used);
	(void)snprintf(words, sizeof(words),
		       "%s: %" PRIu64 " clients, priority %s, weight %" PRIu64
		       ", used %s of connection time, %" PRIu64 " errors, %" PRIu64 " refused",
		       row->cells[0].text, number(r, TOP_APPLICATIONS, row, "clients"),
		       text(r, TOP_APPLICATIONS, row, "priority"),
		       number(r, TOP_APPLICATIONS, row, "weight"), used,
		       number(r, TOP_APPLICATIONS, row, "ERRORS"),
		       number(r, TOP_APPLICATIONS, row, "REFUSED"));
	set(r, TOP_APPLICATIONS, row, "DETAIL", words, 0);
}

/* Where it was taken, and whom it keeps waiting: the daemon's blame ends with that. */
static void reason_lease(struct reason *r, struct top_row *row)
{
	const char *site = text(r, TOP_LEASES, row, "call site");
	const char *blame = text(r, TOP_LEASES, row, "blame"), *who = strrchr(blame, ',');
	bool waited_for = who && strstr(who, " waiting");
	char words[REASON_BYTES];

	if (!*site)
		site = text(r, TOP_LEASES, row, "unit");
	(void)snprintf(words, sizeof(words), "%s%s%s", waited_for ? who + 2 : "",
		       waited_for && *site ? ", " : "", site);
	set(r, TOP_LEASES, row, "WHY", words, 0);
	if (!strcmp(text(r, TOP_LEASES, row, "STATE"), "idle in transaction") &&
	    number(r, TOP_LEASES, row, "SINCE") >= IDLE_LEASE_MS)
		row->level = waited_for ? TOP_BAD : TOP_WARN;
	else if (waited_for)
		row->level = TOP_WARN;
	(void)snprintf(words, sizeof(words),
		       "sidepool revoke %s ends the lease of %s on backend %" PRIu64 ": %s",
		       row->cells[0].text, text(r, TOP_LEASES, row, "APPLICATION"),
		       number(r, TOP_LEASES, row, "backend"), blame);
	set(r, TOP_LEASES, row, "DETAIL", words, 0);
}

/* Of the pool, the lease that is held longest. */
static const struct top_row *longest_lease(const struct reason *r, const char *pool)
{
	const struct top_table *t = &r->s->tables[TOP_LEASES];
	const struct top_row *longest = NULL;

	for (size_t i = 0; i < t->n_rows; i++)
		if (!strcmp(text(r, TOP_LEASES, &t->rows[i], "pool"), pool) &&
		    (!longest || number(r, TOP_LEASES, &t->rows[i], "HELD") >
					 number(r, TOP_LEASES, longest, "HELD")))
			longest = &t->rows[i];
	return longest;
}

static void say_full(const struct reason *r, const struct top_row *pool, char *words, size_t size)
{
	uint64_t limit = number(r, TOP_POOLS, pool, "limit");
	const struct top_row *lease = longest_lease(r, pool->cells[0].text);
	char held[16];
	int n;

	n = snprintf(words, size, "all %" PRIu64 " in use", limit);
	if (limit < number(r, TOP_POOLS, pool, "max"))
		n = snprintf(words, size, "all %" PRIu64 " in use, the limit now", limit);
	if (!lease || n < 0)
		return;
	duration_print_ms(number(r, TOP_LEASES, lease, "HELD"), held);
	(void)snprintf(words + n, size - (size_t)n, "; %s has one for %s",
		       text(r, TOP_LEASES, lease, "APPLICATION"), held);
}

static void say_why(const struct reason *r, const struct top_row *row, char *words, size_t size)
{
	const struct top_row *application = find_share(r, text(r, TOP_WAITING, row, "APPLICATION"));
	const struct top_row *pool =
		find(&r->s->tables[TOP_POOLS], text(r, TOP_WAITING, row, "pool"));

	if (number(r, TOP_WAITING, row, "lease") > 0)
		(void)snprintf(words, size, "its lease %s is busy",
			       text(r, TOP_WAITING, row, "lease"));
	else if (pool && is_paused(r, pool))
		(void)snprintf(words, size, "%s is paused", pool->cells[0].text);
	else if (pool && is_broken(r, pool))
		(void)snprintf(words, size, "breaker of %s: %s", pool->cells[0].text,
			       text(r, TOP_POOLS, pool, "breaker"));
	else if (application && is_at_max(r, application))
		(void)snprintf(words, size, "%s has its max, %" PRIu64, application->cells[0].text,
			       number(r, TOP_APPLICATIONS, application, "max"));
	else if (pool &&
		 number(r, TOP_POOLS, pool, "in_use") >= number(r, TOP_POOLS, pool, "limit"))
		say_full(r, pool, words, size);
	else if (pool && number(r, TOP_POOLS, pool, "connecting") > 0)
		(void)snprintf(words, size, "%s is connecting", pool->cells[0].text);
	else
		(void)snprintf(words, size, "next to come");
}

static void set_request_detail(struct reason *r, enum top_section section, struct top_row *row,
			       const char *what)
{
	const char *unit = text(r, section, row, "unit"),
		   *site = text(r, section, row, "CALL SITE");
	char words[REASON_BYTES * 4];

	(void)snprintf(words, sizeof(words), "%s%s%s%s%s%s: %s", what, *unit ? ", " : "", unit,
		       *site ? ", " : "", site, "", text(r, section, row, "STATEMENT"));
	set(r, section, row, "DETAIL", words, 0);
}

static void reason_waiting(struct reason *r, struct top_row *row)
{
	char words[REASON_BYTES], what[REASON_BYTES + 64];

	say_why(r, row, words, sizeof(words));
	set(r, TOP_WAITING, row, "WHY", words, 0);
	row->level = number(r, TOP_WAITING, row, "AGE") >= SLOW_WAIT_MS ? TOP_BAD : TOP_WARN;
	(void)snprintf(what, sizeof(what), "request %s waits (%s)", row->cells[0].text, words);
	set_request_detail(r, TOP_WAITING, row, what);
}

static void reason_running(struct reason *r, struct top_row *row)
{
	char what[REASON_BYTES], lease[64] = "";

	if (number(r, TOP_RUNNING, row, "lease") > 0)
		(void)snprintf(lease, sizeof(lease), ", lease %s",
			       text(r, TOP_RUNNING, row, "lease"));
	(void)snprintf(what, sizeof(what), "request %s %s%s, backend %s", row->cells[0].text,
		       text(r, TOP_RUNNING, row, "STATE"), lease,
		       text(r, TOP_RUNNING, row, "backend"));
	if (number(r, TOP_RUNNING, row, "RUN") >= LONG_STATEMENT_MS)
		row->level = TOP_WARN;
	set_request_detail(r, TOP_RUNNING, row, what);
}

void top_reason(struct top_sample *s, const struct top_sample *before)
{
	static void (*const each[TOP_SECTION_N])(struct reason *, struct top_row *) = {
		[TOP_POOLS] = reason_pool,      [TOP_APPLICATIONS] = reason_application,
		[TOP_LEASES] = reason_lease,    [TOP_RUNNING] = reason_running,
		[TOP_WAITING] = reason_waiting,
	};
	struct reason r = { s, before };

	for (int i = TOP_SECTION_N - 1; i >= 0; i--) /* each needs what is below it */
		for (size_t row = 0; row < s->tables[i].n_rows; row++)
			each[i](&r, &s->tables[i].rows[row]);
}

void top_reason_check(struct top_sample *s, const char *level, const char *reason,
		      const char *advice)
{
	char words[REASON_BYTES * 2];

	if (!strcmp(level, "healthy"))
		return;
	(void)snprintf(words, sizeof(words), "%s %s", reason, advice);
	top_sample_trouble(s, strcmp(level, "degraded") ? TOP_BAD : TOP_WARN, words);
}
