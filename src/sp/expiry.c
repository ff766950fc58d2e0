/* SPDX-License-Identifier: MIT */
/*
 * Three things a connection may be overdue with, one at a time: its greeting, the rest of a
 * message, a request. Every wait of a kind lasts equally long, so a queue in order of arrival is
 * sorted by deadline, and one timer does for all. While we do not read from a connection it is
 * overdue with nothing.
 */
#include "sp/state.h"
#include "util/macro.h"

static usec limit_of(const struct sp_server *s, enum sp_wait wait)
{
	switch (wait) {
	case SP_WAIT_GREETING:
		return s->settings.greeting_timeout_us;
	case SP_WAIT_MESSAGE:
		return s->settings.message_timeout_us;
	case SP_WAIT_REQUEST:
		return s->settings.idle_timeout_us;
	default:
		return 0;
	}
}

static usec deadline_of(const struct sp_server *s, const struct sp_conn *c)
{
	usec limit = limit_of(s, c->wait);

	return limit ? usec_add(c->wait_since, limit) : USEC_NEVER;
}

static const char *sentence_for(enum sp_wait wait)
{
	static const char *const sentences[] = {
		[SP_WAIT_GREETING] = "did not greet in time",
		[SP_WAIT_MESSAGE] = "did not complete a message in time",
		[SP_WAIT_REQUEST] = "was idle for too long",
	};

	return sentences[wait];
}

void sp_expiry_init(struct sp_server *s)
{
	s->timer_due = s->accept_retry = USEC_NEVER;
	for (enum sp_wait w = 0; w < SP_WAIT_N; w++)
		TAILQ_INIT(&s->waits[w]);
}

static enum sp_wait wait_of(const struct sp_conn *c)
{
	if (c->state == SP_CONN_GREETING)
		return SP_WAIT_GREETING;
	if (c->state == SP_CONN_CLOSED || c->paused)
		return SP_WAIT_NONE;
	if (sp_frame_is_partial(&c->frame))
		return SP_WAIT_MESSAGE;
	return c->flight.n == 0 ? SP_WAIT_REQUEST : SP_WAIT_NONE;
}

void sp_expiry_remove(struct sp_conn *c)
{
	if (c->wait != SP_WAIT_NONE)
		TAILQ_REMOVE(&c->server->waits[c->wait], c, wait_link);
	c->wait = SP_WAIT_NONE;
}

void sp_expiry_update(struct sp_conn *c, bool progress)
{
	struct sp_server *s = c->server;
	enum sp_wait wait = wait_of(c);

	if (wait != SP_WAIT_NONE && limit_of(s, wait) == 0)
		wait = SP_WAIT_NONE;
	if (wait == c->wait && (wait == SP_WAIT_NONE || !progress))
		return;
	sp_expiry_remove(c);
	if (wait == SP_WAIT_NONE)
		return;
	c->wait = wait;
	c->wait_since = sp_server_now(s);
	TAILQ_INSERT_TAIL(&s->waits[wait], c, wait_link);
	sp_expiry_arm(s, deadline_of(s, c));
}

static usec expire_queue(struct sp_server *s, enum sp_wait wait, usec now)
{
	struct sp_conn *c;

	while ((c = TAILQ_FIRST(&s->waits[wait]))) {
		usec deadline = deadline_of(s, c);

		if (deadline > now)
			return deadline;
		sp_conn_fail(c, &s->counts.timeouts_total, sentence_for(wait));
	}
	return USEC_NEVER;
}

usec sp_server_expire(struct sp_server *s, usec now)
{
	usec due = USEC_NEVER;

	if (s->accept_retry <= now)
		sp_accept_resume(s);
	for (enum sp_wait w = 0; w < SP_WAIT_N; w++)
		due = MIN(due, expire_queue(s, w, now));
	return MIN(due, s->accept_retry);
}

static void on_timer(uv_timer_t *timer)
{
	struct sp_server *s = container_of(timer, struct sp_server, timer);

	s->timer_due = USEC_NEVER;
	sp_expiry_arm(s, sp_server_expire(s, sp_server_now(s)));
}

void sp_expiry_arm(struct sp_server *s, usec due)
{
	usec wait;

	if (due >= s->timer_due || s->closing)
		return;
	s->timer_due = due;
	wait = usec_sub(due, sp_server_now(s));
	/* Rounded up, so that the timer does not find what it came for still waiting. */
	(void)uv_timer_start(&s->timer, on_timer, (wait + USEC_PER_MS - 1) / USEC_PER_MS, 0);
}
