/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * libsidepool on a libuv loop, which may be embedded anywhere:
 *
 *	struct sidepool_uv adapter;
 *
 *	sidepool_uv_start(&adapter, loop, sp);
 *	sidepool_query(sp, "select 1", NULL, SIDEPOOL_CALL(.done = on_reply));
 *	...
 *	sidepool_uv_stop(&adapter, on_stopped);     before sidepool_close(sp)
 *
 * A prepare handle runs in front of each wait of the loop: it sends what was queued meanwhile, with
 * one system call, and follows the handle's descriptor, events and timeout. It keeps the loop
 * alive until sidepool_uv_stop().
 */

#include <poll.h>
#include <sidepool.h>
#include <stdlib.h>
#include <uv.h>

struct sidepool_uv {
	struct sidepool *sp; /* borrowed */
	uv_prepare_t prepare;
	uv_timer_t timer;
	uv_poll_t
		*poll; /* owned; NULL: no descriptor. Of its own memory: it closes later than we */
	int fd;
	int events;
	int open_handles;
	void (*stopped)(struct sidepool_uv *adapter);
};

static inline void sidepool_uv_free_poll(uv_handle_t *handle)
{
	free(handle);
}

static inline void sidepool_uv_forget(struct sidepool_uv *a)
{
	if (a->poll)
		uv_close((uv_handle_t *)a->poll, sidepool_uv_free_poll);
	a->poll = NULL;
	a->fd = -1;
	a->events = 0;
}

static inline void sidepool_uv_on_poll(uv_poll_t *handle, int status, int events)
{
	struct sidepool_uv *a = (struct sidepool_uv *)handle->data;
	short revents = 0;

	revents |= (events & UV_READABLE) ? POLLIN : 0;
	revents |= (events & UV_WRITABLE) ? POLLOUT : 0;
	sidepool_dispatch(a->sp, status < 0 ? POLLIN : revents);
	/* Before anything may reuse the number: the old socket stays open until the next dispatch.
	 */
	if (a->poll && sidepool_fd(a->sp) != a->fd)
		sidepool_uv_forget(a);
}

static inline void sidepool_uv_on_timer(uv_timer_t *timer)
{
	struct sidepool_uv *a = (struct sidepool_uv *)timer->data;

	sidepool_dispatch(a->sp, 0);
	if (a->poll && sidepool_fd(a->sp) != a->fd)
		sidepool_uv_forget(a);
}

static inline void sidepool_uv_watch(struct sidepool_uv *a, int fd, short wanted)
{
	int events = UV_READABLE | ((wanted & POLLOUT) ? UV_WRITABLE : 0);

	if (a->poll && a->fd != fd)
		sidepool_uv_forget(a);
	if (fd < 0 || (a->poll && a->events == events))
		return;
	if (!a->poll) {
		a->poll = (uv_poll_t *)malloc(sizeof(*a->poll));
		if (!a->poll)
			return;
		if (uv_poll_init(a->prepare.loop, a->poll, fd) != 0) {
			free(a->poll);
			a->poll = NULL;
			return;
		}
		a->poll->data = a;
		a->fd = fd;
	}
	a->events = events;
	uv_poll_start(a->poll, events, sidepool_uv_on_poll);
}

static inline void sidepool_uv_on_prepare(uv_prepare_t *prepare)
{
	struct sidepool_uv *a = (struct sidepool_uv *)prepare->data;
	int timeout;

	sidepool_flush(a->sp);
	sidepool_uv_watch(a, sidepool_fd(a->sp), sidepool_events(a->sp));
	timeout = sidepool_timeout_ms(a->sp);
	if (timeout < 0)
		uv_timer_stop(&a->timer);
	else
		uv_timer_start(&a->timer, sidepool_uv_on_timer, (uint64_t)timeout, 0);
}

/* Returns 0 or a libuv error. `sp` must live until `stopped` is called. */
static inline int sidepool_uv_start(struct sidepool_uv *a, uv_loop_t *loop, struct sidepool *sp)
{
	int r;

	a->sp = sp;
	a->poll = NULL;
	a->fd = -1;
	a->events = 0;
	a->open_handles = 2;
	uv_timer_init(loop, &a->timer);
	uv_prepare_init(loop, &a->prepare);
	a->timer.data = a->prepare.data = a;
	r = uv_prepare_start(&a->prepare, sidepool_uv_on_prepare);
	sidepool_uv_on_prepare(&a->prepare);
	return r;
}

static inline void sidepool_uv_on_closed(uv_handle_t *handle)
{
	struct sidepool_uv *a = (struct sidepool_uv *)handle->data;

	if (--a->open_handles == 0 && a->stopped)
		a->stopped(a);
}

/* Takes the handle out of the loop; `stopped` (NULL: none) is called when the loop has let go of
 * `a`. */
static inline void sidepool_uv_stop(struct sidepool_uv *a, void (*stopped)(struct sidepool_uv *a))
{
	a->stopped = stopped;
	sidepool_uv_forget(a);
	uv_close((uv_handle_t *)&a->timer, sidepool_uv_on_closed);
	uv_close((uv_handle_t *)&a->prepare, sidepool_uv_on_closed);
}
