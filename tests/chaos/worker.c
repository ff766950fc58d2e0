/* SPDX-License-Identifier: MIT */
/*
 * The ledger's client in C: threads, each with a handle of its own.
 *
 *	chaos-worker SOCKET NAME SEED
 *
 * Standard output is its log, which tests/chaos/audit.py reads.
 */
#include <pthread.h>
#include <signal.h>
#include <sidepool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lane.h"

enum {
	LANES = 5,
	BURST = 8,
	TRIES = 4,
};

static const char transfer_sql[] =
	"with moved as (update account set balance = balance + case id when $2::int then "
	"-$4::bigint else $4::bigint end where id in ($2::int, $3::int) returning id) insert into "
	"entry select $1::text, id, case id when $2::int then -$4::bigint else $4::bigint end from "
	"moved";
static const char update_sql[] =
	"update account set balance = balance + $1::bigint where id = $2::int";
static const char entries_sql[] =
	"insert into entry values ($1, $2::int, $3::bigint), ($1, $4::int, $5::bigint)";

static volatile sig_atomic_t over;

#define VALUES(t) SIDEPOOL_TEXT((t)->key, (t)->from, (t)->to, (t)->amount)

static bool finish(struct lane *lane, const struct transfer *t, struct sidepool_reply *reply,
		   bool committing)
{
	bool ok = lane_tell(lane, t, sidepool_error(reply), committing);

	sidepool_reply_free(reply);
	return ok;
}

/* Several at once, each its own transaction; one of them may be cancelled. */
static void plain(struct lane *lane, struct sidepool *sp)
{
	struct transfer t[BURST];
	uint32_t ids[BURST];
	unsigned n = 1 + lane_below(lane, BURST);
	uint32_t deadline = lane_deadline_ms(lane);

	for (unsigned i = 0; i < n; i++) {
		t[i] = lane_transfer(lane, "plain");
		ids[i] = sidepool_query(sp, transfer_sql, VALUES(&t[i]),
					SIDEPOOL_CALL(.deadline_ms = deadline));
	}
	if (lane_below(lane, 4) == 0) {
		sidepool_flush(sp);
		sidepool_reply_free(
			sidepool_wait(sp, sidepool_cancel(sp, ids[lane_below(lane, n)], NULL)));
	}
	for (unsigned i = 0; i < n; i++)
		finish(lane, &t[i], sidepool_wait(sp, ids[i]), true);
}

static void batch(struct lane *lane, struct sidepool *sp)
{
	struct sidepool_batch *batch = sidepool_batch_new();
	struct transfer t[BURST];
	unsigned n = 2 + lane_below(lane, BURST - 1);
	bool atomic = lane_below(lane, 2) == 0;
	struct sidepool_reply *reply;
	const struct sidepool_error *e;

	if (!batch)
		abort();
	for (unsigned i = 0; i < n; i++) {
		t[i] = lane_transfer(lane, atomic ? "batch" : "batch, each for itself");
		if (sidepool_batch_add(batch, transfer_sql, VALUES(&t[i]), 0) != 0)
			abort();
	}
	reply = sidepool_wait(
		sp, sidepool_batch_send(sp, batch, atomic, NULL,
					SIDEPOOL_CALL(.deadline_ms = lane_deadline_ms(lane))));
	e = sidepool_error(reply);
	for (unsigned i = 0; i < n; i++)
		lane_tell(lane, &t[i], e ? e : sidepool_result_error(sidepool_result(reply, i)),
			  true);
	sidepool_reply_free(reply);
	sidepool_batch_free(batch);
}

/* Accepted on disk it will be run exactly once; in memory it is lost with the daemon. */
static void tell_submitted(struct lane *lane, const struct transfer *t,
			   const struct sidepool_reply *r)
{
	const char *journaled = sidepool_value(sidepool_result(r, 0), 0, 1);

	if (!sidepool_error(r) && (!journaled || strcmp(journaled, "t") != 0))
		say("U", t->key, "accepted, in memory");
	else
		lane_tell(lane, t, sidepool_error(r), true);
}

