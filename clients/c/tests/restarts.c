/* SPDX-License-Identifier: MIT */
/*
 * Work that never ends, for tests/integration/test_c_client.py, which restarts the daemon meanwhile.
 * Each line on standard input, and its end, is answered with what was done until then:
 *
 *	ANSWERED COMMITTED UNKNOWN REFUSED
 *
 * queries answered, transactions committed, requests that ended with an unknown outcome, and those
 * that ended with any other error. At the end of standard input it finishes what it has begun, and
 * says the same once more.
 */
#include <poll.h>
#include <sidepool.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	QUERIES = 12,
	TRANSACTIONS = 4,
};

static struct {
	unsigned long answered, committed, unknown, refused;
} tally;

static bool over;

static void count_failure(const struct sidepool_reply *reply)
{
	const struct sidepool_error *e = sidepool_error(reply);

	if (sidepool_error_outcome(e) == SIDEPOOL_OUTCOME_UNKNOWN) {
		tally.unknown++;
		return;
	}
	tally.refused++;
	if (tally.refused > 10)
		return; /* that many say what is wrong, and nobody reads them meanwhile */
	fprintf(stderr, "%s: %s\n", sidepool_code_name(sidepool_code(reply)),
		sidepool_error_message(e));
}

static void ask(struct sidepool *sp);
static void begin(struct sidepool *sp);

static void on_answer(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
		      void *userdata)
{
	(void)id;
	(void)userdata;
	if (sidepool_code(reply) == SIDEPOOL_E_OK)
		tally.answered++;
	else
		count_failure(reply);
	sidepool_reply_free(reply);
	if (!over)
		ask(sp);
}

static void ask(struct sidepool *sp)
{
	sidepool_query(sp, "select 1", NULL, SIDEPOOL_CALL(.done = on_answer));
}

static void on_commit(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
		      void *userdata)
{
	(void)id;
	(void)userdata;
	if (sidepool_code(reply) == SIDEPOOL_E_OK)
		tally.committed++;
	else
		count_failure(reply);
	sidepool_reply_free(reply);
	if (!over)
		begin(sp);
}

static void on_begun(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	struct sidepool_lease lease;

	(void)id;
	(void)userdata;
	if (sidepool_reply_lease(reply, &lease)) {
		sidepool_query(sp, "insert into went values (2)", NULL,
			       SIDEPOOL_CALL(.done = on_commit, .lease = &lease,
					     .finish = SIDEPOOL_FINISH_COMMIT));
	} else {
		count_failure(reply);
		if (!over)
			begin(sp);
	}
	sidepool_reply_free(reply);
}

static void begin(struct sidepool *sp)
{
	sidepool_query(
		sp, "insert into went values (1)", NULL,
		SIDEPOOL_CALL(.done = on_begun, .acquire = SIDEPOOL_LEASE_OPTIONS(.begin = 1)));
}

static void read_command(void)
{
	char line[64];

	over = read(STDIN_FILENO, line, sizeof(line)) <= 0;
	printf("%lu %lu %lu %lu\n", tally.answered, tally.committed, tally.unknown, tally.refused);
	fflush(stdout);
}

static void turn(struct sidepool *sp)
{
	struct pollfd p[2] = { { .fd = over ? -1 : STDIN_FILENO, .events = POLLIN } };

	sidepool_flush(sp);
	p[1].fd = sidepool_fd(sp);
	p[1].events = sidepool_events(sp);
	if (poll(p, 2, sidepool_timeout_ms(sp)) < 0)
		p[0].revents = p[1].revents = 0;
	if (p[0].revents)
		read_command();
	sidepool_dispatch(sp, p[1].revents);
}

int main(void)
{
	struct sidepool *sp = NULL;

	if (sidepool_open(SIDEPOOL_OPTIONS(.application = "restarts"), &sp) != 0)
		return 1;
	for (int i = 0; i < QUERIES; i++)
		ask(sp);
	for (int i = 0; i < TRANSACTIONS; i++)
		begin(sp);
	while (!over || sidepool_in_flight(sp) > 0)
		turn(sp);
	printf("%lu %lu %lu %lu\n", tally.answered, tally.committed, tally.unknown, tally.refused);
	sidepool_close(sp);
	return 0;
}
