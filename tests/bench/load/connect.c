/* SPDX-License-Identifier: MIT */
/*
 * pgbench -S -C: connect, one row by its key, leave. The latency counts from before connecting to
 * the answer; leaving is in the throughput.
 */
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
	client_close(c); /* the reply outlives its handle */
	worker_finish(c, reply);
}

static int begin(struct client *c)
{
	return client_open(c) < 0 ? -1 : account_ask(c, on_reply);
}

const struct workload workload_connect = {
	.name = "connect",
	.help = "connect, one row by its key, leave, as pgbench -S -C",
	.begin = begin,
	.own_handle = 1,
};
