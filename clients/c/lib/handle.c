/* SPDX-License-Identifier: MIT */
/*
 * Opening, closing, and the turn of the loop. Callbacks run in one place, handle_deliver(), after
 * reading and with every structure at rest, so that they may call anything but what would wait.
 */
#include "handle.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "answer.h"
#include "error.h"
#include "fork.h"
#include "outbox.h"
#include "util/macro.h"

static uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

const char *sidepool_version(void)
{
	return SIDEPOOL_VERSION;
}

int sidepool_open(const struct sidepool_options *options, struct sidepool **ret_sp)
{
	struct sidepool *sp = calloc(1, sizeof(*sp));
	int r;

	if (!sp)
		return SIDEPOOL_E_OUT_OF_MEMORY;
	r = settings_apply(&sp->settings, options);
	if (r != 0) {
		free(sp);
		return r;
	}
	sp->generation = fork_generation();
	sp->now_us = clock_us;
	sp->connection = connection_new();
	if (!sp->connection) {
		free(sp);
		return SIDEPOOL_E_OUT_OF_MEMORY;
	}
	watch_init(&sp->watch);
	/* One more than the program may have, for Hello. */
	requests_init(&sp->requests, sp->settings.max_in_flight + 1, sp->settings.keep_bytes);
	replies_init(&sp->replies, sp->settings.keep_bytes);
	statements_init(&sp->statements, sp->settings.statement_cache);
	*ret_sp = sp;
	return 0;
}

int handle_usable(const struct sidepool *sp)
{
	if (sp->generation != fork_generation())
		return SIDEPOOL_E_FORKED;
	return sp->closing ? SIDEPOOL_E_CLOSED : SIDEPOOL_E_OK;
}

static void close_all(struct sidepool *sp, struct list *l, enum sidepool_outcome outcome)
{
	while (!list_empty(l)) {
		struct request *q = container_of(l->next, struct request, link);

		if (q->state == REQUEST_ABANDONED)
			request_free(&sp->requests, q);
		else
			answer_error(sp, q, SIDEPOOL_E_CLOSED, outcome, "the handle was closed");
	}
}

static void throw_away(struct sidepool *sp, struct list *l)
{
	while (!list_empty(l)) {
		struct request *q = container_of(l->next, struct request, link);

		sidepool_reply_free(q->reply);
		request_free(&sp->requests, q);
	}
}

static void destroy(struct sidepool *sp)
{
	bool ours = handle_usable(sp) != SIDEPOOL_E_FORKED;

	sp->closing = true;
	leaving_deinit(sp);
	sp->connection = connection_free(sp, sp->connection);
	watch_deinit(&sp->watch);
	close_all(sp, &sp->requests.sent, SIDEPOOL_OUTCOME_UNKNOWN);
	close_all(sp, &sp->requests.queued, SIDEPOOL_OUTCOME_NOT_SENT);
	requests_forgive(&sp->requests, 0);
	if (ours)
		handle_deliver(sp);
	throw_away(sp, &sp->requests.done);
	throw_away(sp, &sp->requests.ready);
	statements_deinit(&sp->statements);
	requests_deinit(&sp->requests);
	replies_deinit(&sp->replies);
	free(sp);
}

struct sidepool *sidepool_close(struct sidepool *sp)
{
	if (!sp)
		return NULL;
	if (sp->inside)
		sp->closing = true;
	else
		destroy(sp);
	return NULL;
}

void handle_deliver(struct sidepool *sp)
{
	if (sp->inside)
		return;
	sp->inside = true;
	while (!list_empty(&sp->requests.done)) {
		struct request *q = container_of(sp->requests.done.next, struct request, link);
		struct sidepool_reply *reply = q->reply;
		sidepool_reply_fn done = q->done;
		void *userdata = q->userdata;
		uint32_t id = q->id;

		request_free(&sp->requests, q);
		done(sp, id, reply, userdata);
	}
	sp->inside = false;
}

int sidepool_fd(const struct sidepool *sp)
{
	return sp->watch.fd >= 0 ? sp->watch.fd : sp->connection->fd;
}

