/* SPDX-License-Identifier: MIT */
#include "account.h"

#include <stdio.h>

#include "options.h"
#include "random.h"
#include "client.h"
#include "worker.h"

enum {
	ACCOUNTS = 100000, /* for each unit of scale */
};

uint32_t account_random(struct client *c)
{
	return random_upto(&c->random, ACCOUNTS * c->worker->options->scale);
}

int account_ask(struct client *c, sidepool_reply_fn done)
{
	char aid[16];

	(void)snprintf(aid, sizeof(aid), "%u", account_random(c));
	if (sidepool_query(c->sp, "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
			   SIDEPOOL_TEXT(aid), SIDEPOOL_CALL(.done = done, .userdata = c)) == 0)
		return -1;
	return 0;
}

bool account_check(struct client *c, const struct sidepool_reply *reply)
{
	const struct sidepool_result *result = sidepool_result(reply, 0);

	if (sidepool_code(reply) != SIDEPOOL_E_OK)
		return false;
	if (sidepool_nrows(result) == 1 && sidepool_value(result, 0, 0))
		return true;
	client_fail(c, "an account is missing: is --scale that of the tables?");
	return false;
}
