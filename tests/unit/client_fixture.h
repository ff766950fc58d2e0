/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A handle and, in the same thread, the daemon's side of its socket: the test plays the daemon,
 * message by message, under a clock that moves when the test says so. Nothing waits: what one side
 * wrote the other one can read at once.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handle.h"
#include "sidepool.h"
#include "sidepool/v1/rpc.pb-c.h"

struct fixture {
	char dir[64];
	char path[96];
	int listener; /* -1: nobody listens */
	int peer;     /* the daemon's end of the connection; -1: none */
	struct sidepool *sp;
	uint32_t id;                    /* of the request read last */
	Sidepool__V1__Request *request; /* owned: the one read last */
	int fds_before;
};

/* What a callback was given. */
struct got {
	unsigned times;
	uint32_t id;
	struct sidepool_reply *reply; /* owned */
};

extern uint64_t fixture_now_us; /* the handle's clock */

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A handle with these options; the socket's path and the clock are added. */
void fixture_open(struct fixture *f, const struct sidepool_options *options);

void fixture_listen(struct fixture *f);
void fixture_unlisten(struct fixture *f);

/* Accepts, and answers greeting and Hello. The handle must have something to send. */
void fixture_connect(struct fixture *f);

/* A handle with default options that is connected. */
void fixture_ready(struct fixture *f);

/* One turn of the handle, with everything that poll() would say. */
void fixture_turn(struct fixture *f);

void peer_accept(struct fixture *f);
void peer_close(struct fixture *f);
void peer_write(struct fixture *f, const void *data, size_t len);

/* Reads exactly `len` bytes, which must be there. */
void peer_read(struct fixture *f, void *data, size_t len);

/* Whether nothing is there to be read. */
bool peer_quiet(struct fixture *f);

/* Reads the next request into f->request and f->id. */
void peer_request(struct fixture *f);

/* Answers the Hello that was read last. */
void peer_answer_hello(struct fixture *f);

/* Answers request `id`. */
void peer_answer(struct fixture *f, uint32_t id, const Sidepool__V1__Response *response);
void peer_answer_bytes(struct fixture *f, uint32_t id, const void *message, size_t len);

/* Answers request `id` with one row of one text column "v", as the statement 7 with the columns 8.
 */
void peer_answer_text(struct fixture *f, uint32_t id, const char *text);
void peer_answer_error(struct fixture *f, uint32_t id, Sidepool__V1__ErrorCode code,
		       Sidepool__V1__Outcome outcome);

/* For sidepool_call::done; userdata is a struct got. */
void got_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata);
void got_free(struct got *got);

/* The first value of the reply's first result. */
const char *first_value(const struct sidepool_reply *reply);
