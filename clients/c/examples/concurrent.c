/* SPDX-License-Identifier: MIT */
/*
 * A hundred queries in flight on one handle, in a loop of poll() that could as well serve other
 * descriptors. The answers come in the order in which they are ready.
 */
#include <sidepool.h>
#include <stdio.h>

#include "../adapters/poll.h"

enum {
	QUERIES = 100,
};

struct work {
	unsigned left;
	unsigned failed;
	long sum;
};

static void on_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	struct work *work = userdata;
	int n = 0;

	(void)sp;
	(void)id;
	if (sidepool_code(reply) != SIDEPOOL_E_OK) {
		fprintf(stderr, "%s\n", sidepool_error_message(sidepool_error(reply)));
		work->failed++;
	} else if (sscanf(sidepool_value(sidepool_result(reply, 0), 0, 0), "%d", &n) == 1) {
		work->sum += n;
	}
	work->left--;
	sidepool_reply_free(reply);
}

int main(void)
{
	struct work work = { .left = QUERIES };
	struct sidepool *sp;
	char number[16];

	if (sidepool_open(SIDEPOOL_OPTIONS(.application = "example"), &sp) != 0)
		return 1;
	for (int i = 1; i <= QUERIES; i++) {
		snprintf(number, sizeof(number), "%d", i);
		if (sidepool_query(sp, "select $1::int", SIDEPOOL_TEXT(number),
				   SIDEPOOL_CALL(.done = on_reply, .userdata = &work,
						 .deadline_ms = 5000)) == 0)
			return 1;
	}
	while (work.left > 0 && sidepool_poll_once(sp) == 0)
		;
	printf("%d queries, sum %ld\n", QUERIES, work.sum);
	sidepool_close(sp);
	return work.left != 0 || work.failed != 0;
}
