/* SPDX-License-Identifier: MIT */
/*
 * The life of a connection: greeting, open, closed. It reads into the server's one buffer, hands up
 * what is complete, and keeps memory of its own only for a message that is cut. It pauses while its
 * peer has too much in flight or reads too little of what it asked for: then the kernel's buffers
 * fill, and the peer waits.
 *
 * Invariants: `paused` means that libuv does not read and the hangup watch does; whoever makes a
 * reason to pause go away calls sp_conn_may_resume(). Resuming is left to an idle callback, so that
 * on_message is never called from within an answer. A closed connection is in no list, and is freed
 * when its handle is closed and its last reference gone.
 */
#include "sp/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sp/state.h"
#include "util/log.h"
#include "util/macro.h"

static struct sp_conn *from_handle(void *handle)
{
	return container_of(handle, struct sp_conn, pipe);
}

const struct sp_peer *sp_conn_peer(const struct sp_conn *c)
{
	return &c->peer;
}

size_t sp_conn_peer_groups(const struct sp_conn *c, gid_t *groups, size_t most)
{
	socklen_t len = (socklen_t)(most * sizeof(*groups));
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)&c->pipe, &fd) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return 0;
	return len / sizeof(*groups);
}

uint64_t sp_conn_serial(const struct sp_conn *c)
{
	return c->serial;
}

void sp_conn_set_owner(struct sp_conn *c, void *owner)
{
	c->owner = owner;
}

void *sp_conn_owner(const struct sp_conn *c)
{
	return c->owner;
}

struct sp_conn *sp_conn_ref(struct sp_conn *c)
{
	c->refs++;
	return c;
}

struct sp_conn *sp_conn_unref(struct sp_conn *c)
{
	if (c && --c->refs == 0) {
		assert(!c->server);
		free(c);
	}
	return NULL;
}

bool sp_conn_is_open(const struct sp_conn *c)
{
	return c->state != SP_CONN_CLOSED;
}

size_t sp_conn_output_bytes(const struct sp_conn *c)
{
	return sp_conn_is_open(c) ? c->output.bytes : 0;
}

bool sp_conn_is_congested(const struct sp_conn *c)
{
	return c->congested;
}

unsigned sp_conn_requests(const struct sp_conn *c)
{
	return c->flight.n;
}

static void account_frame(struct sp_conn *c)
{
	size_t memory = sp_frame_memory(&c->frame);

	c->server->counts.partial_bytes += memory - c->frame_memory;
	c->frame_memory = memory;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct sp_conn *c = from_handle(handle);
	struct sp_server *s = c->server;

	sp_frame_deinit(&c->frame);
	account_frame(c);
	sp_output_deinit(&c->output, &s->pool);
	c->server = NULL;
	sp_conn_unref(c);
	sp_server_handle_closed(s);
}

static void leave_lists(struct sp_server *s, struct sp_conn *c)
{
	if (s->for_each_next == c)
		s->for_each_next = LIST_NEXT(c, link);
	LIST_REMOVE(c, link);
	sp_expiry_remove(c);
	if (c->dirty) {
		TAILQ_REMOVE(&s->dirty, c, dirty_link);
		s->n_dirty--;
	}
	if (c->resuming)
		TAILQ_REMOVE(&s->resuming, c, resuming_link);
	if (c->paused)
		sp_hangup_unwatch(s, c);
}

static void uncount(struct sp_server *s, struct sp_conn *c)
{
	s->counts.connections--;
	s->counts.greeting -= c->state == SP_CONN_GREETING;
	s->counts.paused -= c->paused;
	s->counts.requests -= c->flight.n;
	s->counts.output_bytes -= c->output.bytes;
	sp_uids_remove(&s->uids, c->peer.uid);
}

void sp_conn_close(struct sp_conn *c)
{
	struct sp_server *s = c->server;
	bool was_open = c->state == SP_CONN_OPEN;

	if (!sp_conn_is_open(c))
		return;
	leave_lists(s, c);
	uncount(s, c);
	c->state = SP_CONN_CLOSED;
	c->dirty = c->resuming = c->paused = c->congested = c->replying = false;
	sp_flight_deinit(&c->flight, &s->pool);
	uv_close((uv_handle_t *)&c->pipe, on_handle_closed);
	log_debug(LOG_TOPIC_SP, LOG_FIELDS(log_uint("CONNECTION", c->serial)), "closed");
	sp_accept_resume(s);
	if (was_open)
		s->ops->on_close(c, s->userdata);
}

