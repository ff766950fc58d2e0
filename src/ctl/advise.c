/* SPDX-License-Identifier: MIT */
/*
 * sidepool advise: what sizes would do. By Little's law the connections in use are, on average, the
 * time that was spent on them by the time that passed; a pool that has three times the square root
 * of that above it is hardly ever short, where requests come at random. Who has waited says more
 * than any formula, and what the server leaves is the end of it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/complain.h"
#include "ctl/ctl.h"
#include "ctl/duration.h"
#include "ctl/text.h"

enum {
	SHORT_LIFE_MS = 60 * 1000, /* below that the figures say little */
	LONG_WAIT_US = 50 * 1000,
	INDENT = 2,
};

static double number(const struct sidepool_result *r, size_t row, const char *name)
{
	int column = sidepool_fnumber(r, name);
	const char *v = column < 0 ? NULL : sidepool_value(r, row, (size_t)column);

	return v ? strtod(v, NULL) : 0;
}

static const char *text(const struct sidepool_result *r, size_t row, const char *name)
{
	int column = sidepool_fnumber(r, name);
	const char *v = column < 0 ? NULL : sidepool_value(r, row, (size_t)column);

	return v ? v : "";
}

/* A sum over the rows of that pool; `without` not NULL: only where that column is zero. */
static double sum(const struct sidepool_result *r, const char *pool, const char *column,
		  const char *without)
{
	double n = 0;

	for (size_t row = 0; row < sidepool_nrows(r); row++)
		if (!strcmp(text(r, row, "pool"), pool) &&
		    (!without || number(r, row, without) == 0))
			n += number(r, row, column);
	return n;
}

/* Connection time of what holds one and has not ended: the daemon counts it at its end. */
static double unfinished_us(const struct sidepool_reply *reply, const char *pool)
{
	const struct sidepool_result *leases = sidepool_result(reply, SIDEPOOL_TABLE_LEASES);
	const struct sidepool_result *requests = sidepool_result(reply, SIDEPOOL_TABLE_REQUESTS);

	return (sum(leases, pool, "held_ms", NULL) + sum(requests, pool, "run_ms", "lease_id")) *
	       1000;
}

struct use {
	double used_us; /* connection time */
	double mean;    /* connections in use */
	double size;    /* connections that would do */
	double wait_us; /* the longest waits */
	double max, min, budget;
};

static struct use use_of(const struct sidepool_reply *reply, size_t row)
{
	const struct sidepool_result *p = sidepool_result(reply, SIDEPOOL_TABLE_POOLS);
	const struct sidepool_result *d = sidepool_result(reply, SIDEPOOL_TABLE_DAEMON);
	double uptime_us = number(d, 0, "uptime_ms") * 1000;
	struct use u = {
		.used_us =
			number(p, row, "run_us_total") + unfinished_us(reply, text(p, row, "name")),
		.wait_us = number(p, row, "wait_p99_us"),
		.max = number(p, row, "max_size"),
		.min = number(p, row, "min_size"),
		.budget = number(d, 0, "budget"),
	};

	u.mean = uptime_us > 0 ? u.used_us / uptime_us : 0;
	u.size = ceil(u.mean + 3 * sqrt(u.mean)) + 1;
	return u;
}

static void say_size(const struct use *u)
{
	if (u->used_us == 0 && u->min > 0)
		text_wrapf(
			stdout, INDENT,
			"  It was not used. min_size = 0 would leave its connections to others.");
	else if (u->used_us == 0)
		text_wrapf(stdout, INDENT, "  It was not used.");
	else if (u->wait_us > LONG_WAIT_US && u->size <= u->max)
		text_wrapf(stdout, INDENT,
			   "  %.0f would do on average, but many come at once, or hold long: see "
			   "`sidepool leases`, and which application waits in `sidepool apps`.",
			   u->size);
	else if (u->wait_us > LONG_WAIT_US && u->size > u->budget)
		text_wrapf(stdout, INDENT,
			   "  It is short: max_size = %.0f would do, and a budget of as much, "
			   "which is %.0f, where the server has room for it.",
			   u->size, u->budget);
	else if (u->wait_us > LONG_WAIT_US)
		text_wrapf(stdout, INDENT, "  It is short: max_size = %.0f would do.", u->size);
	else if (u->size < u->max)
		text_wrapf(stdout, INDENT, "  max_size = %.0f would do.", u->size);
	else
		text_wrapf(stdout, INDENT, "  Its size fits.");
}

