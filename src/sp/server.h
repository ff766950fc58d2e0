/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The REP side of SP over Unix sockets: listens, accepts, greets, hands complete requests up. It
 * knows nothing of what is inside a message. Everything here is called from the thread of the loop,
 * and nothing blocks once it listens.
 *
 * The process must ignore SIGPIPE: a peer may leave while it is written to.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "sp/request.h"
#include "util/macro.h"

struct sp_conn;
struct sp_server;

/* The positive codes of this module. */
enum sp_error {
	SP_E_NONE,
	SP_E_IN_USE,       /* somebody answers on that path */
	SP_E_PATH_LENGTH,  /* the path is empty or longer than a socket's may be (SP_PATH_MAX) */
	SP_E_NO_DIRECTORY, /* the folder of the path does not exist */
	SP_E_NOT_SOCKET,   /* something else than a socket is there, and is left alone */
	SP_E_DENIED,       /* the path may not be looked at, bound or given to that owner */
	SP_E_NOT_LISTENER, /* the descriptor is no Unix stream socket that listens */
	SP_E_N,
};

enum {
	SP_PATH_MAX = 107, /* sun_path without its NUL */
};

/* A sentence for people: "another process answers on it". */
const char *sp_error_to_string(enum sp_error e);

struct sp_settings {
	/* Longest body, request ids included; a longer one closes the connection. */
	size_t max_message_bytes;
	/*
	 * Unread answers of one connection: beyond the first its input waits, beyond the second it
	 * is closed.
	 */
	size_t max_output_bytes;
	size_t hard_output_bytes;
	/* Unread answers of all connections: who exceeds it while congested is closed. */
	size_t max_unread_bytes;
	/* Unfinished messages of all connections: who exceeds it is closed. */
	size_t max_partial_bytes;
	/* Beyond it new ones wait in the listen queue; 0: no limit. */
	unsigned max_connections;
	/* Beyond it a new one is closed at once; 0: no limit. */
	unsigned max_connections_per_uid;
	/* In flight on one connection, beyond which its input waits. At least 1. */
	unsigned max_requests;
	/*
	 * From accept to the peer's greeting; from the first byte of a message to its last; nothing
	 * in flight. 0: no limit.
	 */
	usec greeting_timeout_us;
	usec message_timeout_us;
	usec idle_timeout_us;
};

/* The documented defaults. */
struct sp_settings sp_settings_default(void);

/*
 * What the owner of the server is told. A connection may be closed (sp_conn_close) and answered in
 * any of these; the loop must not be run.
 */
struct sp_ops {
	/* The peer's greeting was right. Always the first call for a connection. */
	void (*on_open)(struct sp_conn *c, void *userdata);
	/*
	 * A request that is not in flight already. `request` and `body` (writable, without the
	 * request ids) are borrowed for the call. It stays in flight until it is answered
	 * (sp_reply_begin, sp_reply_end) or dropped (sp_request_drop).
	 */
	void (*on_message)(struct sp_conn *c, const struct sp_request *request, uint8_t *body,
			   size_t len, void *userdata);
	/* Unread answers fell from above max_output_bytes to half of it. May be NULL. */
	void (*on_drained)(struct sp_conn *c, void *userdata);
	/*
	 * The connection is gone, by whichever side. Exactly once for each on_open, as soon as it
	 * is known, and before sp_conn_close() returns when that is the reason. The connection
	 * itself lives on while somebody holds a reference.
	 */
	void (*on_close)(struct sp_conn *c, void *userdata);
};

/* What the server counts. The totals only grow. */
struct sp_counts {
	uint32_t connections;   /* open, greeted or not */
	uint32_t greeting;      /* of these: not greeted yet */
	uint32_t paused;        /* of these: not read from at the moment */
	uint64_t requests;      /* in flight */
	uint64_t output_bytes;  /* answers not taken by the kernel yet */
	uint64_t partial_bytes; /* memory of unfinished messages */
	uint64_t accepted_total;
	uint64_t refused_total;    /* closed at accept: per-uid limit */
	uint64_t messages_total;   /* handed up */
	uint64_t duplicates_total; /* dropped: the same request was in flight */
	uint64_t replies_total;
	uint64_t received_bytes_total;
	uint64_t sent_bytes_total;
	uint64_t protocol_errors_total; /* wrong greeting, framing or request ids, oversized */
	uint64_t timeouts_total;        /* greeting, message, idle */
	uint64_t overflows_total;       /* closed over hard_output_bytes or max_partial_bytes */
	uint64_t accept_waits_total;    /* pauses for lack of descriptors, memory or connections */
};

/*
 * A server that does not listen yet. The loop and what `ops` points to are borrowed and outlive it;
 * settings are copied. Fatal: -ENOMEM, -EMFILE.
 */
int sp_server_new(struct sp_server **ret_server, uv_loop_t *loop,
		  const struct sp_settings *settings, const struct sp_ops *ops, void *userdata);

/* Where to listen. */
struct sp_address {
	const char *path;
	mode_t mode; /* exactly this, whatever the umask: 0660 */
	uid_t owner; /* (uid_t)-1: leave */
	gid_t group; /* (gid_t)-1: leave */
};

/*
 * Binds and listens. A socket file on which nobody answers is replaced. May block for a moment, so
 * at start only. SP_E_IN_USE, SP_E_PATH_LENGTH, SP_E_NO_DIRECTORY, SP_E_NOT_SOCKET, SP_E_DENIED, or
 * fatal.
 */
int sp_server_listen(struct sp_server *s, const struct sp_address *address);

/*
 * Serves a descriptor that somebody else has bound (systemd). The server owns `fd` on success only;
 * its path is never unlinked. SP_E_NOT_LISTENER, or fatal.
 */
int sp_server_adopt(struct sp_server *s, int fd);

/* New limits for what comes from now on; connections that exceed them are not closed for it. */
void sp_server_set_settings(struct sp_server *s, const struct sp_settings *settings);

/*
 * Takes no more connections. Our own socket: who waits in its listen queue is still accepted, as
 * far as the limits allow, then it is closed and its file removed. An adopted one: who waits there
 * stays for the next daemon.
 */
void sp_server_stop_listening(struct sp_server *s);

/* Writes out now what sp_reply_end() has collected, instead of before the loop sleeps next. */
void sp_server_flush(struct sp_server *s);

/*
 * Closes what has timed out at `now` and says when to call again (USEC_NEVER: no need). The
 * server's own timer calls it with the loop's time; tests call it with any.
 */
usec sp_server_expire(struct sp_server *s, usec now);

const struct sp_counts *sp_server_counts(const struct sp_server *s);

/* Calls `fn` for each connection that is open (greeted). It may close the one it is called for. */
void sp_server_for_each(struct sp_server *s, void (*fn)(struct sp_conn *c, void *userdata),
			void *userdata);

/*
 * Stops listening and closes all connections; on_close is called for each before this returns.
 * Answers that the kernel does not take at once are lost: wait for counts.output_bytes to become 0
 * first. The memory is given back when the loop has run its close callbacks. NULL is allowed.
 * Returns NULL.
 */
struct sp_server *sp_server_free(struct sp_server *s);
