/* SPDX-License-Identifier: MIT */
/* pgbench -S: one row of pgbench_accounts by its key. */
#include "account.h"
#include "client.h"
#include "worker.h"
#include "workload.h"

static void on_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	struct client *c = userdata;

	(void)sp;
	(void)id;
	(void)account_check(c, reply);
	worker_finish(c, reply);
}

static int begin(struct client *c)
{
	return account_ask(c, on_reply);
}

const struct workload workload_select = {
	.name = "select",
	.help = "one row by its key, as pgbench -S",
	.begin = begin,
};
