/* SPDX-License-Identifier: MIT */
/*
 * A million rows of five mixed columns, read chunk by chunk with a few fetches ahead. Each value is
 * looked at. A unit of work is one whole result.
 */
#include "stream.h"

#include <sidepool.h>
#include <stdbool.h>

#include "options.h"
#include "client.h"
#include "worker.h"
#include "workload.h"

enum {
	AHEAD = 3, /* chunks asked for at once */
};

static void on_chunk(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
		     void *userdata);

static void add_rows(struct client *c, const struct sidepool_result *result)
{
	size_t n = sidepool_nrows(result);

	for (size_t row = 0; row < n; row++)
		for (size_t column = 0; column < STREAM_COLUMNS; column++)
			stream_add(&c->sum, sidepool_value(result, row, column),
				   sidepool_length(result, row, column));
	c->sum.rows += n;
}

static void ask_ahead(struct client *c, const struct sidepool_stream *stream)
{
	for (; c->n_asked < AHEAD; c->n_asked++)
		if (sidepool_fetch(c->sp, stream, SIDEPOOL_CALL(.done = on_chunk, .userdata = c)) ==
		    0)
			break;
	if (c->n_asked == 0)
		client_fail(c, "the rest of the rows could not be asked for");
}

/* What was asked for ahead of the end is answered with UNKNOWN_STREAM, and is awaited. */
static void on_chunk(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	struct sidepool_stream stream;
	struct client *c = userdata;
	bool behind = c->ended && sidepool_code(reply) == SIDEPOOL_E_UNKNOWN_STREAM;

	(void)sp;
	(void)id;
	c->n_asked--;
	add_rows(c, sidepool_result(reply, 0));
	if (sidepool_reply_stream(reply, &stream))
		ask_ahead(c, &stream);
	else
		c->ended = true;
	if (!behind && sidepool_code(reply) != SIDEPOOL_E_OK)
		client_fail(c, "%s", sidepool_error_message(sidepool_error(reply)));
	(void)sidepool_reply_free(reply);
	if (c->n_asked > 0)
		return;
	if (c->sum.rows != STREAM_ROWS)
		client_fail(c, "%ju rows have come", (uintmax_t)c->sum.rows);
	worker_finish(c, NULL);
}

static int begin(struct client *c)
{
	c->sum = (struct stream_sum){ 0 };
	c->ended = false;
	c->n_asked = 1;
	return sidepool_query(c->sp, STREAM_SQL, NULL,
			      SIDEPOOL_CALL(.done = on_chunk, .userdata = c)) == 0
		       ? -1
		       : 0;
}

const struct workload workload_stream = {
	.name = "stream",
	.help = "1,000,000 rows of 5 mixed columns; with --libpq past sidepool",
	.begin = begin,
	.libpq = stream_libpq,
};
