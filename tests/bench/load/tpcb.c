/* SPDX-License-Identifier: MIT */
/* pgbench's TPC-B-like transaction, its five statements as one atomic batch. */
#include <sidepool.h>
#include <stdio.h>

#include "options.h"
#include "random.h"
#include "client.h"
#include "worker.h"
#include "workload.h"

enum {
	ACCOUNTS = 100000, /* for each unit of scale, which is one branch */
	TELLERS = 10,
	DELTA = 5000,
	STATEMENTS = 5,
};

static void on_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	struct client *c = userdata;

	(void)sp;
	(void)id;
	if (sidepool_code(reply) == SIDEPOOL_E_OK && sidepool_results(reply) != STATEMENTS)
		client_fail(c, "the batch brought %zu results", sidepool_results(reply));
	worker_finish(c, reply);
}

static int fill(struct sidepool_batch *batch, const char *aid, const char *tid, const char *bid,
		const char *delta)
{
	const struct {
		const char *sql;
		const struct sidepool_params *params;
	} statements[STATEMENTS] = {
		{ "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
		  SIDEPOOL_TEXT(delta, aid) },
		{ "SELECT abalance FROM pgbench_accounts WHERE aid = $1", SIDEPOOL_TEXT(aid) },
		{ "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2",
		  SIDEPOOL_TEXT(delta, tid) },
		{ "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2",
		  SIDEPOOL_TEXT(delta, bid) },
		{ "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) "
		  "VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
		  SIDEPOOL_TEXT(tid, bid, aid, delta) },
	};

	for (unsigned i = 0; i < STATEMENTS; i++)
		if (sidepool_batch_add(batch, statements[i].sql, statements[i].params, 0) != 0)
			return -1;
	return 0;
}

static int begin(struct client *c)
{
	uint32_t scale = c->worker->options->scale;
	struct sidepool_batch *batch = sidepool_batch_new();
	char aid[16], tid[16], bid[16], delta[16];
	int r = -1;

	(void)snprintf(aid, sizeof(aid), "%u", random_upto(&c->random, ACCOUNTS * scale));
	(void)snprintf(tid, sizeof(tid), "%u", random_upto(&c->random, TELLERS * scale));
	(void)snprintf(bid, sizeof(bid), "%u", random_upto(&c->random, scale));
	(void)snprintf(delta, sizeof(delta), "%d",
		       (int)random_upto(&c->random, 2 * DELTA + 1) - DELTA - 1);
	if (batch && fill(batch, aid, tid, bid, delta) == 0 &&
	    sidepool_batch_send(c->sp, batch, 1, NULL,
				SIDEPOOL_CALL(.done = on_reply, .userdata = c)) != 0)
		r = 0;
	(void)sidepool_batch_free(batch);
	return r;
}

const struct workload workload_tpcb = {
	.name = "tpcb",
	.help = "pgbench's TPC-B-like transaction as one atomic batch",
	.begin = begin,
};
