/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A socket to the daemon: how it is made, how it breaks, what goes through it. One takes new
 * requests; beside it there are those that were left (leaving.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "inbox.h"
#include "list.h"
#include "streams.h"

struct request;
struct sidepool;
struct sidepool_reply;
struct Sidepool__V1__Response;

enum connection_state {
	CONNECTION_NONE = 0, /* nothing is queued; the next request starts it */
	CONNECTION_WAITING,  /* until `timer_us`, then tries again */
	CONNECTION_GREETING, /* ours is sent, and our Hello behind it */
	CONNECTION_HELLO,    /* theirs has come */
	CONNECTION_READY,
	CONNECTION_BROKEN, /* for good */
};

struct connection {
	enum connection_state state;
	int fd;              /* -1: none */
	uint32_t watched;    /* the epoll events that the handle's watch waits for; 0: not in it */
	uint64_t number;     /* of connections made so far */
	uint64_t timer_us;   /* WAITING: the next try; GREETING, HELLO: its limit */
	uint64_t give_up_us; /* until when a failing connect is tried again */
	uint64_t started_us;
	uint32_t backoff_us;
	bool full; /* the socket took less than was to be sent */
	int broken_code;
	struct inbox inbox;
	struct list queued; /* of one that was left: what can go nowhere else */
	struct bytes rest;  /* of a message of which a part is out and that nobody waits for */
	size_t rest_at;
	struct streams streams;
	struct request *hello; /* owned; NULL but in GREETING and HELLO */
	struct bytes said;     /* what the last Hello was answered with */
	struct Sidepool__V1__Response
		*daemon; /* owned: that, unpacked; NULL: nobody asked for it */
	uint32_t max_message_bytes;
};

/* Not connected yet. NULL without memory. */
struct connection *connection_new(void);

/* Closes the socket and frees; what is queued or sent is not its business. */
struct connection *connection_free(struct sidepool *sp, struct connection *c);

/* What waits to be sent on it. */
struct list *connection_queue(struct sidepool *sp, struct connection *c);

/* The one that is ready and has that number, or NULL. */
struct connection *connection_find(struct sidepool *sp, uint64_t number);

/*
 * Makes sure that there is a connection, or one in the making. Called when a request was queued.
 */
void connection_start(struct sidepool *sp);

/* The same, but not before so much time has passed: the daemon that was there has to leave first. */
void connection_start_later(struct sidepool *sp, uint64_t delay_us);

/* Sends what can be sent. */
void connection_flush(struct sidepool *sp, struct connection *c);

/*
 * Reads what is there; with `wait`, waits for it if nothing is. Answers complete their requests.
 */
void connection_read(struct sidepool *sp, struct connection *c, bool wait);

/* What is due by the clock, of the one that takes new requests. */
void connection_tick(struct sidepool *sp);

/* When connection_tick() is due; USEC_NEVER: not by the clock. */
uint64_t connection_due_us(const struct sidepool *sp);
