/* SPDX-License-Identifier: MIT */
#pragma once
/* One handle, which is one connection to the daemon, in its worker's epoll. */

#include <stdbool.h>
#include <stdint.h>

#include "stream.h"

struct sidepool;
struct worker;

struct client {
	struct worker *worker; /* borrowed: the array that it is in is the worker's */
	struct sidepool *sp;   /* owned; NULL while closed */
	int fd;                /* the one that is watched, or -1; the handle's */
	short events;
	bool busy;
	bool aside;     /* what it is at does not count in the latency */
	uint32_t index; /* of all threads' clients */
	uint64_t random;
	uint64_t begun_ns; /* or when it should have begun */
	uint64_t n_begun;
	uint64_t backlog; /* open loop: due, and not begun because it was busy */

	/* stream */
	struct stream_sum sum;
	uint32_t n_asked; /* chunks that were asked for and have not come */
	bool ended;
};

/* For workloads: opens a handle where there is none. Returns 0, or -1 and has counted the error. */
int client_open(struct client *c);

/* Closes it, also from within a callback of its own. */
void client_close(struct client *c);

/* Counts an error, and keeps the sentence of the first. */
void client_fail(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sends what the client has queued, and has its socket watched. */
void client_push(struct client *c);

/* Lets the handle do what its socket is ready for. */
void client_dispatch(struct client *c, short revents);
