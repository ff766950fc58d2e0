/* SPDX-License-Identifier: MIT */
/* Rows are taken over field by field; a field that the daemon does not have yet stays empty. */
#include "ctl/top-read.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/top-reason.h"

static const char *value(const struct sidepool_result *r, size_t row, const char *field)
{
	int i = sidepool_fnumber(r, field);
	const char *v = i < 0 ? NULL : sidepool_value(r, row, (size_t)i);

	return v ? v : "";
}

static uint64_t number(const struct sidepool_result *r, const char *field)
{
	return strtoull(value(r, 0, field), NULL, 10);
}

static void read_row(struct top_sample *s, enum top_section section,
		     const struct sidepool_result *r, size_t at)
{
	const struct top_table *t = &s->tables[section];
	struct top_row *row = top_sample_row(s, section);

	for (size_t i = 0; row && i < t->n_columns; i++)
		if (t->columns[i].field)
			top_sample_set(s, section, row, t->columns[i].field,
				       value(r, at, t->columns[i].field));
}

static void read_table(struct top_sample *s, enum top_section section,
		       const struct sidepool_result *r)
{
	for (size_t i = 0; i < sidepool_nrows(r); i++)
		read_row(s, section, r, i);
}

static void read_requests(struct top_sample *s, const struct sidepool_result *r)
{
	for (size_t i = 0; i < sidepool_nrows(r); i++)
		read_row(s, strcmp(value(r, i, "state"), "waiting") ? TOP_RUNNING : TOP_WAITING, r,
			 i);
}

static void read_daemon(struct top_sample *s, const struct sidepool_result *r)
{
	s->version = top_sample_text(s, value(r, 0, "daemon_version"));
	s->uptime_ms = number(r, "uptime_ms");
	s->connections = number(r, "connections");
	s->budget = number(r, "budget_in_force");
	s->clients = number(r, "clients");
	s->draining = !strcmp(value(r, 0, "draining"), "t");
}

static void read_health(struct top_sample *s, const struct sidepool_reply *reply)
{
	const struct sidepool_result *checks = sidepool_result(reply, 1);

	s->level = top_sample_text(s, value(sidepool_result(reply, 0), 0, "level"));
	for (size_t i = 0; i < sidepool_nrows(checks); i++)
		top_reason_check(s, value(checks, i, "level"), value(checks, i, "reason"),
				 value(checks, i, "advice"));
}

struct top_sample *top_read(const struct sidepool_reply *status,
			    const struct sidepool_reply *health, const struct top_sample *before,
			    uint64_t now_us)
{
	const struct sidepool_result *warnings = sidepool_result(status, SIDEPOOL_TABLE_WARNINGS);
	struct top_sample *s = top_sample_new(now_us);

	if (!s)
		return NULL;
	read_daemon(s, sidepool_result(status, SIDEPOOL_TABLE_DAEMON));
	read_table(s, TOP_POOLS, sidepool_result(status, SIDEPOOL_TABLE_POOLS));
	read_table(s, TOP_APPLICATIONS, sidepool_result(status, SIDEPOOL_TABLE_APPLICATIONS));
	read_table(s, TOP_LEASES, sidepool_result(status, SIDEPOOL_TABLE_LEASES));
	read_requests(s, sidepool_result(status, SIDEPOOL_TABLE_REQUESTS));
	read_health(s, health);
	for (size_t i = 0; i < sidepool_nrows(warnings); i++)
		top_sample_trouble(s, TOP_WARN, sidepool_value(warnings, i, 0));
	top_reason(s, before);
	return s->out_of_memory ? top_sample_free(s) : s;
}