short sidepool_events(const struct sidepool *sp)
{
	return sp->watch.fd >= 0 ? POLLIN : watch_events(sp, sp->connection);
}

static uint64_t due_us(const struct sidepool *sp)
{
	struct heap_node *first = heap_peek(&sp->requests.timers);
	uint64_t due = connection_due_us(sp);

	return first ? MIN(due, container_of(first, struct request, timer)->expires_us) : due;
}

int sidepool_timeout_ms(const struct sidepool *sp)
{
	uint64_t due, now, ms;

	if (!list_empty(&sp->requests.done))
		return 0;
	due = due_us(sp);
	if (due == USEC_NEVER)
		return -1;
	now = sp->now_us();
	ms = (usec_sub(due, now) + USEC_PER_MS - 1) / USEC_PER_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* The daemon had its time and the grace. What it still answers finds nobody. */
static void give_up(struct sidepool *sp, struct request *q)
{
	if (q->state == REQUEST_QUEUED && !outbox_keep_rest(sp, q)) {
		answer_error(sp, q, SIDEPOOL_E_DAEMON_UNREACHABLE, SIDEPOOL_OUTCOME_NOT_SENT,
			     "the deadline passed before the request could be sent to %s",
			     sp->settings.address.sun_path);
		return;
	}
	q->owed = true;
	answer_error(sp, q, SIDEPOOL_E_NO_ANSWER, SIDEPOOL_OUTCOME_UNKNOWN,
		     "%s did not answer within the deadline and %u ms more",
		     sp->settings.address.sun_path, sp->settings.grace_ms);
}

static void expire(struct sidepool *sp)
{
	struct heap_node *first;
	uint64_t now;

	if (!heap_peek(&sp->requests.timers))
		return;
	now = sp->now_us();
	while ((first = heap_peek(&sp->requests.timers))) {
		struct request *q = container_of(first, struct request, timer);

		if (q->expires_us > now)
			return;
		give_up(sp, q);
	}
}

/* A connection that is left meanwhile joins the list; it was not read twice then. */
static void read_all(struct sidepool *sp, bool wait)
{
	struct connection *current = sp->connection;
	size_t n = sp->leaving.count;

	for (size_t i = 0; i < n; i++)
		connection_read(sp, sp->leaving.left[i], false);
	connection_read(sp, current, wait);
}

static void flush_all(struct sidepool *sp)
{
	for (size_t i = 0; i < sp->leaving.count; i++)
		connection_flush(sp, sp->leaving.left[i]);
	connection_flush(sp, sp->connection);
	watch_update(sp);
}

/* One turn; `wait` lets it sleep in reading. */
static int turn(struct sidepool *sp, short revents, bool wait)
{
	watch_bury(&sp->watch);
	connection_tick(sp);
	if (revents & ~POLLOUT)
		read_all(sp, wait);
	flush_all(sp);
	expire(sp);
	handle_deliver(sp);
	flush_all(sp);
	if (sp->closing) {
		destroy(sp);
		return SIDEPOOL_E_CLOSED;
	}
	leaving_sweep(sp);
	return sp->connection->state == CONNECTION_BROKEN ? sp->connection->broken_code
							  : SIDEPOOL_E_OK;
}

int sidepool_dispatch(struct sidepool *sp, short revents)
{
	int r = handle_usable(sp);

	if (r != SIDEPOOL_E_OK || sp->inside)
		return r;
	return turn(sp, revents, false);
}

int sidepool_flush(struct sidepool *sp)
{
	int r = handle_usable(sp);

	if (r == SIDEPOOL_E_OK)
		flush_all(sp);
	return r;
}

enum sidepool_connection_state sidepool_connection_state(const struct sidepool *sp)
{
	switch (sp->connection->state) {
	case CONNECTION_NONE:
		return SIDEPOOL_CONNECTION_NONE;
	case CONNECTION_READY:
		return SIDEPOOL_CONNECTION_READY;
	case CONNECTION_BROKEN:
		return SIDEPOOL_CONNECTION_BROKEN;
	default:
		return SIDEPOOL_CONNECTION_CONNECTING;
	}
}

uint64_t sidepool_connection_number(const struct sidepool *sp)
{
	return sp->connection->number;
}

/* A reply that says that `id` cannot be waited for. */
static struct sidepool_reply *refusal(struct sidepool *sp, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static struct sidepool_reply *refusal(struct sidepool *sp, int code, const char *format, ...)
{
	struct sidepool_reply *reply = reply_new(&sp->replies);
	struct sidepool_error *error;
	va_list args;

	va_start(args, format);
	error = error_new(code, SIDEPOOL_OUTCOME_NOT_SENT, format, args);
	va_end(args);
	if (!reply) {
		error_free(error);
		return reply_out_of_memory();
	}
	reply_fail(reply, error);
	return reply;
}

static struct sidepool_reply *refuse_wait(struct sidepool *sp, uint32_t id)
{
	const struct request *q = requests_find(&sp->requests, id);
	int code = handle_usable(sp);

	if (code == SIDEPOOL_E_OK && id == 0)
		code = sp->refused;
	if (code != SIDEPOOL_E_OK)
		return refusal(sp, code, "%s", sidepool_code_sentence(code));
	if (sp->inside)
		return refusal(sp, SIDEPOOL_E_INVALID_ARGUMENT,
			       "sidepool_wait() within a callback");
	if (!q || q->state == REQUEST_ABANDONED)
		return refusal(sp, SIDEPOOL_E_INVALID_ARGUMENT, "there is no request 0x%08x", id);
	if (q->done)
		return refusal(sp, SIDEPOOL_E_INVALID_ARGUMENT, "request 0x%08x has a callback",
			       id);
	return NULL;
}

/* Sleeps until something can be done, and does it. Returns as sidepool_dispatch(). */
static int wait_turn(struct sidepool *sp)
{
	struct pollfd p;
	int timeout;

	timeout = sidepool_timeout_ms(sp);
	p = (struct pollfd){ .fd = sidepool_fd(sp), .events = sidepool_events(sp) };
	if (timeout < 0 && p.fd >= 0 && p.events == POLLIN && sp->watch.fd < 0)
		return turn(sp, POLLIN, true);
	if (poll(&p, 1, timeout) < 0)
		p.revents = 0;
	return turn(sp, p.revents, false);
}

struct sidepool_reply *sidepool_take(struct sidepool *sp, uint32_t id)
{
	struct request *q = requests_find(&sp->requests, id);
	struct sidepool_reply *reply;

	if (!q || q->state != REQUEST_DONE || q->done)
		return NULL;
	reply = q->reply;
	request_free(&sp->requests, q);
	return reply;
}

struct sidepool_reply *sidepool_wait(struct sidepool *sp, uint32_t id)
{
	struct sidepool_reply *reply;

	if (!sp)
		return reply_no_handle();
	reply = refuse_wait(sp, id);
	while (!reply) {
		flush_all(sp); /* which may end it already */
		reply = sidepool_take(sp, id);
		if (reply)
			break;
		if (wait_turn(sp) == SIDEPOOL_E_CLOSED)
			return reply_closed();
		reply = refuse_wait(sp, id); /* a callback may have dropped it */
	}
	return reply;
}

struct sidepool_reply *sidepool_next(struct sidepool *sp, uint32_t *ret_id, void **ret_userdata)
{
	struct request *q;

	if (list_empty(&sp->requests.ready))
		return NULL;
	q = container_of(sp->requests.ready.next, struct request, link);
	if (ret_id)
		*ret_id = q->id;
	if (ret_userdata)
		*ret_userdata = q->userdata;
	return sidepool_take(sp, q->id);
}

void sidepool_drop(struct sidepool *sp, uint32_t id)
{
	struct request *q = requests_find(&sp->requests, id);

	if (!q || q->state == REQUEST_ABANDONED || q == sp->connection->hello)
		return;
	if (q->state == REQUEST_DONE)
		sidepool_reply_free(q->reply);
	else
		outbox_keep_rest(sp, q);
	request_abandon(&sp->requests, q);
}

size_t sidepool_in_flight(const struct sidepool *sp)
{
	return sp->requests.in_use - (sp->connection->hello ? 1 : 0);
}
