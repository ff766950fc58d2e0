/* SPDX-License-Identifier: MIT */
/*
 * libnng makes the socket file itself, so its mode is settled by the umask, and nobody may connect
 * before owner and group are right. What stands on the path is looked at before: libnng would
 * remove any file to which it cannot connect, a regular one too.
 *
 * The messages that are kept for slow subscribers are shared: each is in memory once, and goes
 * with the last of the `buffer` that came behind it. So all subscribers together cost what one
 * does, however many and slow they are.
 *
 * What is known to make libnng's listener stop accepting is kept from it (leavers.h). One that has
 * got stuck nevertheless (stuck.h) is closed, with the connections that it has accepted, and another
 * takes its place: libnng has no way to tell those who wait in it in vain from the others. They
 * connect anew, and the sequence numbers tell them what they missed.
 */
#include "events/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>

#include "events/leavers.h"
#include "events/stuck.h"
#include "util/error.h"
#include "util/macro.h"

struct publisher {
	nng_socket socket;
	bool open;
	nng_listener listener;
	struct stuck stuck;
	mode_t mode;
	uid_t owner;
	gid_t group;
	char url[PUBLISHER_PATH_MOST + sizeof("ipc://")];
};

_Static_assert(PUBLISHER_PATH_MOST == sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
	       "PUBLISHER_PATH_MOST");

const char *publisher_error_to_string(int error)
{
	switch (error) {
	case PUBLISHER_E_IN_USE:
		return "another process listens on it";
	case PUBLISHER_E_NOT_SOCKET:
		return "a file that is no socket has that name";
	case PUBLISHER_E_PATH_LENGTH:
		return "the path is empty or longer than 107 bytes";
	case PUBLISHER_E_DIRECTORY:
		return "its folder does not exist or may not be written to";
	default:
		return error < 0 ? strerror(-error) : "unknown error";
	}
}

static int path_error(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case EPERM:
	case EROFS:
		return PUBLISHER_E_DIRECTORY;
	case EADDRINUSE:
		return PUBLISHER_E_IN_USE;
	default:
		return err_raise(-error);
	}
}

/* libnng's codes are its own, but for those that carry an errno. */
static int nng_error(int error)
{
	switch (error) {
	case NNG_ENOMEM:
		return err_raise(-ENOMEM);
	case NNG_EADDRINUSE:
		return PUBLISHER_E_IN_USE;
	case NNG_ENOENT:
	case NNG_EPERM:
		return PUBLISHER_E_DIRECTORY;
	case NNG_EADDRINVAL:
		return PUBLISHER_E_PATH_LENGTH;
	case NNG_ENOFILES:
		return err_raise(-EMFILE);
	default:
		return err_raise((error & NNG_ESYSERR) ? -(error & ~NNG_ESYSERR) : -EIO);
	}
}

/* Whether somebody answers on the path: 0 if not. */
static int check_unused(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r, error;

	if (fd < 0)
		return err_raise(-errno);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	r = connect(fd, (const struct sockaddr *)&sa, sizeof(sa));
	error = r < 0 ? errno : 0;
	(void)close(fd);
	if (error == 0 || error == EAGAIN || error == EPROTOTYPE)
		return PUBLISHER_E_IN_USE;
	return error == ECONNREFUSED || error == ENOENT ? 0 : path_error(error);
}

static int remove_stale(const char *path)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : path_error(errno);
	if (!S_ISSOCK(st.st_mode))
		return PUBLISHER_E_NOT_SOCKET;
	r = check_unused(path);
	if (r != 0)
		return r;
	return unlink(path) < 0 && errno != ENOENT ? path_error(errno) : 0;
}

static const char *path_of(const struct publisher *p)
{
	return p->url + strlen("ipc://");
}

/* Until here its mode is 0. */
static int admit(const struct publisher *p)
{
	if (lchown(path_of(p), p->owner, p->group) < 0 ||
	    fchmodat(AT_FDCWD, path_of(p), p->mode, AT_SYMLINK_NOFOLLOW) < 0)
		return path_error(errno);
	return 0;
}

static int listen_anew(struct publisher *p)
{
	mode_t old;
	int r = remove_stale(path_of(p));

	if (r != 0)
		return r;
	old = umask(0777);
	r = nng_listen(p->socket, p->url, &p->listener, 0);
	(void)umask(old);
	return r != 0 ? nng_error(r) : admit(p);
}

static int start(struct publisher *p, const struct publisher_settings *s)
{
	int r = nng_pub0_open(&p->socket);

	if (r != 0)
		return nng_error(r);
	p->open = true;
	p->mode = s->mode;
	p->owner = s->owner;
	p->group = s->group;
	r = publisher_set_buffer(p, s->buffer);
	if (r < 0)
		return err_forward(r);
	return listen_anew(p);
}

int publisher_new(struct publisher **ret_publisher, const struct publisher_settings *s)
{
	size_t n = strlen(s->path);
	struct publisher *p;
	int r;

	if (n == 0 || n > PUBLISHER_PATH_MOST)
		return PUBLISHER_E_PATH_LENGTH;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_raise(-ENOMEM);
	(void)snprintf(p->url, sizeof(p->url), "ipc://%s", s->path);
	leavers_at(s->path);
	stuck_init(&p->stuck);
	r = start(p, s);
	if (r != 0) {
		publisher_free(p);
		return r;
	}
	*ret_publisher = p;
	return 0;
}

int publisher_tend(struct publisher *p, bool *ret_restarted)
{
	*ret_restarted = false;
	if (nng_listener_id(p->listener) > 0 &&
	    !stuck_check(&p->stuck, nng_listener_id(p->listener), path_of(p)))
		return 0;
	stuck_deinit(&p->stuck);
	stuck_init(&p->stuck);
	(void)nng_listener_close(p->listener);
	p->listener = (nng_listener)NNG_LISTENER_INITIALIZER;
	*ret_restarted = true;
	return listen_anew(p);
}

const char *publisher_url(const struct publisher *p)
{
	return p->url;
}

int publisher_set_buffer(struct publisher *p, int buffer)
{
	int r = nng_socket_set_int(p->socket, NNG_OPT_SENDBUF, buffer);

	return r != 0 ? nng_error(r) : 0;
}

/* A PUB socket takes every message at once, or has no memory for it. */
int publisher_send(struct publisher *p, const void *topic, size_t topic_bytes, const void *body,
		   size_t body_bytes)
{
	nng_msg *m;

	if (nng_msg_alloc(&m, topic_bytes + body_bytes) != 0)
		return err_raise(-ENOMEM);
	memcpy(nng_msg_body(m), topic, topic_bytes);
	if (body_bytes > 0)
		memcpy((char *)nng_msg_body(m) + topic_bytes, body, body_bytes);
	if (nng_sendmsg(p->socket, m, NNG_FLAG_NONBLOCK) != 0) {
		nng_msg_free(m);
		return err_raise(-ENOMEM);
	}
	return 0;
}

/* There is one in a process, so what the library keeps goes with it. */
struct publisher *publisher_free(struct publisher *p)
{
	if (!p)
		return NULL;
	stuck_deinit(&p->stuck);
	if (p->open)
		(void)nng_close(p->socket);
	nng_fini();
	free(p);
	return NULL;
}
