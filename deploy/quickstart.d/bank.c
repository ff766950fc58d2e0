/* SPDX-License-Identifier: MIT */
/*
 * The quickstart's C program: 80 callers in one thread, each a small state machine whose next step
 * is taken when the reply to the last one comes. All of them share one handle, and so one
 * connection to the daemon.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <sidepool.h>

enum {
	CALLERS = 80,
	ROUNDS = 150,
	ACCOUNTS = 500,
	STREAMED_ROWS = 50000,
};

enum step {
	STEP_IDLE,
	STEP_SECOND_UPDATE, /* a transfer's first statement is done */
	STEP_LAST,          /* the reply that comes ends the round */
	STEP_STREAM,
};

struct caller {
	int number;
	int round;
	enum step step;
	int to;
	int amount;
};

static struct {
	int reads, transfers, batches, streamed, errors;
	int busy; /* callers that are not through */
} told;

static const char move[] =
	"UPDATE sidepool_quickstart.account SET balance = balance + $1::bigint WHERE id = $2::int";

static void on_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
		     void *userdata);

static void update(struct sidepool *sp, int amount, int account, const struct sidepool_call *call)
{
	char by[16], which[16];

	(void)snprintf(by, sizeof(by), "%d", amount);
	(void)snprintf(which, sizeof(which), "%d", account);
	(void)sidepool_query(sp, move, SIDEPOOL_TEXT(by, which), call);
}

static void read_balance(struct sidepool *sp, struct caller *c)
{
	char which[16];

	(void)snprintf(which, sizeof(which), "%d", 1 + rand() % ACCOUNTS);
	(void)sidepool_query(sp,
			     "SELECT balance FROM sidepool_quickstart.account WHERE id = $1::int",
			     SIDEPOOL_TEXT(which), SIDEPOOL_CALL(.done = on_reply, .userdata = c));
	told.reads++;
	c->step = STEP_LAST;
}

/*
 * BEGIN travels with the first statement, COMMIT with the last: a transaction of two statements is
 * two messages.
 */
static void begin_transfer(struct sidepool *sp, struct caller *c)
{
	int from = 1 + rand() % (ACCOUNTS / 2);

	c->to = 1 + ACCOUNTS / 2 + rand() % (ACCOUNTS / 2);
	c->amount = rand() % 41 - 20;
	c->step = STEP_SECOND_UPDATE;
	update(sp, -c->amount, from,
	       SIDEPOOL_CALL(.done = on_reply, .userdata = c,
			     .acquire = SIDEPOOL_LEASE_OPTIONS(.begin = 1)));
}

static void end_transfer(struct sidepool *sp, struct caller *c, const struct sidepool_reply *reply)
{
	struct sidepool_lease lease;

	(void)sidepool_reply_lease(reply, &lease);
	told.transfers++;
	c->step = STEP_LAST;
	update(sp, c->amount, c->to,
	       SIDEPOOL_CALL(.done = on_reply, .userdata = c, .lease = &lease,
			     .finish = SIDEPOOL_FINISH_COMMIT));
}

static void send_batch(struct sidepool *sp, struct caller *c)
{
	struct sidepool_batch *batch = sidepool_batch_new();

	for (int i = 0; i < 10; i++)
		(void)sidepool_batch_add(
			batch,
			"INSERT INTO sidepool_quickstart.note (program, body) VALUES ($1, $2)",
			SIDEPOOL_TEXT("c", "a note"), 0);
	(void)sidepool_batch_send(sp, batch, 1, NULL,
				  SIDEPOOL_CALL(.done = on_reply, .userdata = c));
	sidepool_batch_free(batch);
	told.batches++;
	c->step = STEP_LAST;
}

static void begin_stream(struct sidepool *sp, struct caller *c)
{
	c->step = STEP_STREAM;
	(void)sidepool_query(sp, "SELECT g, repeat('x', 100) FROM generate_series(1, 50000) g",
			     NULL, SIDEPOOL_CALL(.done = on_reply, .userdata = c));
}

static void next_round(struct sidepool *sp, struct caller *c)
{
	int round = c->round++;

	if (round == ROUNDS && c->number == 0)
		begin_stream(sp, c);
	else if (round >= ROUNDS)
		told.busy--;
	else if (round % 10 == 9)
		send_batch(sp, c);
	else if (round % 2 == 1)
		begin_transfer(sp, c);
	else
		read_balance(sp, c);
}

static void go_on_streaming(struct sidepool *sp, struct caller *c,
			    const struct sidepool_reply *reply)
{
	struct sidepool_stream stream;

	told.streamed += (int)sidepool_nrows(sidepool_result(reply, 0));
	if (sidepool_reply_stream(reply, &stream))
		(void)sidepool_fetch(sp, &stream, SIDEPOOL_CALL(.done = on_reply, .userdata = c));
	else
		next_round(sp, c);
}

static void on_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	struct caller *c = userdata;

	(void)id;
	if (sidepool_code(reply)) {
		told.errors++;
		(void)fprintf(stderr, "c: %s\n", sidepool_error_message(sidepool_error(reply)));
		next_round(sp, c);
	} else if (c->step == STEP_SECOND_UPDATE) {
		end_transfer(sp, c, reply);
	} else if (c->step == STEP_STREAM) {
		go_on_streaming(sp, c, reply);
	} else {
		next_round(sp, c);
	}
	sidepool_reply_free(reply);
}

static int run(struct sidepool *sp)
{
	struct pollfd p;

	while (told.busy > 0) {
		p = (struct pollfd){ .fd = sidepool_fd(sp), .events = sidepool_events(sp) };
		(void)poll(&p, 1, sidepool_timeout_ms(sp));
		if (sidepool_dispatch(sp, p.revents))
			return 1;
	}
	return 0;
}

int main(void)
{
	static struct caller callers[CALLERS];
	struct sidepool *sp;
	int failed;

	if (sidepool_open(SIDEPOOL_OPTIONS(.application = "bank-c"), &sp))
		return 1;
	told.busy = CALLERS;
	for (int i = 0; i < CALLERS; i++) {
		callers[i].number = i;
		next_round(sp, &callers[i]);
	}
	failed = run(sp);
	sidepool_close(sp);
	(void)printf(
		"{\"program\": \"c\", \"callers\": %d, \"reads\": %d, \"transfers\": %d, \"batches\": %d, "
		"\"streamed\": %d, \"errors\": %d}\n",
		CALLERS, told.reads, told.transfers, told.batches, told.streamed, told.errors);
	return failed || told.streamed != STREAMED_ROWS;
}
