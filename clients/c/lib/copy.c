/* SPDX-License-Identifier: MIT */
/* COPY in both directions. The data goes straight from the caller's memory into the frame. */
#include "ask.h"
#include "proto-fields.h"
#include "sidepool/v1/copy.pb-c.h"

static ProtobufCBinaryData text(struct ask *a, const char *sql)
{
	if (!sql)
		ask_fail(a, SIDEPOOL_E_INVALID_ARGUMENT, "sql is NULL");
	return (ProtobufCBinaryData){ .data = (uint8_t *)sql, .len = sql ? strlen(sql) : 0 };
}

uint32_t sidepool_copy_in(struct sidepool *sp, const char *sql, const struct sidepool_call *call)
{
	Sidepool__V1__CopyIn message = SIDEPOOL__V1__COPY_IN__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_COPY_IN, call))
		return 0;
	message.sql = text(&a, sql);
	return ask_message(&a, &message.base);
}

uint32_t sidepool_copy_out(struct sidepool *sp, const char *sql, const struct sidepool_call *call)
{
	Sidepool__V1__CopyOut message = SIDEPOOL__V1__COPY_OUT__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_COPY_OUT, call))
		return 0;
	message.sql = text(&a, sql);
	message.chunk_bytes = a.call.chunk_bytes;
	return ask_message(&a, &message.base);
}

static uint32_t send_data(struct sidepool *sp, const struct sidepool_stream *stream,
			  const void *data, size_t bytes, bool end, const char *fail,
			  const struct sidepool_call *call)
{
	struct bytes *f;
	struct ask a;
	size_t open;

	if (!ask_begin(&a, sp, REQUEST_COPY_DATA, call))
		return 0;
	f = &a.q->frame;
	open = pb_open(f, REQUEST_COPY_DATA, bytes + 16);
	pb_uint(f, COPY_DATA_STREAM_ID, ask_stream(&a, stream));
	pb_blob(f, COPY_DATA_DATA, data, bytes);
	pb_uint(f, COPY_DATA_END, end);
	pb_text(f, COPY_DATA_FAIL, fail);
	pb_close(f, open);
	return ask_end(&a);
}

uint32_t sidepool_copy_data(struct sidepool *sp, const struct sidepool_stream *stream,
			    const void *data, size_t bytes, const struct sidepool_call *call)
{
	return send_data(sp, stream, data, bytes, false, NULL, call);
}

uint32_t sidepool_copy_end(struct sidepool *sp, const struct sidepool_stream *stream,
			   const struct sidepool_call *call)
{
	return send_data(sp, stream, NULL, 0, true, NULL, call);
}

uint32_t sidepool_copy_fail(struct sidepool *sp, const struct sidepool_stream *stream,
			    const char *reason, const struct sidepool_call *call)
{
	const char *why = reason && *reason ? reason : "the client gave up";

	return send_data(sp, stream, NULL, 0, false, why, call);
}
