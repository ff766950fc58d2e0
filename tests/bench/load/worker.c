/* SPDX-License-Identifier: MIT */
/*
 * What only time moves on (a daemon that is not there yet) is looked after by a tick: nothing that
 * is measured waits for it.
 */
#include "worker.h"

#include <sidepool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "options.h"
#include "util/macro.h"
#include "workload.h"

#define TICK_MS 100

enum {
	EVENTS = 256,
	ERRORS_MOST = 1000,   /* in a thread; then it gives up */
	CONNECTING_MOST = 64, /* at once, in a thread: the daemon's backlog is not the subject */
};

/* ---- a unit of work ---- */

static bool is_over(const struct worker *w, uint64_t now)
{
	return w->left == 0 || now >= w->end_ns || w->errors >= ERRORS_MOST;
}

/* Begins one unit of work, which was due at `due`. */
static void begin(struct client *c, uint64_t due)
{
	struct worker *w = c->worker;

	w->left--;
	c->begun_ns = due;
	c->n_begun++;
	c->busy = true;
	w->n_busy++;
	if ((!w->options->workload->own_handle && client_open(c) < 0) ||
	    w->options->workload->begin(c) < 0) {
		client_fail(c, "a request could not be made");
		c->busy = false;
		w->n_busy--;
	}
}

static uint64_t due_ns(const struct client *c, uint64_t nth)
{
	const struct options *o = c->worker->options;
	double position = (double)(nth * o->clients + c->index);

	return c->worker->start_ns + (uint64_t)(position * (double)NS_PER_SEC / o->rate);
}

static void begin_next(struct client *c, uint64_t now)
{
	if (is_over(c->worker, now))
		return;
	if (c->worker->options->rate <= 0) {
		begin(c, now);
	} else if (c->backlog > 0) {
		c->backlog--;
		begin(c, due_ns(c, c->n_begun));
	}
}

void worker_finish(struct client *c, struct sidepool_reply *reply)
{
	struct worker *w = c->worker;
	uint64_t now = clock_ns();

	if (sidepool_code(reply) != SIDEPOOL_E_OK)
		client_fail(c, "%s", sidepool_error_message(sidepool_error(reply)));
	else if (c->begun_ns >= w->measure_ns && !c->aside)
		latency_record(&w->latency, now - c->begun_ns);
	(void)sidepool_reply_free(reply);
	w->last_ns = now;
	c->busy = false;
	w->n_busy--;
	begin_next(c, now);
}

/* ---- connecting ---- */

static void on_connected(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
			 void *userdata)
{
	struct client *c = userdata;

	(void)sp;
	(void)id;
	c->worker->n_ready++;
	if (sidepool_code(reply) != SIDEPOOL_E_OK)
		client_fail(c, "%s", sidepool_error_message(sidepool_error(reply)));
	(void)sidepool_reply_free(reply);
}

static void connect_one(struct client *c)
{
	if (client_open(c) < 0 ||
	    sidepool_connect(c->sp, SIDEPOOL_CALL(.done = on_connected, .userdata = c)) == 0) {
		client_fail(c, "no connection could be begun");
		c->worker->n_ready++;
		return;
	}
	client_push(c);
}

/* ---- the loop ---- */

/* What waits for nothing but time. */
static void tick(struct worker *w, uint64_t now)
{
	w->tick_ns = now;
	for (uint32_t i = 0; i < w->n_clients; i++) {
		struct client *c = &w->clients[i];

		if (c->sp && sidepool_timeout_ms(c->sp) == 0)
			client_dispatch(c, 0);
	}
}

static void turn(struct worker *w)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(w->epoll_fd, events, EVENTS, TICK_MS);
	uint64_t now, expired;

	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (c)
			client_dispatch(c, (short)events[i].events);
		else
			(void)!read(w->timer_fd, &expired, sizeof(expired));
	}
	/* While answers come in one after the other, one look at the clock in a turn is enough. */
	now = clock_ns();
	if (now - w->tick_ns >= TICK_MS * (NS_PER_SEC / 1000))
		tick(w, now);
}

static void connect_all(struct worker *w)
{
	uint32_t begun = 0;

	while (w->n_ready < w->n_clients && w->errors == 0) {
		for (; begun < w->n_clients && begun < w->n_ready + CONNECTING_MOST; begun++)
			connect_one(&w->clients[begun]);
		turn(w);
	}
}

