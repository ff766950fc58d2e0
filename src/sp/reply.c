/* SPDX-License-Identifier: MIT */
/*
 * Answers on their way out. They gather in the connection's output while the loop works through its
 * events, and are offered to the kernel once before it sleeps; what the kernel does not take waits
 * with libuv, where it lies. An output that grows large is offered at once: the peer may be reading
 * meanwhile, and the memory stays warm.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "sp/state.h"
#include "util/error.h"
#include "util/macro.h"

enum {
	PIECES = 64,
	PIECES_BYTES = 1 << 20,
	EARLY_BYTES = 262144,
};

/* libuv hands its buffers to writev() as they are, and so do we. */
_Static_assert(sizeof(uv_buf_t) == sizeof(struct iovec), "uv_buf_t is an iovec");
_Static_assert(offsetof(uv_buf_t, len) == offsetof(struct iovec, iov_len), "uv_buf_t is an iovec");

static unsigned pieces_of(const struct sp_conn *c, uv_buf_t *pieces, size_t *ret_bytes)
{
	unsigned n = sp_output_pieces(&c->output, (struct iovec *)pieces, PIECES, PIECES_BYTES);

	*ret_bytes = 0;
	for (unsigned i = 0; i < n; i++)
		*ret_bytes += pieces[i].len;
	return n;
}

static void written(struct sp_conn *c, size_t n)
{
	struct sp_server *s = c->server;

	sp_output_consume(&c->output, &s->pool, n);
	s->counts.output_bytes -= n;
	s->counts.sent_bytes_total += n;
}

/* Writes what the kernel takes at once. 0: all; UV_EAGAIN: not all; else it is broken. */
static int offer(struct sp_conn *c)
{
	uv_buf_t pieces[PIECES];
	size_t bytes;
	unsigned n;

	if (c->writing)
		return UV_EAGAIN;
	while ((n = pieces_of(c, pieces, &bytes)) > 0) {
		int r = uv_try_write((uv_stream_t *)&c->pipe, pieces, n);

		if (r < 0)
			return r;
		written(c, (size_t)r);
		if ((size_t)r < bytes)
			return UV_EAGAIN;
	}
	return 0;
}

/* What follows from there being less output than before. */
static void settle(struct sp_conn *c)
{
	struct sp_server *s = c->server;

	if (c->finishing && c->output.bytes == 0) {
		sp_conn_close(c);
		return;
	}
	if (!c->congested || c->output.bytes > s->settings.max_output_bytes / 2)
		return;
	c->congested = false;
	sp_conn_may_resume(c);
	if (s->ops->on_drained)
		s->ops->on_drained(c, s->userdata);
}

static void on_written(uv_write_t *write, int status)
{
	struct sp_conn *c = container_of(write, struct sp_conn, write);

	c->writing = false;
	if (!sp_conn_is_open(c))
		return;
	if (status < 0) {
		sp_conn_close(c);
		return;
	}
	written(c, c->write_bytes);
	sp_conn_flush(c);
}

/* Leaves the front of the output to libuv until the peer has read. */
static int write_later(struct sp_conn *c)
{
	uv_buf_t pieces[PIECES];
	unsigned n;
	int r;

	if (c->writing)
		return 0;
	n = pieces_of(c, pieces, &c->write_bytes);
	r = uv_write(&c->write, (uv_stream_t *)&c->pipe, pieces, n, on_written);
	c->writing = r == 0;
	return r;
}

void sp_conn_flush(struct sp_conn *c)
{
	int r;

	if (c->doomed) {
		sp_conn_fail(c, &c->server->counts.overflows_total, c->doomed);
		return;
	}
	r = offer(c);
	if (r == UV_EAGAIN)
		r = write_later(c);
	if (r < 0)
		sp_conn_close(c);
	else
		settle(c);
}