void sp_conn_fail(struct sp_conn *c, uint64_t *counter, const char *why)
{
	(*counter)++;
	log_debug(LOG_TOPIC_SP,
		  LOG_FIELDS(log_uint("CONNECTION", c->serial), log_int("PID", c->peer.pid),
			     log_uint("UID", c->peer.uid)),
		  "%s", why);
	sp_conn_close(c);
}

void sp_conn_doom(struct sp_conn *c, const char *why)
{
	c->doomed = why;
	sp_conn_mark_dirty(c);
}

static bool has_reason_to_pause(const struct sp_conn *c)
{
	return c->doomed || c->finishing || c->congested ||
	       c->flight.n >= c->server->settings.max_requests;
}

static void pause_reading(struct sp_conn *c)
{
	struct sp_server *s = c->server;

	if (c->paused)
		return;
	(void)uv_read_stop((uv_stream_t *)&c->pipe);
	if (sp_hangup_watch(s, c) < 0) {
		sp_conn_doom(c, "cannot be watched");
		return;
	}
	c->paused = true;
	s->counts.paused++;
	sp_expiry_update(c, true);
}

void sp_conn_may_pause(struct sp_conn *c)
{
	if (!c->parsing && has_reason_to_pause(c))
		pause_reading(c);
}

void sp_conn_may_resume(struct sp_conn *c)
{
	struct sp_server *s = c->server;

	if (!c->paused || c->resuming || has_reason_to_pause(c))
		return;
	c->resuming = true;
	TAILQ_INSERT_TAIL(&s->resuming, c, resuming_link);
	sp_server_wake(s);
}

static void unpause(struct sp_conn *c);

static void greeted(struct sp_conn *c)
{
	struct sp_server *s = c->server;

	LIST_REMOVE(c, link);
	LIST_INSERT_HEAD(&s->open, c, link);
	c->state = SP_CONN_OPEN;
	s->counts.greeting--;
	s->ops->on_open(c, s->userdata);
}

static void hand_up(struct sp_conn *c, struct sp_frame_message *m)
{
	struct sp_server *s = c->server;
	int r = sp_flight_add(&c->flight, &s->pool, &m->request);

	if (r < 0) {
		sp_conn_fail(c, &s->counts.overflows_total, "no memory for a request");
		return;
	}
	if (r == SP_FLIGHT_E_DUPLICATE) {
		s->counts.duplicates_total++;
		return;
	}
	s->counts.requests++;
	s->counts.messages_total++;
	s->ops->on_message(c, &m->request, m->body, m->len, s->userdata);
}

static void take(struct sp_conn *c, enum sp_frame_result r, struct sp_frame_message *m)
{
	struct sp_counts *counts = &c->server->counts;

	if (r == SP_FRAME_GREETED)
		greeted(c);
	else if (r == SP_FRAME_MESSAGE)
		hand_up(c, m);
	else if (r == SP_FRAME_E_MEMORY)
		sp_conn_fail(c, &counts->overflows_total, sp_frame_result_to_string(r));
	else
		sp_conn_fail(c, &counts->protocol_errors_total, sp_frame_result_to_string(r));
}

/*
 * Hands up all that is complete, as far as nothing speaks for a pause. Returns whether there was
 * anything.
 */
static bool take_all(struct sp_conn *c)
{
	struct sp_frame_message m;
	enum sp_frame_result r;
	bool any = false;

	c->parsing = true;
	while (sp_conn_is_open(c) && !has_reason_to_pause(c)) {
		r = sp_frame_next(&c->frame, c->server->settings.max_message_bytes, &m);
		if (r == SP_FRAME_MORE)
			break;
		take(c, r, &m);
		any = true;
	}
	c->parsing = false;
	return any;
}

/* After this the reader's buffer is free again. */
static void parse(struct sp_conn *c)
{
	struct sp_server *s = c->server;
	bool progress = take_all(c);

	if (!sp_conn_is_open(c))
		return;
	if (sp_frame_park(&c->frame) < 0) {
		sp_conn_fail(c, &s->counts.overflows_total, "no memory for messages that wait");
		return;
	}
	account_frame(c);
	if (s->counts.partial_bytes > s->settings.max_partial_bytes && c->frame_memory > 0) {
		sp_conn_fail(c, &s->counts.overflows_total,
			     "too much memory in unfinished messages");
		return;
	}
	if (has_reason_to_pause(c))
		pause_reading(c);
	else if (c->paused)
		unpause(c);
	else
		sp_expiry_update(c, progress);
}

