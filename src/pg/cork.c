/* SPDX-License-Identifier: MIT */
/*
 * libpq has no way to say "not yet", but it calls send() by name, and the names of the program come
 * before those of libc. When a write would block, libpq also looks whether there is anything to
 * read, so recv() is answered in the same way; that spares the system call again. Every other
 * socket, and every other thread, gets what libc's own functions do.
 *
 * How much of a large write a socket has taken is remembered by its number and its inode: libpq may
 * close it, and the next one may get the same number.
 */
#include "pg/cork.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
	LARGE_BYTES = 256 * 1024,
	PARTS_MOST = 16,
};

struct part {
	int fd;
	ino_t inode;
	size_t taken;
};

static _Thread_local int corked = -1;
static _Thread_local int whole = -1;
static _Thread_local struct part parts[PARTS_MOST];
static _Thread_local size_t n_parts;
static _Thread_local bool filled;

void pg_cork(int fd)
{
	corked = fd;
}

void pg_uncork(void)
{
	corked = -1;
}

void pg_send_whole(int fd)
{
	whole = fd;
}

bool pg_recv_filled(void)
{
	return filled;
}

static bool is_of(const struct part *p, int fd)
{
	struct stat s;

	return p->fd == fd && fstat(fd, &s) == 0 && s.st_ino == p->inode;
}

static void forget(struct part *p)
{
	*p = parts[--n_parts];
}

static struct part *find(int fd)
{
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].fd != fd)
			continue;
		if (is_of(&parts[i], fd))
			return &parts[i];
		forget(&parts[i--]);
	}
	return NULL;
}

/* NULL where there are too many: then libpq is told the truth. */
static struct part *add(int fd)
{
	struct stat s;

	for (size_t i = 0; n_parts == PARTS_MOST && i < n_parts; i++)
		if (!is_of(&parts[i], parts[i].fd))
			forget(&parts[i]);
	if (n_parts == PARTS_MOST || fstat(fd, &s) < 0)
		return NULL;
	parts[n_parts] = (struct part){ .fd = fd, .inode = s.st_ino };
	return &parts[n_parts++];
}

/* It has begun with `p`, which took all that it was given but the rest. */
static ssize_t send_rest(struct part *p, int fd, const void *data, size_t n, int flags)
{
	ssize_t r;

	if (p->taken < n) {
		r = sendto(fd, (const char *)data + p->taken, n - p->taken, flags, NULL, 0);
		if (r < 0) {
			if (errno != EAGAIN && errno != EINTR)
				forget(p);
			return r;
		}
		p->taken += (size_t)r;
	}
	if (p->taken < n) {
		errno = EAGAIN;
		return -1;
	}
	p->taken -= n;
	if (p->taken == 0)
		forget(p);
	return (ssize_t)n;
}

static ssize_t send_large(int fd, const void *data, size_t n, int flags)
{
	ssize_t r = sendto(fd, data, n, flags, NULL, 0);
	struct part *p = r > 0 && (size_t)r < n ? add(fd) : NULL;

	if (!p)
		return r;
	p->taken = (size_t)r;
	errno = EAGAIN;
	return -1;
}

/* Ahead of libc's for libpq too, so it must not be hidden. */
__attribute__((visibility("default"))) ssize_t send(int fd, const void *data, size_t n, int flags)
{
	struct part *p;

	if (fd == corked) {
		errno = EAGAIN;
		return -1;
	}
	p = n_parts > 0 ? find(fd) : NULL;
	if (p)
		return send_rest(p, fd, data, n, flags);
	if (fd == whole && n >= LARGE_BYTES)
		return send_large(fd, data, n, flags);
	return sendto(fd, data, n, flags, NULL, 0);
}

__attribute__((visibility("default"))) ssize_t recv(int fd, void *data, size_t n, int flags)
{
	ssize_t r = -1;

	if (fd == corked)
		errno = EAGAIN;
	else
		r = recvfrom(fd, data, n, flags, NULL, NULL);
	filled = r > 0 && (size_t)r == n;
	return r;
}
