/* SPDX-License-Identifier: MIT */
/* sidepool revoke, pause, resume, reconnect, trip, reset, reload, drain: what they did is said by
 * the daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/complain.h"
#include "ctl/ctl.h"

static int print(const struct sidepool_reply *reply)
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
static bool parse_lease(const char *text, uint64_t *ret_id)
{
	char *end;

	errno = 0;
	*ret_id = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

int ctl_admin(struct ctl *ctl)
{
	enum sidepool_admin action = (enum sidepool_admin)ctl->command->detail;
	struct sidepool_call call = ctl_call(ctl);
	const char *argument = ctl->n_args > 0 ? ctl->args[0] : NULL;
	struct sidepool_reply *reply;
	uint64_t lease = 0;
	int status;

	if (action == SIDEPOOL_ADMIN_REVOKE_LEASE && !parse_lease(argument, &lease)) {
		fprintf(stderr, "sidepool: a lease is a number (see: sidepool leases), not: %s\n",
			argument);
		return CTL_USAGE;
	}
	reply = sidepool_wait(ctl->sp, sidepool_admin(ctl->sp, action, argument, lease, &call));
	status = print(reply);
	sidepool_reply_free(reply);
	return status;
}
