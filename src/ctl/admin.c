/* SPDX-License-Identifier: MIT */
/*
 * sidepool revoke, pause, resume, reconnect, breaker, cancel, kill, reload, drain: what they did
 * is said by the daemon.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/complain.h"
#include "ctl/ctl.h"

int ctl_admin_print(const struct sidepool_reply *reply)
{
	const struct sidepool_result *r = sidepool_result(reply, 0);
	int message = sidepool_fnumber(r, "message");
	const char *text;

	if (sidepool_error(reply))
		return complain(sidepool_error(reply), NULL);
	text = message < 0 ? NULL : sidepool_value(r, 0, (size_t)message);
	puts(text ? text : "done");
	return CTL_OK;
}

/* Returns whether it is a number, and a whole one. */
static bool parse_number(const char *text, uint64_t *ret_id)
{
	char *end;

	assert(text); /* the command table asks for an argument */
	errno = 0;
	*ret_id = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static int admin(struct ctl *ctl, enum sidepool_admin action, const char *what, uint64_t id)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply =
		sidepool_wait(ctl->sp, sidepool_admin(ctl->sp, action, what, id, &call));
	int status = ctl_admin_print(reply);

	sidepool_reply_free(reply);
	return status;
}

/* How many connections of the pool are in use; of all pools where `name` is NULL. -1: not known. */
static long in_use(struct ctl *ctl, const char *name)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply =
		sidepool_wait(ctl->sp, sidepool_status(ctl->sp, 1u << SIDEPOOL_TABLE_POOLS, &call));
	const struct sidepool_result *r = sidepool_result(reply, SIDEPOOL_TABLE_POOLS);
	int names = sidepool_fnumber(r, "name"), numbers = sidepool_fnumber(r, "in_use");
	long n = sidepool_error(reply) || names < 0 || numbers < 0 ? -1 : 0;

	for (size_t row = 0; n >= 0 && row < sidepool_nrows(r); row++)
		if (!name || !strcmp(name, sidepool_value(r, row, (size_t)names)))
			n += strtol(sidepool_value(r, row, (size_t)numbers), NULL, 10);
	sidepool_reply_free(reply);
	return n;
}

static int wait_until_idle(struct ctl *ctl, const char *pool)
{
	static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	long n;

	(void)fflush(stdout); /* what was done is told before the wait for it */
	while ((n = in_use(ctl, pool)) > 0)
		(void)nanosleep(&pause, NULL);
	if (n == 0)
		puts("what ran has ended");
	return n == 0 ? CTL_OK : CTL_NO_DAEMON;
}

int ctl_admin(struct ctl *ctl)
{
	enum sidepool_admin action = (enum sidepool_admin)ctl->command->detail;
	const char *argument = ctl->n_args > 0 ? ctl->args[0] : NULL;
	bool numbered = action == SIDEPOOL_ADMIN_REVOKE_LEASE || action == SIDEPOOL_ADMIN_CANCEL;
	uint64_t id = 0;
	int status;

	if (numbered && !parse_number(argument, &id)) {
		fprintf(stderr, "sidepool: a %s is a number (see: sidepool %s), not: %s\n",
			action == SIDEPOOL_ADMIN_CANCEL ? "request" : "lease",
			action == SIDEPOOL_ADMIN_CANCEL ? "queries" : "leases", argument);
		return CTL_USAGE;
	}
	status = admin(ctl, action, argument, id);
	if (status == CTL_OK && action == SIDEPOOL_ADMIN_PAUSE && ctl->wait)
		status = wait_until_idle(ctl, argument);
	return status;
}

int ctl_breaker(struct ctl *ctl)
{
	const char *pool = ctl->n_args > 1 ? ctl->args[1] : NULL;

	if (!strcmp(ctl->args[0], "trip"))
		return admin(ctl, SIDEPOOL_ADMIN_TRIP_BREAKER, pool, 0);
	if (!strcmp(ctl->args[0], "reset"))
		return admin(ctl, SIDEPOOL_ADMIN_RESET_BREAKER, pool, 0);
	fprintf(stderr, "sidepool: breaker is to be trip or reset, not: %s\n", ctl->args[0]);
	return CTL_USAGE;
}

int ctl_kill(struct ctl *ctl)
{
	if (ctl->application)
		return admin(ctl, SIDEPOOL_ADMIN_KILL, ctl->application, 0);
	fprintf(stderr, "sidepool: kill needs --app NAME: whose leases and requests are to end\n");
	return CTL_USAGE;
}