void sp_conn_resume(struct sp_conn *c)
{
	if (c->paused && !has_reason_to_pause(c))
		parse(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct sp_conn *c = from_handle(handle);
	size_t len;
	uint8_t *space = sp_frame_space(&c->frame, &len);

	(void)suggested;
	if (!space) {
		space = c->server->read_buffer;
		len = SP_READ_BUFFER_BYTES;
	}
	*buf = uv_buf_init((char *)space, (unsigned)MIN(len, (size_t)1 << 30));
}

static void take_bytes(struct sp_conn *c, uint8_t *data, size_t n)
{
	c->server->counts.received_bytes_total += n;
	sp_frame_feed(&c->frame, data, n);
	parse(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct sp_conn *c = from_handle(stream);

	if (n == 0)
		return;
	if (n < 0) {
		sp_conn_close(c);
		return;
	}
	take_bytes(c, (uint8_t *)buf->base, (size_t)n);
}

static void unpause(struct sp_conn *c)
{
	struct sp_server *s = c->server;

	sp_hangup_unwatch(s, c);
	c->paused = false;
	s->counts.paused--;
	sp_expiry_update(c, true);
	if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) < 0)
		sp_conn_close(c);
}

/* Into a socket that nothing was written to, 8 bytes go at once or never. */
static int send_greeting(struct sp_conn *c)
{
	uv_buf_t greeting = uv_buf_init((char *)sp_greeting_rep, SP_GREETING_BYTES);
	int r = uv_try_write((uv_stream_t *)&c->pipe, &greeting, 1);

	return r < 0 ? r : r == SP_GREETING_BYTES ? 0 : UV_EPIPE;
}

/*
 * Most peers have greeted by now, and asked something: that is read without waiting for the loop to
 * tell of it, and our greeting leaves with the answers. It goes at once to a peer that waits for it,
 * and to one that is about to be turned away, for it tells why.
 */
static void greet(struct sp_conn *c, int fd)
{
	struct sp_server *s = c->server;
	ssize_t n = recv(fd, s->read_buffer, SP_READ_BUFFER_BYTES, MSG_DONTWAIT);
	bool known = n >= SP_GREETING_BYTES &&
		     !memcmp(s->read_buffer, sp_greeting_req, SP_GREETING_BYTES);

	if ((known ? sp_reply_greeting(c) : send_greeting(c)) < 0)
		sp_conn_close(c);
	else if (n > 0)
		take_bytes(c, s->read_buffer, (size_t)n);
}

static void conn_init(struct sp_conn *c, struct sp_server *s, const struct sp_peer *peer)
{
	*c = (struct sp_conn){ .server = s, .peer = *peer, .refs = 1, .wait = SP_WAIT_NONE };
	c->serial = ++s->last_serial;
	sp_frame_init(&c->frame);
	sp_flight_init(&c->flight, s->seed);
	(void)uv_pipe_init(s->loop, &c->pipe, 0);
	s->handles++;
	s->counts.connections++;
	s->counts.greeting++;
	LIST_INSERT_HEAD(&s->greeting, c, link);
}

void sp_conn_start(struct sp_server *s, int fd, const struct sp_peer *peer)
{
	struct sp_conn *c = steal(&s->spare);

	conn_init(c, s, peer);
	if (uv_pipe_open(&c->pipe, fd) < 0) {
		(void)close(fd);
		sp_conn_close(c);
		return;
	}
	if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) < 0) {
		sp_conn_close(c);
		return;
	}
	log_debug(LOG_TOPIC_SP,
		  LOG_FIELDS(log_uint("CONNECTION", c->serial), log_int("PID", peer->pid),
			     log_uint("UID", peer->uid)),
		  "accepted");
	sp_expiry_update(c, true);
	greet(c, fd);
}

void sp_conn_finish(struct sp_conn *c)
{
	if (!sp_conn_is_open(c))
		return;
	c->finishing = true;
	if (c->output.bytes == 0)
		sp_conn_close(c);
	else
		sp_conn_may_pause(c);
}
