/* SPDX-License-Identifier: MIT */
/*
 * sidepool status, pools, apps, leases, clients, queries, queue. JSON has every field that the daemon
 * sends, the tables those that fit.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "ctl/complain.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "ctl/view.h"

static void json_array(const struct sidepool_result *r)
{
	fputc('[', stdout);
	for (size_t row = 0; row < sidepool_nrows(r); row++) {
		fputs(row ? ",\n    " : "\n    ", stdout);
		output_json_row(stdout, r, row);
	}
	fputs(sidepool_nrows(r) ? "\n  ]" : "]", stdout);
}

static int json_status(const struct sidepool_reply *reply)
{
	static const char *const names[] = {
		[SIDEPOOL_TABLE_DAEMON] = "daemon",
		[SIDEPOOL_TABLE_POOLS] = "pools",
		[SIDEPOOL_TABLE_APPLICATIONS] = "applications",
		[SIDEPOOL_TABLE_LEASES] = "leases",
		[SIDEPOOL_TABLE_CLIENTS] = "clients",
		[SIDEPOOL_TABLE_WARNINGS] = "warnings",
		[SIDEPOOL_TABLE_REQUESTS] = "requests",
		[SIDEPOOL_TABLE_SUBMIT] = "submit",
		[SIDEPOOL_TABLE_SUBMISSIONS] = "submissions",
		[SIDEPOOL_TABLE_FAILED_SUBMISSIONS] = "failed_submissions",
	};

	fputc('{', stdout);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		printf("%s\n  \"%s\": ", i ? "," : "", names[i]);
		if (i == SIDEPOOL_TABLE_DAEMON)
			output_json_row(stdout, sidepool_result(reply, i), 0);
		else
			json_array(sidepool_result(reply, i));
	}
	fputs("\n}\n", stdout);
	return CTL_OK;
}

static int print_table(const struct ctl *ctl, const struct sidepool_result *r,
		       enum sidepool_table table)
{
	struct output output = { .format = ctl->format, .out = stdout };

	if (ctl->format == CTL_ALIGNED)
		return view_table(r, table);
	if (!output_rows(&output, r))
		return CTL_TROUBLE;
	output_end(&output, "");
	return CTL_OK;
}

/* What was submitted and waits stands below; in CSV and JSON it would be another table. */
static int print_tables(const struct ctl *ctl, const struct sidepool_reply *reply,
			enum sidepool_table table)
{
	const struct sidepool_result *submitted =
		sidepool_result(reply, SIDEPOOL_TABLE_SUBMISSIONS);
	int status = print_table(ctl, sidepool_result(reply, table), table);

	if (status != CTL_OK || table == SIDEPOOL_TABLE_SUBMISSIONS || ctl->format != CTL_ALIGNED ||
	    sidepool_nrows(submitted) == 0)
		return status;
	putchar('\n');
	return view_table(submitted, SIDEPOOL_TABLE_SUBMISSIONS);
}

static int print(const struct ctl *ctl, const struct sidepool_reply *reply,
		 enum sidepool_table table)
{
	if (sidepool_error(reply))
		return complain(sidepool_error(reply), NULL);
	if (table != SIDEPOOL_TABLE_DAEMON)
		return print_tables(ctl, reply, table);
	switch (ctl->format) {
	case CTL_JSON:
		return json_status(reply);
	case CTL_CSV:
		return print_table(ctl, sidepool_result(reply, SIDEPOOL_TABLE_DAEMON), table);
	default:
		return view_status(reply);
	}
}

static int ask(struct ctl *ctl, unsigned tables, enum sidepool_table table)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply =
		sidepool_wait(ctl->sp, sidepool_status(ctl->sp, tables, &call));
	int status = print(ctl, reply, table);

	sidepool_reply_free(reply);
	return status;
}

/* On a terminal each view takes the place of the one before; else they follow one another. */
static int watch(struct ctl *ctl, unsigned tables, enum sidepool_table table)
{
	struct timespec pause = { .tv_sec = ctl->watch_ms / 1000,
				  .tv_nsec = (long)(ctl->watch_ms % 1000) * 1000000 };
	bool screen = ctl->watch_ms && isatty(STDOUT_FILENO) && ctl->format == CTL_ALIGNED;
	int status;

	for (;;) {
		if (screen)
			fputs("\x1b[H\x1b[2J", stdout);
		status = ask(ctl, tables, table);
		if (!ctl->watch_ms || status != CTL_OK || fflush(stdout) != 0)
			return status;
		(void)nanosleep(&pause, NULL);
	}
}

int ctl_status(struct ctl *ctl)
{
	return watch(ctl, 0, SIDEPOOL_TABLE_DAEMON);
}

int ctl_list(struct ctl *ctl)
{
	return watch(ctl, 1u << ctl->command->detail, (enum sidepool_table)ctl->command->detail);
}

int ctl_queue(struct ctl *ctl)
{
	if (ctl->failed)
		return watch(ctl, 1u << SIDEPOOL_TABLE_FAILED_SUBMISSIONS,
			     SIDEPOOL_TABLE_FAILED_SUBMISSIONS);
	return watch(ctl,
		     1u << SIDEPOOL_TABLE_REQUESTS | 1u << SIDEPOOL_TABLE_SUBMISSIONS |
			     SIDEPOOL_WAITING_ONLY,
		     SIDEPOOL_TABLE_REQUESTS);
}