/* Open loop: begins what has come due, and has the timer ring for what is due next. */
static void begin_due(struct worker *w)
{
	uint64_t now = clock_ns(), due;

	for (;;) {
		struct client *c = &w->clients[w->n_due % w->n_clients];

		due = due_ns(c, w->n_due / w->n_clients);
		if (due > now || due >= w->end_ns || w->left == 0)
			break;
		w->n_due++;
		if (c->busy) {
			c->backlog++;
			continue;
		}
		begin(c, due);
		client_push(c);
	}
	(void)timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME,
			      &(struct itimerspec){
				      .it_value.tv_sec = (time_t)(due / NS_PER_SEC),
				      .it_value.tv_nsec = (long)(due % NS_PER_SEC),
			      },
			      NULL);
}

/* What came due and was not begun has been late by now at the least, and counts as such. */
static void count_late(struct worker *w)
{
	uint64_t now = clock_ns();

	for (uint32_t i = 0; i < w->n_clients; i++) {
		struct client *c = &w->clients[i];

		for (; c->backlog > 0; c->backlog--, w->late++)
			latency_record(&w->latency, now - due_ns(c, c->n_begun++));
	}
}

static void run_closed(struct worker *w)
{
	for (uint32_t i = 0; i < w->n_clients && w->left > 0; i++) {
		begin(&w->clients[i], clock_ns());
		client_push(&w->clients[i]);
	}
	while (w->n_busy > 0)
		turn(w);
}

static void run_open(struct worker *w)
{
	do {
		begin_due(w);
		turn(w);
	} while (!is_over(w, clock_ns()));
	while (w->n_busy > 0)
		turn(w);
	count_late(w);
}

/* The clients are there, and nothing is asked. */
static void run_idle(struct worker *w)
{
	while (!is_over(w, clock_ns()))
		turn(w);
	for (uint32_t i = 0; i < w->n_clients; i++)
		if (sidepool_connection_state(w->clients[i].sp) != SIDEPOOL_CONNECTION_READY)
			client_fail(&w->clients[i], "an idle client lost its connection");
}

static void measure(struct worker *w)
{
	const struct options *o = w->options;

	w->start_ns = clock_ns();
	w->measure_ns = w->start_ns + (uint64_t)(o->warmup_seconds * (double)NS_PER_SEC);
	w->end_ns = o->requests ? UINT64_MAX
				: w->measure_ns + (uint64_t)(o->seconds * (double)NS_PER_SEC);
	w->last_ns = w->measure_ns;
	if (!o->workload->begin)
		run_idle(w);
	else if (o->rate > 0)
		run_open(w);
	else
		run_closed(w);
}

void *worker_main(void *worker)
{
	struct worker *w = worker;

	if (!w->options->workload->own_handle)
		connect_all(w);
	if (pthread_barrier_wait(w->gate) == PTHREAD_BARRIER_SERIAL_THREAD &&
	    !w->options->workload->begin) {
		/* Whoever started us waits for this line. */
		printf("ready\n");
		(void)fflush(stdout);
	}
	if (w->errors == 0)
		measure(w);
	for (uint32_t i = 0; i < w->n_clients; i++)
		client_close(&w->clients[i]);
	return NULL;
}

/* ---- its life ---- */

/* The part of `all` that is the share of worker `number`. */
static uint64_t share_of(uint64_t all, uint32_t number, uint32_t n)
{
	return all / n + (number < all % n);
}

int worker_init(struct worker *w, const struct options *o, uint32_t number, pthread_barrier_t *gate)
{
	struct epoll_event e = { .events = EPOLLIN };

	*w = (struct worker){ .options = o, .gate = gate };
	w->n_clients = (uint32_t)share_of(o->clients, number, o->threads);
	w->first = number * (o->clients / o->threads) + MIN(number, o->clients % o->threads);
	w->left = o->requests ? share_of(o->requests, number, o->threads) : UINT64_MAX;
	w->clients = calloc(w->n_clients, sizeof(*w->clients));
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!w->clients || w->epoll_fd < 0 || w->timer_fd < 0 ||
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->timer_fd, &e) < 0) {
		perror("sidepool-bench");
		return -1;
	}
	for (uint32_t i = 0; i < w->n_clients; i++)
		w->clients[i] = (struct client){ .worker = w,
						 .fd = -1,
						 .index = w->first + i,
						 .random = o->seed + w->first + i };
	return 0;
}

void worker_deinit(struct worker *w)
{
	if (w->epoll_fd > 0)
		(void)close(w->epoll_fd);
	if (w->timer_fd > 0)
		(void)close(w->timer_fd);
	free(w->clients);
	*w = (struct worker){ .epoll_fd = -1, .timer_fd = -1 };
}
