/* SPDX-License-Identifier: MIT */
#include "busy-poll.h"

#include <sched.h>

#include "pg/engine.h"
#include "sp/server.h"

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* that it runs is all: uv_backend_timeout() is 0 then */
}

/*
 * A wait that was slept through took the waking up as well, as much again or twice as much, which it
 * would not take if it were polled for. busy_poll must be that far above what is usual, or else the
 * loop sleeps because it has slept (tests/bench/NOTES.md has the figures).
 */
static void learn(struct busy_poll *b, usec now)
{
	bool slept = !uv_is_active((uv_handle_t *)&b->idle);
	usec most = slept ? 2 * b->most : b->most;

	pace_note(b->requests > 0 ? &b->for_answers : &b->for_clients, usec_sub(now, b->since),
		  most);
}

static void poll_or_sleep(struct busy_poll *b)
{
	if (pace_is_quick(b->requests > 0 ? &b->for_answers : &b->for_clients))
		(void)uv_idle_start(&b->idle, on_idle);
	else
		(void)uv_idle_stop(&b->idle);
}

static void on_check(uv_check_t *check)
{
	struct busy_poll *b = container_of(check, struct busy_poll, check);
	const struct sp_counts *counts = sp_server_counts(b->server);
	usec now = pg_engine_now();

	if (counts->messages_total != b->messages || counts->requests != b->requests) {
		learn(b, now);
		b->messages = counts->messages_total;
		b->requests = counts->requests;
		b->since = now;
		poll_or_sleep(b);
	} else if (usec_sub(now, b->since) >= b->most) {
		(void)uv_idle_stop(&b->idle);
	} else if (uv_is_active((uv_handle_t *)&b->idle)) {
		(void)sched_yield();
	}
}

void busy_poll_init(struct busy_poll *b, uv_loop_t *loop, const struct sp_server *server, usec most)
{
	*b = (struct busy_poll){ .server = server };
	(void)uv_check_init(loop, &b->check);
	(void)uv_idle_init(loop, &b->idle);
	busy_poll_set(b, most);
}

void busy_poll_set(struct busy_poll *b, usec most)
{
	b->most = most;
	if (most > 0) {
		(void)uv_check_start(&b->check, on_check);
		return;
	}
	(void)uv_check_stop(&b->check);
	(void)uv_idle_stop(&b->idle);
}

void busy_poll_deinit(struct busy_poll *b)
{
	uv_close((uv_handle_t *)&b->check, NULL);
	uv_close((uv_handle_t *)&b->idle, NULL);
}
