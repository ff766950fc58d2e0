/* SPDX-License-Identifier: MIT */
/*
 * Nobody can connect between bind() and listen(), so mode, owner and group are settled in between,
 * and by the umask, not by a chmod() of a path that another may have replaced. A socket file that
 * is left over is recognised by connecting to it. Two daemons that start at the same time are kept
 * apart by a lock on the folder: without it the second could take the first one's fresh socket, not
 * listening yet, for a left-over.
 */
#include "sp/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sp/server.h"
#include "util/error.h"

enum {
	BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
	LOCK_TRIES = 100,
	LOCK_TRY_NS = 10000000,
};

_Static_assert(SP_PATH_MAX == sizeof(((struct sockaddr_un *)0)->sun_path) - 1, "SP_PATH_MAX");

/* The positive code of an errno that a path gave, or the errno as a fatal one. */
static int path_error(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return SP_E_NO_DIRECTORY;
	case EACCES:
	case EPERM:
	case EROFS:
		return SP_E_DENIED;
	case EADDRINUSE:
		return SP_E_IN_USE;
	default:
		return err_raise(-error);
	}
}

/* Whoever holds the lock for a second is no daemon that starts: then it goes without. */
static int lock_directory(const char *path, int *ret_fd)
{
	char copy[SP_PATH_MAX + 1];
	struct timespec pause = { .tv_nsec = LOCK_TRY_NS };
	int fd;

	memcpy(copy, path, strlen(path) + 1);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return path_error(errno);
	for (int i = 0; i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
		(void)nanosleep(&pause, NULL);
	*ret_fd = fd;
	return 0;
}

/* Whether somebody answers on the path: 0 if not. */
static int check_unused(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r, error;

	if (fd < 0)
		return err_raise(-errno);
	r = connect(fd, (const struct sockaddr *)sa, sizeof(*sa));
	error = r < 0 ? errno : 0;
	(void)close(fd);
	if (error == 0 || error == EAGAIN || error == EPROTOTYPE)
		return SP_E_IN_USE;
	return error == ECONNREFUSED || error == ENOENT ? 0 : path_error(error);
}

static int remove_stale(const struct sockaddr_un *sa)
{
	struct stat st;
	int r;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : path_error(errno);
	if (!S_ISSOCK(st.st_mode))
		return SP_E_NOT_SOCKET;
	r = check_unused(sa);
	if (r)
		return r;
	if (unlink(sa->sun_path) < 0 && errno != ENOENT)
		return path_error(errno);
	return 0;
}

static int bind_as(struct sp_bound *b, const struct sockaddr_un *sa,
		   const struct sp_address *address)
{
	mode_t old = umask(0777 & ~address->mode);
	int r = bind(b->fd, (const struct sockaddr *)sa, sizeof(*sa));
	int error = r < 0 ? errno : 0;
	struct stat st;

	(void)umask(old);
	if (error)
		return path_error(error);
	b->path = strdup(sa->sun_path);
	if (lstat(sa->sun_path, &st) < 0 || !b->path) {
		error = b->path ? errno : ENOMEM;
		(void)unlink(sa->sun_path);
		return path_error(error);
	}
	b->dev = st.st_dev;
	b->ino = st.st_ino;
	if (lchown(sa->sun_path, address->owner, address->group) < 0)
		return path_error(errno);
	return 0;
}

static int init_locked(struct sp_bound *b, const struct sockaddr_un *sa,
		       const struct sp_address *address)
{
	int r = remove_stale(sa);

	if (r)
		return r;
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (b->fd < 0)
		return err_raise(-errno);
	r = bind_as(b, sa, address);
	if (r)
		return r;
	return listen(b->fd, BACKLOG) < 0 ? err_raise(-errno) : 0;
}

int sp_bound_init(struct sp_bound *ret_bound, const struct sp_address *address)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct sp_bound b = SP_BOUND_NULL;
	size_t len = strlen(address->path);
	int lock_fd = -1;
	int r;

	if (len == 0 || len > SP_PATH_MAX)
		return SP_E_PATH_LENGTH;
	memcpy(sa.sun_path, address->path, len + 1);
	r = lock_directory(sa.sun_path, &lock_fd);
	if (r)
		return r;
	r = init_locked(&b, &sa, address);
	(void)close(lock_fd);
	if (r)
		sp_bound_deinit(&b);
	else
		*ret_bound = b;
	return r;
}

static bool has_option(int fd, int option, int value)
{
	int got;
	socklen_t len = sizeof(got);

	return getsockopt(fd, SOL_SOCKET, option, &got, &len) == 0 && got == value;
}

static int set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_raise(-errno);
	return 0;
}

int sp_bound_init_inherited(struct sp_bound *ret_bound, int fd)
{
	int r;

	if (!has_option(fd, SO_DOMAIN, AF_UNIX) || !has_option(fd, SO_TYPE, SOCK_STREAM) ||
	    !has_option(fd, SO_ACCEPTCONN, 1))
		return SP_E_NOT_LISTENER;
	r = set_flags(fd);
	if (r < 0)
		return err_forward(r);
	*ret_bound = (struct sp_bound){ .fd = fd };
	return 0;
}

void sp_bound_unlink(struct sp_bound *b)
{
	struct stat st;

	if (b->path && lstat(b->path, &st) == 0 && st.st_dev == b->dev && st.st_ino == b->ino)
		(void)unlink(b->path);
	free(b->path);
	b->path = NULL;
}

void sp_bound_deinit(struct sp_bound *b)
{
	sp_bound_unlink(b);
	if (b->fd >= 0)
		(void)close(b->fd);
	b->fd = -1;
}
