/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of src/sp/ know of each other, and nobody else does. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "sp/conn.h"
#include "sp/flight.h"
#include "sp/frame.h"
#include "sp/listener.h"
#include "sp/output.h"
#include "sp/pool.h"
#include "sp/server.h"
#include "sp/uids.h"

enum {
	SP_READ_BUFFER_BYTES = 65536,
	SP_POOL_KEEP_BYTES = 8 << 20,
};

enum sp_conn_state {
	SP_CONN_GREETING, /* in sp_server::greeting */
	SP_CONN_OPEN,     /* in sp_server::open */
	SP_CONN_CLOSED,   /* in neither; its handle is closing or closed */
};

/* What a connection may be overdue with: it is in at most one of sp_server::waits. */
enum sp_wait {
	SP_WAIT_GREETING,
	SP_WAIT_MESSAGE, /* one has begun */
	SP_WAIT_REQUEST, /* nothing is in flight */
	SP_WAIT_N,
	SP_WAIT_NONE = SP_WAIT_N,
};

struct sp_conn {
	uv_pipe_t pipe;
	uv_write_t write;
	struct sp_server *server; /* borrowed; NULL once the handle is closed */
	void *owner;              /* borrowed */
	struct sp_peer peer;
	uint64_t serial;
	unsigned refs; /* one of them is the server's, until the handle is closed */
	enum sp_conn_state state;
	enum sp_wait wait;
	usec wait_since;
	bool paused;         /* not read from; watched for a hangup */
	bool congested;      /* more than max_output_bytes unread, and not yet back to half of it */
	bool finishing;      /* closes when its output is written */
	bool parsing;        /* in take_all() */
	bool writing;        /* `write` is with libuv */
	bool dirty;          /* in sp_server::dirty */
	bool resuming;       /* in sp_server::resuming */
	const char *doomed;  /* why it is closed at its next flush; NULL: it is not */
	bool replying;       /* between sp_reply_begin and its end */
	size_t write_bytes;  /* of `write` */
	size_t frame_memory; /* of `frame`, as counted in partial_bytes */
	struct sp_frame frame;
	struct sp_flight flight;
	struct sp_output output;
	struct sp_request reply_to;         /* while replying */
	LIST_ENTRY(sp_conn) link;           /* sp_server::greeting or ::open */
	TAILQ_ENTRY(sp_conn) wait_link;     /* sp_server::waits[wait] */
	TAILQ_ENTRY(sp_conn) dirty_link;    /* sp_server::dirty */
	TAILQ_ENTRY(sp_conn) resuming_link; /* sp_server::resuming */
};

LIST_HEAD(sp_conn_list, sp_conn);
TAILQ_HEAD(sp_conn_queue, sp_conn);

struct sp_listener {
	uv_poll_t poll;
	struct sp_server *server; /* borrowed: the server is freed after all its handles */
	struct sp_bound bound;
	LIST_ENTRY(sp_listener) link; /* sp_server::listeners */
};

struct sp_server {
	uv_loop_t *loop;
	struct sp_settings settings;
	const struct sp_ops *ops;
	void *userdata;
	struct sp_counts counts;
	struct sp_pool pool;
	struct sp_uids uids;
	struct sp_conn *spare; /* owned: memory for the next connection */
	uint8_t *read_buffer;  /* owned */
	uint64_t seed;         /* of the connections' sets of requests */
	uint64_t last_serial;
	unsigned handles; /* not closed yet; the memory goes with the last one */
	unsigned n_dirty;
	int hangup_fd; /* an epoll of those that are not read from */
	bool closing;
	bool accept_paused;
	usec accept_retry; /* when to try again; USEC_NEVER: when a connection closes */
	usec timer_due;    /* USEC_NEVER: not set */
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	uv_timer_t timer;
	uv_poll_t hangup;
	LIST_HEAD(, sp_listener) listeners;    /* owned */
	struct sp_conn_list greeting;          /* owned */
	struct sp_conn_list open;              /* owned */
	struct sp_conn *for_each_next;         /* borrowed: where sp_server_for_each goes on */
	struct sp_conn_queue dirty;            /* have output that was not offered to the kernel */
	struct sp_conn_queue resuming;         /* may be read from again */
	struct sp_conn_queue waits[SP_WAIT_N]; /* the longest waiting first */
};

/* server.c: the memory goes with the last handle. */
void sp_server_handle_closed(struct sp_server *s);
usec sp_server_now(const struct sp_server *s);
/* Keeps the loop from sleeping, and sees to `resuming` and `dirty` in its next round. */
void sp_server_wake(struct sp_server *s);

/* accept.c */
void sp_accept_resume(struct sp_server *s);
void sp_accept_close(struct sp_server *s, struct sp_listener *l);

/* conn.c. Takes the server's spare and `fd`. */
void sp_conn_start(struct sp_server *s, int fd, const struct sp_peer *peer);
/* Closes for a reason that the peer gave. */
void sp_conn_fail(struct sp_conn *c, uint64_t *counter, const char *why);
/* Reads on, if nothing speaks against it. */
void sp_conn_resume(struct sp_conn *c);
/* Has sp_conn_resume() called soon, if nothing speaks against it. */
void sp_conn_may_resume(struct sp_conn *c);
/* Stops reading, if something speaks for it. */
void sp_conn_may_pause(struct sp_conn *c);

/* Closes soon for a reason of ours: nobody expects on_close where an answer is given. */
void sp_conn_doom(struct sp_conn *c, const char *why);

/* reply.c */
/* Puts our greeting in front of the answers. Returns 0 or -ENOMEM. */
int sp_reply_greeting(struct sp_conn *c);
/* Has sp_conn_flush() called before the loop sleeps. */
void sp_conn_mark_dirty(struct sp_conn *c);
/* Offers the output to the kernel. May close the connection. */
void sp_conn_flush(struct sp_conn *c);

/* hangup.c: -ENOMEM or -ENOSPC from watch. */
int sp_hangup_init(struct sp_server *s);
int sp_hangup_watch(struct sp_server *s, struct sp_conn *c);
void sp_hangup_unwatch(struct sp_server *s, struct sp_conn *c);

/* expiry.c */
void sp_expiry_init(struct sp_server *s);
/* Sees what the connection may be overdue with now; `progress` begins the wait anew. */
void sp_expiry_update(struct sp_conn *c, bool progress);
void sp_expiry_remove(struct sp_conn *c);
void sp_expiry_arm(struct sp_server *s, usec due);
