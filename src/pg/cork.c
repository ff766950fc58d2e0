/* SPDX-License-Identifier: MIT */
/*
 * libpq has no way to say "not yet", but it calls send() by name, and the names of the program come
 * before those of libc. When a write would block, libpq also looks whether there is anything to
 * read, so recv() is answered in the same way; that spares the system call again. Every other
 * socket, and every other thread, gets what libc's own functions do.
 */
#include "pg/cork.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

static _Thread_local int corked = -1;

void pg_cork(int fd)
{
	corked = fd;
}

void pg_uncork(void)
{
	corked = -1;
}

/* Ahead of libc's for libpq too, so it must not be hidden. */
__attribute__((visibility("default"))) ssize_t send(int fd, const void *data, size_t n, int flags)
{
	if (fd != corked)
		return sendto(fd, data, n, flags, NULL, 0);
	errno = EAGAIN;
	return -1;
}

__attribute__((visibility("default"))) ssize_t recv(int fd, void *data, size_t n, int flags)
{
	if (fd != corked)
		return recvfrom(fd, data, n, flags, NULL, NULL);
	errno = EAGAIN;
	return -1;
}
