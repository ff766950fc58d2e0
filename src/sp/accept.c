/* SPDX-License-Identifier: MIT */
/*
 * Accepting is our own because libuv drops connections when descriptors run out (its "EMFILE trick"
 * accepts and closes). Here whoever cannot be served yet waits in the kernel's queue: all that a
 * connection needs is at hand before accept() is called, and when it is not, accepting pauses until
 * a connection closes, or for a moment where the lack may end otherwise.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sp/state.h"
#include "util/error.h"
#include "util/log.h"
#include "util/macro.h"

enum {
	/* Then the connections that are open have their turn, which 16 keep waiting for 0.7 ms. */
	ACCEPTS_AT_ONCE = 2,
	ACCEPTS_AT_LAST = 8192,
	ACCEPT_RETRY_US = 100000,
};

enum accept_result {
	ACCEPT_DONE,
	ACCEPT_EMPTY,
	ACCEPT_WAIT,
};

static enum accept_result wait_until(struct sp_server *s, usec retry, const char *why)
{
	struct sp_listener *l;

	if (s->accept_paused)
		return ACCEPT_WAIT;
	log_debug(LOG_TOPIC_SP, LOG_FIELDS(log_uint("CONNECTIONS", s->counts.connections)),
		  "accepting pauses: %s", why);
	s->accept_paused = true;
	s->accept_retry = retry;
	s->counts.accept_waits_total++;
	LIST_FOREACH (l, &s->listeners, link)
		(void)uv_poll_stop(&l->poll);
	sp_expiry_arm(s, retry);
	return ACCEPT_WAIT;
}

static enum accept_result wait_for_resources(struct sp_server *s, const char *why)
{
	return wait_until(s, usec_add(sp_server_now(s), ACCEPT_RETRY_US), why);
}

static enum accept_result accept_failed(struct sp_server *s, int error)
{
	switch (error) {
	case EAGAIN:
		return ACCEPT_EMPTY;
	case EINTR:
	case ECONNABORTED:
		return ACCEPT_DONE;
	default:
		return wait_for_resources(s, strerror(error));
	}
}

static void welcome(struct sp_server *s, int fd)
{
	struct ucred cred = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	socklen_t len = sizeof(cred);
	unsigned n;

	s->counts.accepted_total++;
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	n = sp_uids_add(&s->uids, cred.uid);
	if (s->settings.max_connections_per_uid && n > s->settings.max_connections_per_uid) {
		sp_uids_remove(&s->uids, cred.uid);
		s->counts.refused_total++;
		log_debug(LOG_TOPIC_SP,
			  LOG_FIELDS(log_uint("UID", cred.uid), log_int("PID", cred.pid)),
			  "refused: the user has too many connections");
		(void)close(fd);
		return;
	}
	sp_conn_start(s, fd,
		      &(struct sp_peer){ .uid = cred.uid, .gid = cred.gid, .pid = cred.pid });
}

static enum accept_result accept_one(struct sp_server *s, struct sp_listener *l)
{
	int fd;

	if (s->settings.max_connections && s->counts.connections >= s->settings.max_connections)
		return wait_until(s, USEC_NEVER, "max_connections is reached");
	if (!s->spare)
		s->spare = malloc(sizeof(*s->spare));
	if (!s->spare || sp_uids_reserve(&s->uids) < 0)
		return wait_for_resources(s, "no memory");
	fd = accept4(l->bound.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return accept_failed(s, errno);
	welcome(s, fd);
	return ACCEPT_DONE;
}

static void accept_some(struct sp_server *s, struct sp_listener *l, int most)
{
	while (most-- > 0 && accept_one(s, l) == ACCEPT_DONE)
		;
}

static void on_incoming(uv_poll_t *poll, int status, int events)
{
	struct sp_listener *l = container_of(poll, struct sp_listener, poll);

	(void)status;
	(void)events;
	accept_some(l->server, l, ACCEPTS_AT_ONCE);
}

void sp_accept_resume(struct sp_server *s)
{
	struct sp_listener *l;

	if (!s->accept_paused || s->closing)
		return;
	s->accept_paused = false;
	s->accept_retry = USEC_NEVER;
	LIST_FOREACH (l, &s->listeners, link)
		(void)uv_poll_start(&l->poll, UV_READABLE, on_incoming);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct sp_listener *l = container_of(handle, struct sp_listener, poll);
	struct sp_server *s = l->server;

	free(l);
	sp_server_handle_closed(s);
}

void sp_accept_close(struct sp_server *s, struct sp_listener *l)
{
	bool ours = l->bound.path != NULL;

	sp_bound_unlink(&l->bound);
	/*
	 * Closing would reset who has connected already; with an inherited socket they wait for our
	 * successor.
	 */
	if (ours && !s->closing && !s->accept_paused)
		accept_some(s, l, ACCEPTS_AT_LAST);
	LIST_REMOVE(l, link);
	uv_close((uv_handle_t *)&l->poll, on_listener_closed);
	sp_bound_deinit(&l->bound);
}

/* Takes `b` over on success. */
static int start_listener(struct sp_server *s, const struct sp_bound *b)
{
	struct sp_listener *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_raise(-ENOMEM);
	*l = (struct sp_listener){ .server = s, .bound = *b };
	r = uv_poll_init(s->loop, &l->poll, l->bound.fd);
	if (r < 0) {
		free(l);
		return err_raise(r);
	}
	s->handles++;
	LIST_INSERT_HEAD(&s->listeners, l, link);
	r = s->accept_paused ? 0 : uv_poll_start(&l->poll, UV_READABLE, on_incoming);
	if (r < 0) {
		l->bound = SP_BOUND_NULL;
		sp_accept_close(s, l);
		return err_raise(r);
	}
	return 0;
}

int sp_server_listen(struct sp_server *s, const struct sp_address *address)
{
	struct sp_bound b;
	int r = sp_bound_init(&b, address);

	if (r)
		return r;
	r = start_listener(s, &b);
	if (r < 0)
		sp_bound_deinit(&b);
	return r;
}

int sp_server_adopt(struct sp_server *s, int fd)
{
	struct sp_bound b;
	int r = sp_bound_init_inherited(&b, fd);

	return r ? r : start_listener(s, &b);
}

void sp_server_stop_listening(struct sp_server *s)
{
	struct sp_listener *l, *next;

	for (l = LIST_FIRST(&s->listeners); l; l = next) {
		next = LIST_NEXT(l, link);
		sp_accept_close(s, l);
	}
}
