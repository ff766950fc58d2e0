/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A server on a socket of its own, an owner that records what it is told, and peers that are plain
 * descriptors, all in one thread: the loop runs when the test says so, and nothing depends on time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "sp/conn.h"
#include "sp/server.h"

enum {
	FIXTURE_SEEN_MAX = 8192,
	FIXTURE_BODY_MAX = 64, /* what is kept of each body */
};

/* One request that the owner was handed. */
struct seen {
	struct sp_conn *conn; /* a reference */
	struct sp_request request;
	size_t len;
	uint8_t body[FIXTURE_BODY_MAX];
	bool done;
};

enum fixture_mode {
	FIXTURE_ECHO, /* answers at once */
	FIXTURE_KEEP, /* the test answers */
};

struct fixture {
	uv_loop_t loop;
	struct sp_server *server;
	struct sp_settings settings;
	char dir[64];
	char path[96];
	enum fixture_mode mode;
	bool close_on_open;
	bool close_on_message;
	bool free_on_message;
	unsigned n_open, n_close, n_drained;
	struct seen seen[FIXTURE_SEEN_MAX];
	size_t n_seen;
	int fds_before;
};

/* cmocka's setup and teardown: *state is the fixture, not started, with default settings. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Starts the server with f->settings and listens on f->path. */
void fixture_start(struct fixture *f);

/* Runs the loop until nothing is left to do for now. */
void fixture_run(struct fixture *f);

/* A peer: a non-blocking descriptor, not greeted. */
int peer_connect(const struct fixture *f);

/* A peer that has greeted and was greeted. */
int peer_open(struct fixture *f);

/* Writes all of it; the loop runs where the socket is full. */
void peer_send(struct fixture *f, int fd, const void *data, size_t len);

/* Writes one request with the id `id` (the top bit is added). */
void peer_request(struct fixture *f, int fd, uint32_t id, const void *body, size_t len);

/* Reads exactly `len` bytes; the loop runs until they are there. */
void peer_read(struct fixture *f, int fd, void *data, size_t len);

/* Reads one answer and returns its id without the top bit; at most `max` bytes of body are kept. */
uint32_t peer_answer(struct fixture *f, int fd, void *body, size_t max, size_t *ret_len);

/* Whether the server has closed the connection. What it has sent before is read and lost. */
bool peer_is_closed(struct fixture *f, int fd);

void peer_close(struct fixture *f, int fd);

/* Answers the i-th request that was seen, with its own body. */
void fixture_answer(struct fixture *f, size_t i);

/*
 * Makes the n-th allocation from now on fail, once; 0: none. Returns how many were counted since
 * the last call.
 */
long fixture_fail_malloc(long n);
