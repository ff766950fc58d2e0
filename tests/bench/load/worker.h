/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One thread with its clients. Closed loop: each client begins anew as soon as it is done. Open
 * loop (a rate is given): work is due at times that are fixed beforehand, in turn for each client,
 * and its latency counts from then, also while the client is still busy with what was due before;
 * an answer that is late so cannot hide that what should have followed it was late as well.
 */

#include <pthread.h>
#include <stdint.h>

#include "latency.h"

struct client;
struct options;
struct sidepool_reply;

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

/* Returns 0, or -1 with the reason on stderr. */
int worker_init(struct worker *w, const struct options *o, uint32_t number,
		pthread_barrier_t *gate);

/* A thread's function: connects all clients, waits at the gate, runs to the end. */
void *worker_main(void *worker);
void worker_deinit(struct worker *w);

/*
 * A client's unit of work is done, as the code of `reply` says; takes the reply, which may be NULL
 * where the workload saw to it. Begins the next one where there is one. For callbacks alone.
 */
void worker_finish(struct client *c, struct sidepool_reply *reply);
