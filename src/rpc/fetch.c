/* SPDX-License-Identifier: MIT */
/* Fetch: the next chunk of a stream, or the end of it. */
#include "rpc/copy.h"
#include "rpc/kinds.h"
#include "rpc/rpc-internal.h"
#include "rpc/stream.h"

static void close_stream(struct request *r, struct stream *s)
{
	struct request *producer = stream_request(s);

	/* Still running: cancelled, and freed when its call has ended. */
	if (!stream_is_ended(s))
		request_cancel(producer);
	stream_free(s);
	request_reply(r, NULL);
}

void fetch_handle(struct request *r)
{
	const Sidepool__V1__Fetch *m = r->message->fetch;
	struct stream *s = stream_find(r->client, m->stream_id);

	if (!s)
		request_fail(r, SIDEPOOL_E_UNKNOWN_STREAM, NULL);
	else if (m->close)
		close_stream(r, s);
	else if (copy_is_in(stream_request(s))) /* what waits there is its data, in order */
		request_fail(r, SIDEPOOL_E_UNKNOWN_STREAM, NULL);
	else
		stream_wait(s, r);
}
