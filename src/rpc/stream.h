/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An answer in several chunks. The request that produces it stays, and each chunk goes out as the
 * answer to a Fetch (or to a CopyData the other way). One chunk is made ahead; when it is full and
 * nobody asks for it, nothing more is read from PostgreSQL.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "util/hash.h"
#include "util/macro.h"

struct client;
struct request;
struct stream;

/* Makes the stream of a request; request->stream. False: refused, and the request has a failure. */
bool stream_new(struct request *r);

/* What Response.stream_id says: 0 with the last chunk. */
uint64_t stream_id_to_tell(const struct stream *s);

/*
 * The statement has more rows than a chunk holds: sends the chunk if somebody waits for it, else
 * pauses.
 */
void stream_chunk_full(struct request *r);

/* The call of the producing request has ended: what is left goes out with the next Fetch. */
void stream_ended(struct stream *s);
bool stream_is_ended(const struct stream *s);

/* While it is the client's turn its application's fetch_timeout runs as well. */
void stream_await(struct stream *s);
void stream_heard(struct stream *s);

/* No more rows are wanted: they are read and dropped until the cancel takes. */
void stream_expire(struct stream *s);

/* It was its client that was slow. */
bool stream_timed_out(const struct stream *s);

/* The stream of this id, if the client has it. */
struct stream *stream_find(struct client *c, uint64_t id);
struct request *stream_request(struct stream *s);

/* The client has taken answers that it had left lying: chunks that are ready go out. */
void streams_drained(struct client *c);

/* A request that waits for the next chunk, or for room. */
void stream_wait(struct stream *s, struct request *r);
struct request *stream_next_waiting(struct stream *s);

/* The request does not wait any more (its client is gone). */
void stream_forget(struct request *r);

/* Frees it, whoever still waits for it hears UNKNOWN_STREAM, and lets the producing request go. */
void stream_free(struct stream *s);
