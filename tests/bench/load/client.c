/* SPDX-License-Identifier: MIT */
/*
 * A client's descriptor changes hands under our feet (a handle connects anew, a workload closes and
 * opens), so watch() compares what epoll was told with what the handle says, after each time that
 * the handle did something.
 */
#include "client.h"

#include <errno.h>
#include <sidepool.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "options.h"
#include "worker.h"

void client_fail(struct client *c, const char *format, ...)
{
	struct worker *w = c->worker;
	va_list args;

	if (w->errors++ > 0)
		return;
	va_start(args, format);
	(void)vsnprintf(w->error, sizeof(w->error), format, args);
	va_end(args);
}

int client_open(struct client *c)
{
	const struct sidepool_options *o = SIDEPOOL_OPTIONS(.socket = c->worker->options->socket,
							    .application = "sidepool-bench");
	int r;

	if (c->sp)
		return 0;
	c->fd = -1;
	r = sidepool_open(o, &c->sp);
	if (r == 0)
		return 0;
	client_fail(c, "%s", sidepool_code_sentence(r));
	return -1;
}

void client_close(struct client *c)
{
	c->sp = sidepool_close(c->sp);
	c->fd = -1;
}

/* Tells epoll what the handle waits for. */
static void watch(struct client *c)
{
	int fd = c->sp ? sidepool_fd(c->sp) : -1;
	short wanted = c->sp ? sidepool_events(c->sp) : 0;
	struct epoll_event e = { .events = (uint32_t)wanted, .data.ptr = c };
	int how = fd == c->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (fd < 0 || (fd == c->fd && wanted == c->events)) {
		c->fd = fd;
		return;
	}
	if (epoll_ctl(c->worker->epoll_fd, how, fd, &e) < 0)
		client_fail(c, "epoll_ctl: %s", strerror(errno));
	c->fd = fd;
	c->events = wanted;
}

void client_push(struct client *c)
{
	if (c->sp)
		(void)sidepool_flush(c->sp);
	watch(c);
}

void client_dispatch(struct client *c, short revents)
{
	struct sidepool *sp = c->sp;
	int r = sp ? sidepool_dispatch(sp, revents) : 0;

	if (r != SIDEPOOL_E_OK && r != SIDEPOOL_E_CLOSED)
		client_fail(c, "%s", sidepool_code_sentence(r));
	/* A callback may have put another handle in its place. */
	if (c->sp && c->sp != sp)
		(void)sidepool_flush(c->sp);
	watch(c);
}
