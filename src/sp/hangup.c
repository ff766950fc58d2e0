/* SPDX-License-Identifier: MIT */
/*
 * A connection that is not read from does not tell that its peer has left: libuv asks the kernel
 * about reading or writing only. So those that are paused are watched by an epoll of their own, for
 * nothing but the hangup, and the loop watches that one descriptor. What such a peer has sent and
 * we have not read is not looked at any more.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "sp/state.h"
#include "util/error.h"
#include "util/macro.h"

enum {
	HANGUP_EVENTS = 64,
};

static void on_hangup(uv_poll_t *poll, int status, int events)
{
	struct sp_server *s = container_of(poll, struct sp_server, hangup);
	struct epoll_event found[HANGUP_EVENTS];
	int n = epoll_wait(s->hangup_fd, found, HANGUP_EVENTS, 0);

	(void)status;
	(void)events;
	/*
	 * Closing one may close others that are in `found`: their memory stays until the loop runs
	 * its close callbacks.
	 */
	for (int i = 0; i < n; i++)
		sp_conn_close(found[i].data.ptr);
}

int sp_hangup_init(struct sp_server *s)
{
	int r;

	s->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->hangup_fd < 0)
		return err_raise(-errno);
	r = uv_poll_init(s->loop, &s->hangup, s->hangup_fd);
	if (r < 0) {
		(void)close(s->hangup_fd);
		s->hangup_fd = -1;
		return err_raise(r);
	}
	s->handles++;
	r = uv_poll_start(&s->hangup, UV_READABLE, on_hangup);
	return r < 0 ? err_raise(r) : 0;
}

static int conn_fd(const struct sp_conn *c)
{
	uv_os_fd_t fd = -1;

	(void)uv_fileno((const uv_handle_t *)&c->pipe, &fd);
	return fd;
}

int sp_hangup_watch(struct sp_server *s, struct sp_conn *c)
{
	struct epoll_event e = { .events = EPOLLRDHUP, .data.ptr = c };

	if (epoll_ctl(s->hangup_fd, EPOLL_CTL_ADD, conn_fd(c), &e) < 0)
		return err_raise(-errno);
	return 0;
}

void sp_hangup_unwatch(struct sp_server *s, struct sp_conn *c)
{
	(void)epoll_ctl(s->hangup_fd, EPOLL_CTL_DEL, conn_fd(c), NULL);
}
