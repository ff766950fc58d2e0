/* SPDX-License-Identifier: MIT */
#pragma once
/* The socket to the daemon: how it is made, how it breaks, what goes through it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inbox.h"

struct request;
struct sidepool;
struct sidepool_reply;
struct Sidepool__V1__HelloReply;

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
	int dying_fd;        /* closed at the next dispatch; -1: none */
	uint64_t number;     /* of connections made so far */
	uint64_t timer_us;   /* WAITING: the next try; GREETING, HELLO: its limit */
	uint64_t give_up_us; /* until when a failing connect is tried again */
	uint64_t started_us;
	uint32_t backoff_us;
	bool full; /* the socket took less than was to be sent */
	int broken_code;
	struct inbox inbox;
	struct request *hello;                   /* owned; NULL but in GREETING and HELLO */
	struct Sidepool__V1__HelloReply *daemon; /* owned; what the last Hello was answered with */
	uint32_t max_message_bytes;
};

void connection_init(struct connection *c);

/* Closes the socket and frees; what is queued or sent is not its business. */
void connection_deinit(struct sidepool *sp);

/*
 * Makes sure that there is a connection, or one in the making. Called when a request was queued.
 */
void connection_start(struct sidepool *sp);

/* Sends what can be sent. */
void connection_flush(struct sidepool *sp);

/*
 * Reads what is there; with `wait`, waits for it if nothing is. Answers complete their requests.
 */
void connection_read(struct sidepool *sp, bool wait);

/* What is due by the clock. */
void connection_tick(struct sidepool *sp);

/* When connection_tick() is due; USEC_NEVER: not by the clock. */
uint64_t connection_due_us(const struct sidepool *sp);

/* The socket that had to stay open until now. */
void connection_bury(struct connection *c);