/* Several at once, some of them in order. */
static void submitted(struct lane *lane, struct sidepool *sp)
{
	static const char *const keys[] = { "", "a", "b" };
	struct sidepool_batch *batch = sidepool_batch_new();
	struct transfer t[BURST];
	uint32_t ids[BURST];
	unsigned n = 1 + lane_below(lane, BURST);
	uint32_t deadline = lane_deadline_ms(lane);

	if (!batch)
		abort();
	for (unsigned i = 0; i < n; i++) {
		const char *key = keys[lane_below(lane, 3)];

		t[i] = lane_transfer(lane, "submitted");
		if (sidepool_batch_add(batch, transfer_sql, VALUES(&t[i]), 0) != 0)
			abort();
		ids[i] = sidepool_submit(
			sp, batch, SIDEPOOL_SUBMIT_OPTIONS(.key = key, .key_bytes = strlen(key)),
			SIDEPOOL_CALL(.deadline_ms = deadline));
	}
	for (unsigned i = 0; i < n; i++) {
		struct sidepool_reply *reply = sidepool_wait(sp, ids[i]);

		tell_submitted(lane, &t[i], reply);
		sidepool_reply_free(reply);
	}
	sidepool_batch_free(batch);
}

/* A statement on the lease; false: it failed, and the transfer is told to be absent. */
static bool step(struct lane *lane, struct sidepool *sp, const struct transfer *t, uint32_t id,
		 struct sidepool_lease *ret_lease)
{
	struct sidepool_reply *reply = sidepool_wait(sp, id);
	bool ok = sidepool_code(reply) == SIDEPOOL_E_OK;

	sidepool_reply_lease(reply, ret_lease);
	if (!ok)
		lane_tell(lane, t, sidepool_error(reply), false);
	sidepool_reply_free(reply);
	return ok;
}

static void release(struct sidepool *sp, const struct sidepool_lease *lease)
{
	if (sidepool_lease_id(lease))
		sidepool_reply_free(sidepool_wait(
			sp, sidepool_release(sp, lease, SIDEPOOL_FINISH_ROLLBACK, NULL)));
}

/* COMMIT with the last statement, or by Release. */
static void commit(struct lane *lane, struct sidepool *sp, const struct transfer *t,
		   struct sidepool_lease *lease, uint32_t deadline)
{
	const struct sidepool_params *rows =
		SIDEPOOL_TEXT(t->key, t->from, t->minus, t->to, t->amount);
	struct sidepool_reply *reply;
	bool sent_with = lane_below(lane, 2) == 0;

	if (!sent_with &&
	    !step(lane, sp, t,
		  sidepool_query(sp, entries_sql, rows,
				 SIDEPOOL_CALL(.lease = lease, .deadline_ms = deadline)),
		  lease)) {
		release(sp, lease);
		return;
	}
	if (sent_with)
		reply = sidepool_wait(sp,
				      sidepool_query(sp, entries_sql, rows,
						     SIDEPOOL_CALL(.lease = lease,
								   .finish = SIDEPOOL_FINISH_COMMIT,
								   .deadline_ms = deadline)));
	else
		reply = sidepool_wait(sp, sidepool_release(sp, lease, SIDEPOOL_FINISH_COMMIT,
							   SIDEPOOL_CALL(.deadline_ms = deadline)));
	finish(lane, t, reply, true);
}

static void lease(struct lane *lane, struct sidepool *sp)
{
	struct transfer t = lane_transfer(lane, "lease");
	struct sidepool_lease held = { { 0 } };
	uint32_t deadline = lane_deadline_ms(lane);
	const struct sidepool_lease_options *begin = SIDEPOOL_LEASE_OPTIONS(.begin = 1);

	if (!step(lane, sp, &t,
		  sidepool_query(sp, update_sql, SIDEPOOL_TEXT(t.minus, t.from),
				 SIDEPOOL_CALL(.acquire = begin, .deadline_ms = deadline)),
		  &held) ||
	    !step(lane, sp, &t,
		  sidepool_query(sp, update_sql, SIDEPOOL_TEXT(t.amount, t.to),
				 SIDEPOOL_CALL(.lease = &held, .deadline_ms = deadline)),
		  &held)) {
		release(sp, &held);
		return;
	}
	commit(lane, sp, &t, &held, deadline);
}

/* One message: BEGIN, a script, COMMIT. */
static void script(struct lane *lane, struct sidepool *sp)
{
	struct transfer t = lane_transfer(lane, "script");
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "update account set balance = balance - %s where id = %s; "
		 "update account set balance = balance + %s where id = %s; "
		 "insert into entry values ('%s', %s, -%s), ('%s', %s, %s)",
		 t.amount, t.from, t.amount, t.to, t.key, t.from, t.amount, t.key, t.to, t.amount);
	finish(lane, &t,
	       sidepool_wait(
		       sp,
		       sidepool_script(sp, sql,
				       SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS(.begin = 1),
						     .finish = SIDEPOOL_FINISH_COMMIT,
						     .deadline_ms = lane_deadline_ms(lane)))),
	       true);
}

