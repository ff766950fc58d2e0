/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One thread with its clients. Closed loop: each client begins anew as soon as it is done. Open
 * loop (a rate is given): work is due at times that are fixed beforehand, in turn for each client,
 * and its latency counts from then, also while the client is still busy with what was due before;
 * an answer that is late so cannot hide that what should have followed it was late as well.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latency.h"
#include "stream.h"

struct options;
struct sidepool;
struct sidepool_reply;

/* A handle, which is a connection to the daemon, and what it is at. */
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

struct worker {
	const struct options *options; /* borrowed */
	pthread_barrier_t *gate;       /* borrowed: all are connected, and measuring begins */
	pthread_t thread;
	struct client *clients; /* owned */
	uint32_t n_clients;
	uint32_t first; /* the index of the first client */
	int epoll_fd;
	int timer_fd;
	uint32_t n_ready;
	uint32_t n_busy;
	uint64_t tick_ns;
	uint64_t start_ns, measure_ns, end_ns;
	uint64_t left;  /* requests that may still begin */
	uint64_t n_due; /* open loop: that came due so far */

	/* What came of it; read when the thread has ended. */
	struct latency latency;
	uint64_t last_ns; /* when the last one was done */
	uint64_t late;    /* open loop: came due and were not begun before the end */
	uint64_t errors;
	char error[256]; /* the first of them */
};

uint64_t clock_ns(void);

/* Returns 0, or -1 with the reason on stderr. */
int worker_init(struct worker *w, const struct options *o, uint32_t number,
		pthread_barrier_t *gate);

/* A thread's function: connects all clients, waits at the gate, runs to the end. */
void *worker_main(void *worker);
void worker_deinit(struct worker *w);

/* For workloads: opens a handle where there is none. Returns 0, or -1 and has counted the error. */
int client_open(struct client *c);

/* Closes it, also from within a callback of its own. */
void client_close(struct client *c);

/*
 * A client's unit of work is done, as the code of `reply` says; takes the reply, which may
 * be NULL where the workload saw to it. Begins the next one where there is one. To be called from callbacks alone.
 */
void client_finish(struct client *c, struct sidepool_reply *reply);

/* Counts an error, and keeps the sentence of the first. */
void client_fail(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
