/* SPDX-License-Identifier: MIT */
/*
 * One-row SELECTs among which one in a hundred takes a hundred times as long; only the short ones'
 * latency counts. It shows what a short statement has to wait for behind a long one. In `mixed` the
 * long ones have a text of their own, from which their time may be known; in `hidden` only a
 * parameter tells them from the others.
 */
#include <sidepool.h>
#include <stdio.h>

#include "account.h"
#include "random.h"
#include "client.h"
#include "worker.h"
#include "workload.h"

enum {
	ONE_IN = 100,
};

#define LONG_S "0.005" /* a short one takes PostgreSQL some 50 us */

static void on_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	struct client *c = userdata;

	(void)sp;
	(void)id;
	worker_finish(c, reply);
}

static bool is_long(struct client *c)
{
	c->aside = random_upto(&c->random, ONE_IN) == 1;
	return c->aside;
}

static int begin_mixed(struct client *c)
{
	if (!is_long(c))
		return account_ask(c, on_reply);
	return sidepool_query(c->sp, "SELECT pg_sleep(" LONG_S ")", NULL,
			      SIDEPOOL_CALL(.done = on_reply, .userdata = c)) == 0
		       ? -1
		       : 0;
}

static int begin_hidden(struct client *c)
{
	char aid[16];

	(void)snprintf(aid, sizeof(aid), "%u", account_random(c));
	return sidepool_query(c->sp,
			      "SELECT abalance FROM pgbench_accounts, pg_sleep($2) WHERE aid = $1",
			      SIDEPOOL_TEXT(aid, is_long(c) ? LONG_S : "0"),
			      SIDEPOOL_CALL(.done = on_reply, .userdata = c)) == 0
		       ? -1
		       : 0;
}

const struct workload workload_mixed = {
	.name = "mixed",
	.help = "select, and one in a hundred takes 5 ms; the latency is the others'",
	.begin = begin_mixed,
};

const struct workload workload_hidden = {
	.name = "hidden",
	.help = "mixed, with one text for short and long",
	.begin = begin_hidden,
};
