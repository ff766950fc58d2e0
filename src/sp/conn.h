/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One peer of an sp_server, and the way to answer it. A connection stays valid as memory while
 * somebody holds a reference, and answers to one that is gone are dropped: nobody has to track who
 * left.
 *
 * An answer is encoded straight into the connection's output:
 *
 *	uint8_t *body = sp_reply_begin(c, &request, response_packed_size);
 *	if (body)
 *		sp_reply_end(c, response_pack(body));
 *
 * Answers of one iteration of the loop are written together before it sleeps. So that none of them
 * waits for the next event, do not answer from a uv_prepare callback.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sp/request.h"

struct sp_conn;

/* What the kernel says of the peer at the time of its connect(). */
struct sp_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* a label: its process may be gone, or may have handed the socket on */
};

const struct sp_peer *sp_conn_peer(const struct sp_conn *c);

/*
 * The supplementary groups that the peer had when it connected (SO_PEERGROUPS), up to `most`.
 * Returns their number; 0 where there are more, or they cannot be told.
 */
size_t sp_conn_peer_groups(const struct sp_conn *c, gid_t *groups, size_t most);

/* A number that no other connection of this server has or had. */
uint64_t sp_conn_serial(const struct sp_conn *c);

/* The owner's own object for it. NULL at first. */
void sp_conn_set_owner(struct sp_conn *c, void *owner);
void *sp_conn_owner(const struct sp_conn *c);

/* A reference keeps the memory, not the connection. Returns `c`. */
struct sp_conn *sp_conn_ref(struct sp_conn *c);

/* Gives a reference back. NULL is allowed. Returns NULL. */
struct sp_conn *sp_conn_unref(struct sp_conn *c);

/* False once it is gone, from before on_close on. */
bool sp_conn_is_open(const struct sp_conn *c);

/* Answers that the peer has not taken yet. */
size_t sp_conn_output_bytes(const struct sp_conn *c);

/*
 * Whether unread answers exceed max_output_bytes. Who produces large answers waits for on_drained
 * then: past hard_output_bytes the connection is closed.
 */
bool sp_conn_is_congested(const struct sp_conn *c);

/* Requests handed up and not answered. */
unsigned sp_conn_requests(const struct sp_conn *c);

/*
 * Begins the answer to a request in flight, and gives room for `body_max` bytes of body. It must be
 * followed by sp_reply_end() or sp_reply_cancel() before anything else is done with this
 * connection. NULL if the connection is gone, or has to be closed for lack of memory or because
 * its peer reads nothing: there is nothing left to answer. None of these calls on_close; that
 * follows from the loop.
 */
uint8_t *sp_reply_begin(struct sp_conn *c, const struct sp_request *request, size_t body_max);

/*
 * The answer is `body_len` bytes (at most body_max) long and complete. The request is no longer in
 * flight.
 */
void sp_reply_end(struct sp_conn *c, size_t body_len);

/* Forgets the answer that was begun. The request stays in flight: another answer may be begun. */
void sp_reply_cancel(struct sp_conn *c);

/* A whole answer that exists already; copies it. Dropped if the connection is gone. */
void sp_reply(struct sp_conn *c, const struct sp_request *request, const void *body, size_t len);

/* There is no memory for an answer that is owed: without it, its connection ends at the loop's next turn. */
void sp_reply_lost(struct sp_conn *c);

/* The request will never be answered. Its id may be used again. */
void sp_request_drop(struct sp_conn *c, const struct sp_request *request);

/* Reads no more, and closes when the answers collected so far have been taken. */
void sp_conn_finish(struct sp_conn *c);

/*
 * Closes now; what the peer has not taken is lost. on_close is called from here. Nothing happens if
 * it is gone.
 */
void sp_conn_close(struct sp_conn *c);