static void advise_pool(const struct sidepool_reply *reply, size_t row)
{
	const struct sidepool_result *p = sidepool_result(reply, SIDEPOOL_TABLE_POOLS);
	double grants = number(p, row, "queries_total") + number(p, row, "batches_total") +
			number(p, row, "leases_total");
	struct use u = use_of(reply, row);
	char wait[16];

	duration_print(u.wait_us < 1e18 ? (uint64_t)u.wait_us : UINT64_C(1000000000000000000),
		       wait);
	text_wrapf(
		stdout, INDENT,
		"pool %s: on average %.2f of at most %.0f connections were in use, for %.0f queries, "
		"batches and leases; the longest waits (p99) are %s.",
		text(p, row, "name"), u.mean, u.max, grants, u.wait_us > 0 ? wait : "0s");
	say_size(&u);
}

/* A guarantee that nobody has called on is a connection that others may not count on. */
static void advise_application(const struct sidepool_result *a, size_t row)
{
	double used = number(a, row, "connection_us_total"), min = number(a, row, "min");
	double refused = number(a, row, "refused_total"), max = number(a, row, "max");

	if (min > 0 && used == 0 && number(a, row, "in_use") == 0)
		text_wrapf(stdout, INDENT,
			   "application %s: min = %.0f is guaranteed and was never used.",
			   text(a, row, "name"), min);
	if (refused > 0 && max > 0)
		text_wrapf(
			stdout, INDENT,
			"application %s: %.0f requests were refused; it has max = %.0f and waits up "
			"to its acquire_timeout.",
			text(a, row, "name"), refused, max);
	else if (refused > 0)
		text_wrapf(stdout, INDENT,
			   "application %s: %.0f requests were refused; it waits up to its "
			   "acquire_timeout.",
			   text(a, row, "name"), refused);
}

/* What the server leaves of it. */
static void advise_budget(const struct sidepool_result *d)
{
	double budget = number(d, 0, "budget"), in_force = number(d, 0, "budget_in_force");

	if (in_force < budget)
		text_wrapf(stdout, INDENT,
			   "The servers let us have %.0f connections: more than that in budget "
			   "(%.0f) is no use as long as others hold the rest.",
			   in_force, budget);
}

static void advise(const struct sidepool_reply *reply)
{
	const struct sidepool_result *d = sidepool_result(reply, SIDEPOOL_TABLE_DAEMON);
	const struct sidepool_result *p = sidepool_result(reply, SIDEPOOL_TABLE_POOLS);
	const struct sidepool_result *a = sidepool_result(reply, SIDEPOOL_TABLE_APPLICATIONS);
	const struct sidepool_result *w = sidepool_result(reply, SIDEPOOL_TABLE_WARNINGS);
	double uptime_ms = number(d, 0, "uptime_ms");

	if (uptime_ms < SHORT_LIFE_MS)
		text_wrapf(stdout, INDENT,
			   "The daemon runs for %.0f s only: these figures say little yet.",
			   uptime_ms / 1000);
	for (size_t row = 0; row < sidepool_nrows(p); row++)
		advise_pool(reply, row);
	for (size_t row = 0; row < sidepool_nrows(a); row++)
		advise_application(a, row);
	advise_budget(d);
	for (size_t row = 0; row < sidepool_nrows(w); row++)
		text_wrap(stdout, sidepool_value(w, row, 0), INDENT);
}

int ctl_advise(struct ctl *ctl)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply = sidepool_wait(ctl->sp, sidepool_status(ctl->sp, 0, &call));
	int status = CTL_OK;

	if (sidepool_error(reply))
		status = complain(sidepool_error(reply), NULL);
	else
		advise(reply);
	sidepool_reply_free(reply);
	return status;
}
