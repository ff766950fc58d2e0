/* SPDX-License-Identifier: MIT */
/* sidepool set, unset: the daemon checks what is meant, and says what was changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

static int usage(const char *what)
{
	fprintf(stderr, "sidepool: %s\nTry: sidepool --help\n", what);
	return CTL_USAGE;
}

/* "" where neither --pool nor --app says one. Owned by the caller; NULL without memory. */
static char *section_of(const struct ctl *ctl)
{
	const char *kind = ctl->pool ? "pool" : "application";
	const char *name = ctl->pool ? ctl->pool : ctl->application;
	char *section;

	if (!name)
		return strdup("");
	return asprintf(&section, "%s %s", kind, name) < 0 ? NULL : section;
}

static int ask(struct ctl *ctl, const char *name, const char *value)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply;
	char *section = section_of(ctl);
	int status;

	if (!section) {
		fprintf(stderr, "sidepool: out of memory\n");
		return CTL_TROUBLE;
	}
	reply = sidepool_wait(ctl->sp, sidepool_set(ctl->sp, section, name, value, &call));
	status = ctl_admin_print(reply);
	sidepool_reply_free(reply);
	free(section);
	return status;
}

/* The arguments as one line: `set max_size = 40` is how the file has it. Owned by the caller. */
static char *join(const struct ctl *ctl)
{
	size_t n = 1;
	char *line, *end;

	for (int i = 0; i < ctl->n_args; i++)
		n += strlen(ctl->args[i]) + 1;
	line = malloc(n);
	if (!line)
		return NULL;
	end = line;
	for (int i = 0; i < ctl->n_args; i++)
		end = stpcpy(stpcpy(end, i ? " " : ""), ctl->args[i]);
	*end = '\0';
	return line;
}

static char *strip(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	for (n = strlen(s); n > 0 && strchr(" \t", s[n - 1]); n--)
		;
	s[n] = '\0';
	return s;
}

static int set(struct ctl *ctl, char *line)
{
	char *equals = strchr(line, '=');

	if (!equals)
		return usage("set needs NAME=VALUE, as in the file");
	*equals = '\0';
	return ask(ctl, strip(line), strip(equals + 1));
}

static bool names_both(const struct ctl *ctl)
{
	return ctl->pool && ctl->application;
}

int ctl_set(struct ctl *ctl)
{
	char *line;
	int status;

	if (names_both(ctl))
		return usage("a setting is of a pool or of an application: --pool or --app");
	line = join(ctl);
	if (!line) {
		fprintf(stderr, "sidepool: out of memory\n");
		return CTL_TROUBLE;
	}
	status = set(ctl, line);
	free(line);
	return status;
}

int ctl_unset(struct ctl *ctl)
{
	if (names_both(ctl))
		return usage("a setting is of a pool or of an application: --pool or --app");
	if (ctl->n_args == 0 && (ctl->pool || ctl->application))
		return usage(
			"unset without a NAME takes back every change: leave --pool and --app out");
	return ask(ctl, ctl->n_args > 0 ? ctl->args[0] : "", NULL);
}