/* Asks twice at once. What is known of the transfer after that, best first: it happened, never ran. */
static bool ask_twice(struct lane *lane, struct sidepool *sp, const struct transfer *t,
		      bool *unsent)
{
	uint32_t ids[2];
	bool ok = false;

	for (unsigned i = 0; i < 2; i++)
		ids[i] = sidepool_query(sp, transfer_sql, VALUES(t),
					SIDEPOOL_CALL(.deadline_ms = lane_deadline_ms(lane),
						      .idempotency_key = t->key,
						      .idempotency_key_bytes = strlen(t->key)));
	for (unsigned i = 0; i < 2; i++) {
		struct sidepool_reply *reply = sidepool_wait(sp, ids[i]);
		const struct sidepool_error *e = sidepool_error(reply);

		ok |= !e;
		*unsent &= e && sidepool_error_outcome(e) == SIDEPOOL_OUTCOME_NOT_SENT;
		sidepool_reply_free(reply);
	}
	return ok;
}

/*
 * The same key again and again until it is a success, twice at a time: it happens once. The
 * daemon's memory ends with it, so a handle that has seen one daemon must not go on to the next.
 */
static void keyed(struct lane *lane, struct sidepool *unused)
{
	struct transfer t = lane_transfer(lane, "keyed, again and again");
	struct sidepool *sp = NULL;
	bool ok = false, unsent = true;

	(void)unused;
	if (sidepool_open(SIDEPOOL_OPTIONS(.socket = lane->path, .application = "ledger-keyed",
					   .no_reconnect = 1),
			  &sp) != 0)
		abort();
	for (unsigned i = 0; i < TRIES && !ok; i++)
		ok = ask_twice(lane, sp, &t, &unsent);
	say(ok ? "S" : unsent ? "N" : "U", t.key, ok ? "" : "keyed");
	lane->told_to_wait |= !ok;
	sidepool_close(sp);
}

static void read_sum(struct lane *lane, struct sidepool *sp)
{
	struct sidepool_reply *reply = sidepool_wait(
		sp, sidepool_query(sp, "select sum(balance)::text from account", NULL,
				   SIDEPOOL_CALL(.deadline_ms = lane_deadline_ms(lane))));
	const char *sum = sidepool_value(sidepool_result(reply, 0), 0, 0);

	if (sidepool_code(reply) == 0) {
		if (!sum || strcmp(sum, "0") != 0)
			say("V", "the balances do not sum up to 0, but to", sum ? sum : "NULL");
		say("E", "", "");
	}
	sidepool_reply_free(reply);
}

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = (long)ms * 1000000 }, NULL);
}

static void *run(void *argument)
{
	static void (*const ways[])(struct lane *, struct sidepool *) = {
		plain, plain, plain, submitted, submitted, batch,    batch,
		lease, lease, lease, script,    keyed,     read_sum,
	};
	struct lane *lane = argument;
	struct sidepool *sp;

	if (sidepool_open(SIDEPOOL_OPTIONS(.socket = lane->path, .application = "ledger-c"), &sp) !=
	    0)
		abort();
	while (!over) {
		lane->told_to_wait = false;
		ways[lane_below(lane, sizeof(ways) / sizeof(ways[0]))](lane, sp);
		pause_ms(lane_below(lane, 60) + (lane->told_to_wait ? 100 : 0));
	}
	sidepool_close(sp);
	return NULL;
}

static void stop(int number)
{
	(void)number;
	over = 1;
}

int main(int argc, char **argv)
{
	struct lane lanes[LANES];
	pthread_t threads[LANES];
	char name[64];

	if (argc != 4) {
		fprintf(stderr, "usage: %s SOCKET NAME SEED\n", argv[0]);
		return 2;
	}
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = stop }, NULL);
	for (unsigned i = 0; i < LANES; i++) {
		snprintf(name, sizeof(name), "%s.c%u", argv[2], i);
		lane_init(&lanes[i], argv[1], name, argv[3]);
		if (pthread_create(&threads[i], NULL, run, &lanes[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < LANES; i++)
		pthread_join(threads[i], NULL);
	say("B", "", "");
	return 0;
}
