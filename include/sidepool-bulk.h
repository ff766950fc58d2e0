/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Many statements, or many rows, at once. The functions that return uint32_t are requests as in
 * sidepool-request.h.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct sidepool;
struct sidepool_batch;
struct sidepool_call;
struct sidepool_lease_options;
struct sidepool_params;
struct sidepool_stream;

/*
 * A batch: many statements, one message, one round trip to PostgreSQL. Belongs to the caller and to
 * no handle; after sidepool_batch_send() it is empty and can be filled again. NULL from _new()
 * means no memory. _add() and _add_set() return 0, or SIDEPOOL_E_INVALID_ARGUMENT (as would a
 * different count of parameters in a further set) or SIDEPOOL_E_OUT_OF_MEMORY, with the batch as it
 * was.
 */
struct sidepool_batch *sidepool_batch_new(void);

/* For one statement: its results in PostgreSQL's binary formats. */
#define SIDEPOOL_BATCH_BINARY 1u

/* For one statement: a result for each set of parameters, not one with the sum of them. */
#define SIDEPOOL_BATCH_RESULT_PER_SET 2u

int sidepool_batch_add(struct sidepool_batch *batch, const char *sql,
		       const struct sidepool_params *params, unsigned flags);

/*
 * Runs the statement added last once more, with these; types and formats are those of the first.
 */
int sidepool_batch_add_set(struct sidepool_batch *batch, const struct sidepool_params *params);

/*
 * `atomic`: all or nothing, in one transaction; else each statement commits for itself and
 * sidepool_result_error() tells which failed. `options` (NULL: none) has the transaction's
 * isolation; only for an atomic batch on no lease. The batch stays the caller's.
 */
uint32_t sidepool_batch_send(struct sidepool *sp, struct sidepool_batch *batch, int atomic,
			     const struct sidepool_lease_options *options,
			     const struct sidepool_call *call);

/* NULL is permitted. Returns NULL. */
struct sidepool_batch *sidepool_batch_free(struct sidepool_batch *batch);

/* SIDEPOOL_SUBMIT_OPTIONS(.key = "chat-7", .key_bytes = 6), or set `size`. */
struct sidepool_submit_options {
	size_t size;
	const void
		*key; /* what has the same key is run in the order of its acceptance; NULL: none */
	size_t key_bytes; /* at most 255 */
	uint32_t try_ms;  /* for so long it is tried to be sent; 0: as the settings say */
};

#define SIDEPOOL_SUBMIT_OPTIONS(...)                                                               \
	(&(struct sidepool_submit_options){ .size = sizeof(struct sidepool_submit_options),        \
					    __VA_ARGS__ })

/*
 * A write that need not be waited for: the daemon accepts it, or refuses it at once, and runs the
 * statements later, in one transaction, whatever becomes of this program. Reply: result 0 has
 * submission_id, and journaled: "t" where it is on disk and is run exactly once; else it is lost if
 * the daemon dies. What comes of it is not told: sidepool queue --failed, and the pool's events. The
 * batch stays the caller's and is empty. Only on no lease; an idempotency_key makes asking again safe.
 */
uint32_t sidepool_submit(struct sidepool *sp, struct sidepool_batch *batch,
			 const struct sidepool_submit_options *options,
			 const struct sidepool_call *call);

/*
 * The next chunk. Ask for two or three ahead to hide the round trip: they are answered in order.
 * The last reply has no stream; what was asked beyond it ends with SIDEPOOL_E_UNKNOWN_STREAM, and
 * nobody needs it. A stream from which nothing is fetched for the daemon's fetch_timeout ends with
 * SIDEPOOL_E_FETCH_TIMEOUT.
 */
uint32_t sidepool_fetch(struct sidepool *sp, const struct sidepool_stream *stream,
			const struct sidepool_call *call);

/* Gives the rest up: the statement is cancelled if it still runs. */
uint32_t sidepool_stream_close(struct sidepool *sp, const struct sidepool_stream *stream,
			       const struct sidepool_call *call);

/*
 * COPY ... FROM STDIN: the reply has a stream for sidepool_copy_data(), which copies `data`; each
 * piece (rows may be cut anywhere; its message is no longer than sidepool_max_message_bytes()) is
 * answered as soon as the daemon takes more: have two or three in flight. The reply of
 * sidepool_copy_end() has the tag. sidepool_copy_fail() gives up with a reason. COPY ... TO STDOUT:
 * the reply has a stream; each sidepool_fetch() brings sidepool_copy_chunk(), the last one the tag.
 */
uint32_t sidepool_copy_in(struct sidepool *sp, const char *sql, const struct sidepool_call *call);
uint32_t sidepool_copy_data(struct sidepool *sp, const struct sidepool_stream *stream,
			    const void *data, size_t bytes, const struct sidepool_call *call);
uint32_t sidepool_copy_end(struct sidepool *sp, const struct sidepool_stream *stream,
			   const struct sidepool_call *call);
uint32_t sidepool_copy_fail(struct sidepool *sp, const struct sidepool_stream *stream,
			    const char *reason, const struct sidepool_call *call);
uint32_t sidepool_copy_out(struct sidepool *sp, const char *sql, const struct sidepool_call *call);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