/* Whether the peer has left more unread than it may. */
static bool is_over_limit(const struct sp_conn *c)
{
	const struct sp_server *s = c->server;

	return c->output.memory_bytes > s->settings.hard_output_bytes ||
	       (c->congested && s->counts.output_bytes > s->settings.max_unread_bytes);
}

void sp_reply_lost(struct sp_conn *c)
{
	if (sp_conn_is_open(c))
		sp_conn_doom(c, "no memory for an answer");
}

uint8_t *sp_reply_begin(struct sp_conn *c, const struct sp_request *request, size_t body_max)
{
	struct sp_server *s = c->server;
	uint8_t *at;

	if (!sp_conn_is_open(c) || c->doomed)
		return NULL;
	assert(!c->replying);
	if (is_over_limit(c) && offer(c) < 0 && is_over_limit(c)) {
		sp_conn_doom(c, "does not read its answers");
		return NULL;
	}
	at = sp_output_reserve(&c->output, &s->pool, sp_frame_header_bytes(request) + body_max);
	if (!at) {
		sp_reply_lost(c);
		return NULL;
	}
	c->replying = true;
	c->reply_to.n_words = request->n_words;
	memcpy(c->reply_to.words, request->words, sp_request_bytes(request));
	return at + sp_frame_header_bytes(request);
}

void sp_conn_mark_dirty(struct sp_conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&c->server->dirty, c, dirty_link);
	c->server->n_dirty++;
}

static void commit(struct sp_conn *c, size_t body_len)
{
	struct sp_server *s = c->server;
	uint8_t *at = sp_output_reserved(&c->output);
	size_t n = sp_frame_write_header(at, &c->reply_to, body_len) + body_len;

	sp_output_commit(&c->output, &s->pool, n);
	s->counts.output_bytes += n;
	s->counts.replies_total++;
	sp_conn_mark_dirty(c);
	/* An error shows again when it is flushed: nobody expects on_close here. */
	if (c->output.bytes >= EARLY_BYTES)
		(void)offer(c);
	if (c->output.bytes > s->settings.max_output_bytes)
		c->congested = true;
}

int sp_reply_greeting(struct sp_conn *c)
{
	struct sp_server *s = c->server;
	uint8_t *at = sp_output_reserve(&c->output, &s->pool, SP_GREETING_BYTES);

	if (!at)
		return err_raise(-ENOMEM);
	memcpy(at, sp_greeting_rep, SP_GREETING_BYTES);
	sp_output_commit(&c->output, &s->pool, SP_GREETING_BYTES);
	s->counts.output_bytes += SP_GREETING_BYTES;
	sp_conn_mark_dirty(c);
	return 0;
}

/* What follows from one request less in flight. */
static void landed(struct sp_conn *c)
{
	c->server->counts.requests--;
	sp_conn_may_pause(c);
	sp_conn_may_resume(c);
	if (sp_conn_is_open(c) && !c->parsing)
		sp_expiry_update(c, c->flight.n == 0);
}

void sp_reply_end(struct sp_conn *c, size_t body_len)
{
	int r;

	if (!c->replying)
		return;
	c->replying = false;
	commit(c, body_len);
	r = sp_flight_remove(&c->flight, &c->server->pool, &c->reply_to);
	assert(r == 0);
	(void)r;
	landed(c);
}

void sp_reply_cancel(struct sp_conn *c)
{
	if (!c->replying)
		return;
	c->replying = false;
	sp_output_commit(&c->output, &c->server->pool, 0);
}

void sp_reply(struct sp_conn *c, const struct sp_request *request, const void *body, size_t len)
{
	uint8_t *at = sp_reply_begin(c, request, len);

	if (!at)
		return;
	if (len > 0)
		memcpy(at, body, len);
	sp_reply_end(c, len);
}

void sp_request_drop(struct sp_conn *c, const struct sp_request *request)
{
	if (sp_conn_is_open(c) && sp_flight_remove(&c->flight, &c->server->pool, request) == 0)
		landed(c);
}
