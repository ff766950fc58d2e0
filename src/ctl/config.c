/* SPDX-License-Identifier: MIT */
/*
 * sidepool config: the daemon sends it as its file is written, with where each value is from behind
 * a semicolon. On a terminal that goes to a line of its own where both do not fit into one; elsewhere
 * a setting stays one line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/complain.h"
#include "ctl/ctl.h"
#include "ctl/text.h"

enum {
	LINE_WIDTH = 80,
	INDENT = 4,
};

/* The last " ; " of the line: a value may have others. */
static char *find_origin(char *line)
{
	char *found = NULL;

	for (char *at = line; (at = strstr(at, " ; ")); at++)
		found = at;
	return found;
}

static void put_line(char *line)
{
	char *origin = text_width(line, strlen(line)) > LINE_WIDTH ? find_origin(line) : NULL;

	if (origin)
		*origin = '\0';
	text_wrap(stdout, line, INDENT);
	if (!origin)
		return;
	printf("%*s", INDENT, "");
	text_wrap(stdout, origin + 1, INDENT);
}

static int put_lines(const char *text)
{
	char *copy = strdup(text), *rest = copy, *line;

	if (!copy) {
		fputs("sidepool: out of memory\n", stderr);
		return CTL_TROUBLE;
	}
	while ((line = strsep(&rest, "\n")))
		put_line(line);
	free(copy);
	return CTL_OK;
}

static int print(const struct sidepool_reply *reply)
{
	const struct sidepool_result *r = sidepool_result(reply, 0);
	int message = sidepool_fnumber(r, "message");

	if (sidepool_error(reply) || message < 0 || !isatty(STDOUT_FILENO))
		return ctl_admin_print(reply);
	return put_lines(sidepool_value(r, 0, (size_t)message));
}

int ctl_config(struct ctl *ctl)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply = sidepool_wait(
		ctl->sp, sidepool_admin(ctl->sp, SIDEPOOL_ADMIN_CONFIG, NULL, 0, &call));
	int status = print(reply);

	sidepool_reply_free(reply);
	return status;
}
