/* SPDX-License-Identifier: MIT */
/* sidepool health: the level as exit status, the reasons as text. */
#include <stdio.h>
#include <string.h>

#include "ctl/complain.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "ctl/text.h"

enum {
	INDENT = 34, /* where the sentences stand */
};

static int level_status(const char *level)
{
	if (strcmp(level, "healthy") == 0)
		return CTL_OK;
	return strcmp(level, "degraded") == 0 ? CTL_DEGRADED : CTL_UNHEALTHY;
}

/* A cell of the checks by the name of its column. */
static const char *cell(const struct sidepool_result *r, size_t row, const char *name)
{
	int column = sidepool_fnumber(r, name);
	const char *v = column < 0 ? NULL : sidepool_value(r, row, (size_t)column);

	return v ? v : "";
}

static void print_checks(const struct sidepool_result *checks)
{
	for (size_t row = 0; row < sidepool_nrows(checks); row++) {
		text_wrapf(stdout, INDENT, "  %-10s %-20s %s", cell(checks, row, "level"),
			   cell(checks, row, "name"), cell(checks, row, "reason"));
		if (*cell(checks, row, "advice"))
			text_wrapf(stdout, INDENT, "%*s%s", INDENT, "",
				   cell(checks, row, "advice"));
	}
}

static int print(const struct ctl *ctl, const struct sidepool_reply *reply)
{
	struct output output = { .format = ctl->format, .out = stdout };
	const char *level;

	if (sidepool_error(reply))
		return complain(sidepool_error(reply), NULL);
	level = cell(sidepool_result(reply, 0), 0, "level");
	if (ctl->format == CTL_ALIGNED) {
		printf("%s\n", level);
		print_checks(sidepool_result(reply, 1));
	} else {
		if (!output_rows(&output, sidepool_result(reply, 1)))
			return CTL_TROUBLE;
		output_end(&output, "");
	}
	return level_status(level);
}

int ctl_health(struct ctl *ctl)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply = sidepool_wait(ctl->sp, sidepool_health(ctl->sp, &call));
	int status = print(ctl, reply);

	sidepool_reply_free(reply);
	return status;
}
