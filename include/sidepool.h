/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * libsidepool: talk to sidepoold, the one daemon that owns this host's PostgreSQL connections.
 *
 *	struct sidepool *sp;
 *	struct sidepool_reply *reply;
 *
 *	sidepool_open(NULL, &sp);
 *	reply = sidepool_wait(sp, sidepool_query(sp, "select version()", NULL, NULL));
 *	puts(sidepool_code(reply) ? sidepool_error_message(sidepool_error(reply))
 *				  : sidepool_value(sidepool_result(reply, 0), 0, 0));
 *	sidepool_reply_free(reply);
 *	sidepool_close(sp);
 *
 * This file has the handle and its place in an event loop, sidepool-request.h what can be asked,
 * sidepool-bulk.h batches, streams and COPY, sidepool-admin.h the daemon's own state,
 * sidepool-reply.h what comes back, sidepool-errors.h the codes. What holds everywhere:
 *  - A request function never blocks: it queues a request and returns its id. sidepool_wait()
 *    blocks for one answer; an event loop gets the answers from sidepool_dispatch() instead. Any
 *    number may be in flight.
 *  - Every request ends in exactly one reply, also when it fails, and the library never sends a
 *    request a second time. (Two exceptions that cannot do harm, because by the daemon's own word
 *    nothing ran: where a statement went out as an id and the answer is UNKNOWN_STATEMENT, the text
 *    follows; and where a daemon that leaves answers SHUTTING_DOWN, the next one gets the request.)
 *  - No thread, no signal, no global state. A handle and what came from it belong to one thread at
 *    a time; different handles are independent.
 *  - After fork() the child gets SIDEPOOL_E_FORKED from its parent's handles: it closes them (which
 *    tells the daemon nothing and does its parent no harm) and opens its own.
 *  - Text is UTF-8. Lengths of time are milliseconds. No promise of a stable ABI before version
 *    1.0.
 */

#include <stddef.h>
#include <stdint.h>

#include "sidepool-admin.h"
#include "sidepool-bulk.h"
#include "sidepool-errors.h"
#include "sidepool-events.h"
#include "sidepool-reply.h"
#include "sidepool-request.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * A handle: a connection to the daemon, and what is in flight on it. While a daemon leaves there is
 * its connection too, for the leases and streams that live on there, and one to the next daemon.
 */
struct sidepool;

/*
 * The current trace, as W3C Trace Context has it ("00-<32 hex>-<16 hex>-01"), or NULL. Asked in each
 * request function, which copies it, in the caller's thread. It must not call the handle.
 */
typedef const char *(*sidepool_traceparent_fn)(void *userdata);

/*
 * How a handle shall be. Zero and NULL mean the default. Write SIDEPOOL_OPTIONS(.pool = "main"), or
 * set `size` to sizeof(struct sidepool_options): members of later versions then have their
 * defaults.
 */
struct sidepool_options {
	size_t size;
	const char *socket;         /* 107 bytes; $SIDEPOOL_SOCKET, then /run/sidepool/rpc.sock */
	const char *application;    /* who asks, at most 63 bytes; what the kernel says */
	const char *client_name;    /* at most 63 bytes; "libsidepool" */
	const char *client_version; /* at most 31 bytes; sidepool_version() */
	const char *pool;         /* for calls that name none; 63 bytes; the application's first */
	uint32_t deadline_ms;     /* for calls that have none; what the settings say */
	uint32_t grace_ms;        /* how long after its deadline an answer is awaited; 1000 */
	uint32_t connect_wait_ms; /* how long to try a first connect while nobody listens; 0 */
	uint32_t
		reconnect_wait_ms; /* the same when a daemon broke off or leaves (restarts); 10000 */
	uint32_t statement_cache;  /* statements whose ids are kept; 256 */
	uint32_t max_in_flight;    /* requests without a reply yet; 4096, at most 65535 */
	uint32_t keep_bytes;       /* memory that a free reply or request keeps at most; 16384 */
	unsigned no_reconnect : 1;       /* one connection: broken, the handle is of no more use */
	unsigned no_statement_cache : 1; /* always send the text */
	sidepool_traceparent_fn traceparent; /* for calls that have none; NULL: none is sent */
	void *traceparent_userdata;          /* borrowed, as long as the handle lives */
};

#define SIDEPOOL_OPTIONS(...)                                                                      \
	(&(struct sidepool_options){ .size = sizeof(struct sidepool_options), __VA_ARGS__ })

/* "0.1.0", of the library in use. Static. */
const char *sidepool_version(void);

