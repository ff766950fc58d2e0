/* SPDX-License-Identifier: MIT */
/*
 * What the connections of one server share: the buffer that they read into, the blocks that they
 * write from, the hooks into the loop, and the counters. Output is flushed after the poll phase
 * (check), and once more before the loop sleeps (prepare), for what timers and other callbacks have
 * answered.
 */
#include "sp/server.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "sp/state.h"
#include "util/error.h"
#include "util/macro.h"

static const char *const error_sentences[SP_E_N] = {
	[SP_E_NONE] = "no error",
	[SP_E_IN_USE] = "another process answers on that path",
	[SP_E_PATH_LENGTH] = "a socket's path has 1 to 107 bytes",
	[SP_E_NO_DIRECTORY] = "the folder of that path does not exist",
	[SP_E_NOT_SOCKET] = "something else than a socket is at that path",
	[SP_E_DENIED] = "permission denied",
	[SP_E_NOT_LISTENER] = "the descriptor is not a listening Unix stream socket",
};

const char *sp_error_to_string(enum sp_error e)
{
	return (unsigned)e < SP_E_N ? error_sentences[e] : "unknown error";
}

struct sp_settings sp_settings_default(void)
{
	return (struct sp_settings){
		.max_message_bytes = 16 << 20,
		.max_output_bytes = 4 << 20,
		.hard_output_bytes = 64 << 20,
		.max_partial_bytes = 256 << 20,
		.max_unread_bytes = 512 << 20,
		.max_requests = 1024,
		.greeting_timeout_us = 10 * USEC_PER_SEC,
		.message_timeout_us = 30 * USEC_PER_SEC,
	};
}

usec sp_server_now(const struct sp_server *s)
{
	return uv_now(s->loop) * USEC_PER_MS;
}

const struct sp_counts *sp_server_counts(const struct sp_server *s)
{
	return &s->counts;
}

/* One round: who becomes dirty meanwhile has its turn in the next, or we might stay here. */
void sp_server_flush(struct sp_server *s)
{
	struct sp_conn *c;

	for (unsigned n = s->n_dirty; n > 0 && (c = TAILQ_FIRST(&s->dirty)); n--) {
		TAILQ_REMOVE(&s->dirty, c, dirty_link);
		s->n_dirty--;
		c->dirty = false;
		sp_conn_flush(c);
	}
}

static void on_check(uv_check_t *check)
{
	sp_server_flush(container_of(check, struct sp_server, check));
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct sp_server *s = container_of(prepare, struct sp_server, prepare);

	sp_server_flush(s);
	if (s->n_dirty > 0)
		sp_server_wake(s);
}

static void on_idle(uv_idle_t *idle)
{
	struct sp_server *s = container_of(idle, struct sp_server, idle);
	struct sp_conn *c;

	(void)uv_idle_stop(idle);
	while ((c = TAILQ_FIRST(&s->resuming))) {
		TAILQ_REMOVE(&s->resuming, c, resuming_link);
		c->resuming = false;
		sp_conn_resume(c);
	}
}

void sp_server_wake(struct sp_server *s)
{
	if (!s->closing)
		(void)uv_idle_start(&s->idle, on_idle);
}

static void init_hooks(struct sp_server *s)
{
	(void)uv_prepare_init(s->loop, &s->prepare);
	(void)uv_check_init(s->loop, &s->check);
	(void)uv_idle_init(s->loop, &s->idle);
	(void)uv_timer_init(s->loop, &s->timer);
	s->handles += 4;
	(void)uv_prepare_start(&s->prepare, on_prepare);
	(void)uv_check_start(&s->check, on_check);
}

static void init_lists(struct sp_server *s)
{
	LIST_INIT(&s->listeners);
	LIST_INIT(&s->greeting);
	LIST_INIT(&s->open);
	TAILQ_INIT(&s->dirty);
	TAILQ_INIT(&s->resuming);
	sp_expiry_init(s);
}

