/* SPDX-License-Identifier: MIT */
#pragma once
/* The first exchange on a connection: who we are, and what the daemon says of itself. */

#include <stddef.h>

struct connection;
struct request;
struct sidepool;
struct sidepool_reply;

enum {
	HELLO_E_LATER = 1, /* the daemon is shutting down: another will come */
	HELLO_E_REFUSED,   /* the reply has the error */
	HELLO_E_MALFORMED,
};

/* Our Hello, in state QUEUED but in no list. NULL without memory. */
struct request *hello_request(struct sidepool *sp);

/* Reads the answer; the reply stays the caller's. Returns 0 or one of the codes above. */
int hello_take(struct sidepool *sp, struct sidepool_reply *reply, size_t len);

/* Ends all that is queued with the error that the daemon answered Hello with. */
void hello_refuse(struct sidepool *sp, const struct sidepool_reply *reply);

/* Ends the sidepool_connect() requests that are queued. */
void hello_answer(struct sidepool *sp);

/* Forgets what the daemon said. */
void hello_free(struct connection *c);