/*
 * Makes a handle. Does not block and does not connect: the first request does, or
 * sidepool_connect(). `options` may be NULL and is copied. Returns 0, SIDEPOOL_E_INVALID_ARGUMENT
 * (`size` not set, a path or name longer than its limit, max_in_flight out of range) or
 * SIDEPOOL_E_OUT_OF_MEMORY; `*ret_sp` is set on success only, and is the caller's:
 * sidepool_close().
 */
int sidepool_open(const struct sidepool_options *options, struct sidepool **ret_sp);

/*
 * Connects now: the same request as the one that the first other request sends ahead of itself.
 * Does not block; the reply of the id that it returns has the daemon's HelloReply as result 0.
 * Useful to find out early that there is no daemon.
 */
uint32_t sidepool_connect(struct sidepool *sp, const struct sidepool_call *call);

/*
 * Closes the connection and frees the handle. Does not block. What is in flight ends with
 * SIDEPOOL_E_CLOSED (callbacks run in this call; the error's outcome tells whether it had been
 * sent); replies that the program still has stay valid; every lease of this handle is rolled back
 * by the daemon. From within a callback it is permitted: the handle goes when sidepool_dispatch()
 * ends. NULL is permitted. Returns NULL.
 */
struct sidepool *sidepool_close(struct sidepool *sp);

/*
 * Life in an event loop. Wait until sidepool_fd() has one of sidepool_events() or
 * sidepool_timeout_ms() has passed, then call sidepool_dispatch(); ask all three again before the
 * next wait, because each of them changes. clients/c/adapters has this for libuv and poll. None of
 * these blocks.
 */

/*
 * The socket, or -1 while there is none; an epoll set while there is more than one. It stays the
 * library's: do not read, write or close it. A new connection is a new number; an old one stays open
 * until the next sidepool_dispatch(), so that it can be taken out of the loop in time.
 */
int sidepool_fd(const struct sidepool *sp);

/* POLLIN, and POLLOUT while something is to be sent. */
short sidepool_events(const struct sidepool *sp);

/*
 * The time until sidepool_dispatch() is to be called even if nothing happens on the socket; -1:
 * none, 0: now.
 */
int sidepool_timeout_ms(const struct sidepool *sp);

/*
 * Sends what is queued, reads what has come, connects, notices deadlines, and runs the callbacks of
 * requests that are complete. `revents` is what poll() said; 0 where a timeout woke the loop.
 * Returns 0 as long as the handle is of use, also when its connection broke and comes back with the
 * next request; SIDEPOOL_E_FORKED; SIDEPOOL_E_CLOSED if a callback closed the handle, which is gone
 * then; with no_reconnect, the code of the loss that ended it. From within a callback it does
 * nothing.
 */
int sidepool_dispatch(struct sidepool *sp, short revents);

/*
 * Sends what is queued, with one system call for many requests, and runs no callback.
 * sidepool_dispatch() and sidepool_wait() do it by themselves; a loop calls it after it queued
 * requests, so as not to wait for POLLOUT first.
 */
int sidepool_flush(struct sidepool *sp);

/* How the connection stands. */
enum sidepool_connection_state {
	SIDEPOOL_CONNECTION_NONE = 0,   /* the next request connects */
	SIDEPOOL_CONNECTION_CONNECTING, /* or waiting for a daemon that restarts */
	SIDEPOOL_CONNECTION_READY,
	SIDEPOOL_CONNECTION_BROKEN, /* for good */
};

enum sidepool_connection_state sidepool_connection_state(const struct sidepool *sp);

/*
 * Grows by one with each connection made. Leases and streams of an earlier one are gone, or will be
 * when the daemon at its other end has left.
 */
uint64_t sidepool_connection_number(const struct sidepool *sp);

/*
 * What the daemon said of itself when it was connected to; NULL (0) before the first connection.
 * Strings are the handle's and change with the next connection.
 */
const char *sidepool_daemon_version(const struct sidepool *sp);

/* The name under which the daemon books this handle. */
const char *sidepool_application(const struct sidepool *sp);

/* The pools that the application may use, from 0, the default; NULL beyond the last. */
const char *sidepool_pool(const struct sidepool *sp, unsigned index);

/* What PostgreSQL reported to the daemon: "server_version", "TimeZone", ...; NULL if unknown. */
const char *sidepool_parameter(const struct sidepool *sp, const char *name);

/* Whether the daemon offers "listen", ... */
int sidepool_has_feature(const struct sidepool *sp, const char *name);

/* The longest message that the daemon takes; beyond: SIDEPOOL_E_MESSAGE_TOO_LARGE. */
uint32_t sidepool_max_message_bytes(const struct sidepool *sp);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#include "sidepool-here.h" /* its macros stand behind all declarations */