static void destroy(struct sp_server *s)
{
	sp_pool_deinit(&s->pool);
	sp_uids_deinit(&s->uids);
	free(s->spare);
	free(s->read_buffer);
	free(s);
}

int sp_server_new(struct sp_server **ret_server, uv_loop_t *loop,
		  const struct sp_settings *settings, const struct sp_ops *ops, void *userdata)
{
	struct sp_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_raise(-ENOMEM);
	*s = (struct sp_server){ .loop = loop, .ops = ops, .userdata = userdata, .hangup_fd = -1 };
	s->settings = *settings;
	s->read_buffer = malloc(SP_READ_BUFFER_BYTES);
	if (!s->read_buffer) {
		destroy(s);
		return err_raise(-ENOMEM);
	}
	/* A predictable seed would only let a peer slow down its own set of requests. */
	if (getrandom(&s->seed, sizeof(s->seed), GRND_NONBLOCK) < 0)
		s->seed = (uintptr_t)s;
	sp_pool_init(&s->pool, SP_POOL_KEEP_BYTES);
	init_lists(s);
	init_hooks(s);
	r = sp_hangup_init(s);
	if (r < 0) {
		sp_server_free(s);
		return err_forward(r);
	}
	*ret_server = s;
	return 0;
}

void sp_server_for_each(struct sp_server *s, void (*fn)(struct sp_conn *c, void *userdata),
			void *userdata)
{
	for (struct sp_conn *c = LIST_FIRST(&s->open); c; c = s->for_each_next) {
		s->for_each_next = LIST_NEXT(c, link);
		fn(c, userdata);
	}
}

void sp_server_set_settings(struct sp_server *s, const struct sp_settings *settings)
{
	struct sp_conn *c;

	s->settings = *settings;
	LIST_FOREACH (c, &s->open, link)
		sp_expiry_update(c, false);
	LIST_FOREACH (c, &s->open, link)
		sp_conn_may_resume(c);
	sp_accept_resume(s);
	sp_expiry_arm(s, sp_server_now(s));
}

void sp_server_handle_closed(struct sp_server *s)
{
	if (--s->handles == 0)
		destroy(s);
}

static void on_prepare_closed(uv_handle_t *handle)
{
	sp_server_handle_closed(container_of(handle, struct sp_server, prepare));
}

static void on_check_closed(uv_handle_t *handle)
{
	sp_server_handle_closed(container_of(handle, struct sp_server, check));
}

static void on_idle_closed(uv_handle_t *handle)
{
	sp_server_handle_closed(container_of(handle, struct sp_server, idle));
}

static void on_timer_closed(uv_handle_t *handle)
{
	sp_server_handle_closed(container_of(handle, struct sp_server, timer));
}

static void on_hangup_closed(uv_handle_t *handle)
{
	sp_server_handle_closed(container_of(handle, struct sp_server, hangup));
}

static void close_hooks(struct sp_server *s)
{
	uv_close((uv_handle_t *)&s->prepare, on_prepare_closed);
	uv_close((uv_handle_t *)&s->check, on_check_closed);
	uv_close((uv_handle_t *)&s->idle, on_idle_closed);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
	if (s->hangup_fd < 0)
		return;
	uv_close((uv_handle_t *)&s->hangup, on_hangup_closed);
	(void)close(s->hangup_fd);
	s->hangup_fd = -1;
}

static void close_all(struct sp_conn_list *list)
{
	struct sp_conn *c;

	while ((c = LIST_FIRST(list)))
		sp_conn_close(c);
}

struct sp_server *sp_server_free(struct sp_server *s)
{
	if (!s || s->closing)
		return NULL;
	s->closing = true;
	sp_server_stop_listening(s);
	sp_server_flush(s);
	close_all(&s->greeting);
	close_all(&s->open);
	close_hooks(s);
	return NULL;
}
