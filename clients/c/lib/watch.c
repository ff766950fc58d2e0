/* SPDX-License-Identifier: MIT */
/*
 * After fork() the child has the same epoll set as its parent, not a copy: it must not touch it. And
 * a socket whose descriptor a child still has stays in the set when we close ours, so it is taken
 * out first.
 */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "handle.h"
#include "util/macro.h"

void watch_init(struct watch *w)
{
	*w = (struct watch){ .fd = -1 };
}

void watch_close_later(struct watch *w, int fd)
{
	if (w->n_dying == WATCH_DYING_MAX)
		close(fd);
	else
		w->dying[w->n_dying++] = fd;
}

void watch_bury(struct watch *w)
{
	while (w->n_dying > 0)
		close(w->dying[--w->n_dying]);
}

void watch_deinit(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	watch_bury(w);
}

short watch_events(const struct sidepool *sp, const struct connection *c)
{
	const struct list *queue = c == sp->connection ? &sp->requests.queued : &c->queued;
	bool wants_out =
		c->state == CONNECTION_READY ? c->rest.len > 0 || !list_empty(queue) : c->full;

	return wants_out ? POLLIN | POLLOUT : POLLIN;
}

/* EPOLLIN and EPOLLOUT are POLLIN and POLLOUT. */
static int control(struct sidepool *sp, struct connection *c, int op, uint32_t events)
{
	struct epoll_event event = { .events = events };

	if (epoll_ctl(sp->watch.fd, op, c->fd, &event) < 0)
		return -errno;
	c->watched = events;
	return 0;
}

int watch_add(struct sidepool *sp, struct connection *c)
{
	if (sp->watch.fd < 0)
		return 0;
	return control(sp, c, EPOLL_CTL_ADD, (uint32_t)watch_events(sp, c));
}

int watch_begin(struct sidepool *sp, struct connection *c)
{
	int r;

	if (sp->watch.fd >= 0)
		return 0;
	sp->watch.fd = epoll_create1(EPOLL_CLOEXEC);
	if (sp->watch.fd < 0)
		return -errno;
	r = watch_add(sp, c);
	if (r < 0) {
		close(sp->watch.fd);
		sp->watch.fd = -1;
	}
	return r;
}

void watch_end(struct sidepool *sp)
{
	if (sp->watch.fd < 0)
		return;
	if (sp->connection->watched)
		watch_remove(sp, sp->connection);
	watch_close_later(&sp->watch, sp->watch.fd);
	sp->watch.fd = -1;
}

void watch_remove(struct sidepool *sp, struct connection *c)
{
	if (c->watched && handle_usable(sp) != SIDEPOOL_E_FORKED)
		control(sp, c, EPOLL_CTL_DEL, 0);
	c->watched = 0;
}

static void update(struct sidepool *sp, struct connection *c)
{
	uint32_t events = (uint32_t)watch_events(sp, c);

	/* A change of what is in the set already takes no memory and cannot fail. */
	if (c->watched && c->watched != events)
		control(sp, c, EPOLL_CTL_MOD, events);
}

void watch_update(struct sidepool *sp)
{
	if (sp->watch.fd < 0)
		return;
	update(sp, sp->connection);
	for (size_t i = 0; i < sp->leaving.count; i++)
		update(sp, sp->leaving.left[i]);
}
