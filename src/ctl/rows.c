/* SPDX-License-Identifier: MIT */
/* At most AHEAD + 1 chunks are here at any time, however large the result is. */
#include "ctl/rows.h"

#include <stdio.h>

#include "ctl/complain.h"
#include "ctl/output.h"

enum {
	AHEAD = 2,
};

struct rows {
	struct ctl *ctl;
	struct output output;
	const char *sql;
	uint32_t ahead[AHEAD];
};

/* Each result of the reply; one that goes on is ended by a later reply. */
static int print_reply(struct rows *rows, const struct sidepool_reply *reply)
{
	for (size_t i = 0; i < sidepool_results(reply); i++) {
		const struct sidepool_result *r = sidepool_result(reply, i);

		complain_notices(r);
		if (!output_rows(&rows->output, r))
			return CTL_TROUBLE;
		if (!sidepool_more(r))
			output_end(&rows->output, sidepool_command_tag(r));
	}
	if (sidepool_error(reply))
		return complain(sidepool_error(reply), rows->sql);
	return ferror(rows->output.out) ? CTL_TROUBLE : CTL_OK;
}

static uint32_t fetch(struct rows *rows, const struct sidepool_stream *stream)
{
	struct sidepool_call call = ctl_call(rows->ctl);

	return sidepool_fetch(rows->ctl->sp, stream, &call);
}

/* What was asked ahead of the end is answered with errors of no interest. */
static void drop_ahead(struct rows *rows)
{
	for (int i = 0; i < AHEAD; i++)
		sidepool_drop(rows->ctl->sp, rows->ahead[i]);
}

static int print_stream(struct rows *rows, struct sidepool_stream stream)
{
	bool goes_on = true;
	int status = CTL_OK;

	for (int i = 0; i < AHEAD; i++)
		rows->ahead[i] = fetch(rows, &stream);
	for (int i = 0; goes_on && status == CTL_OK; i = (i + 1) % AHEAD) {
		struct sidepool_reply *reply = sidepool_wait(rows->ctl->sp, rows->ahead[i]);

		status = print_reply(rows, reply);
		goes_on = sidepool_reply_stream(reply, &stream);
		rows->ahead[i] = goes_on && status == CTL_OK ? fetch(rows, &stream) : 0;
		sidepool_reply_free(reply);
	}
	drop_ahead(rows);
	return status;
}

int rows_print(struct ctl *ctl, uint32_t id, const char *sql)
{
	struct rows rows = { .ctl = ctl,
			     .sql = sql,
			     .output = { .format = ctl->format, .out = stdout } };
	struct sidepool_reply *reply = sidepool_wait(ctl->sp, id);
	struct sidepool_stream stream;
	int status = print_reply(&rows, reply);

	if (status == CTL_OK && sidepool_reply_stream(reply, &stream))
		status = print_stream(&rows, stream);
	sidepool_reply_free(reply);
	output_end(&rows.output, "");
	return status;
}
