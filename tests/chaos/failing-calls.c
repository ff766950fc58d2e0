/* SPDX-License-Identifier: MIT */
/*
 * The calls that may fail, put in front of the C library's by LD_PRELOAD. Under AddressSanitizer what
 * follows in the order of libraries is its own, so that all is checked as ever; it has a strdup of its
 * own as well, which does not come by our malloc.
 *
 * Writing fails on sockets and on what is written for people to read. A pipe or an eventfd between the
 * threads of a process cannot fail. A socket that has failed is over, as its other end is told: libpq for
 * one keeps the error of a write to itself, and waits to read why.
 */
#undef _FILE_OFFSET_BITS /* or open() would be another name of open64() */
#include "failing.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The next one of this name. Looked up at each first call, which may come before any constructor. */
#define NEXT(name)                                                                                 \
	static __typeof__(&name) next;                                                             \
	if (!next)                                                                                 \
	*(void **)&next = dlsym(RTLD_NEXT, #name)

#define EXPORT __attribute__((visibility("default")))

#define FAIL(kind, error, result)                                                                  \
	do {                                                                                       \
		if (failing(kind)) {                                                               \
			errno = (error);                                                           \
			return result;                                                             \
		}                                                                                  \
	} while (0)

#define WRAP(type, name, parameters, arguments, kind, error, result)                               \
	EXPORT type name parameters                                                                \
	{                                                                                          \
		NEXT(name);                                                                        \
		FAIL(kind, error, result);                                                         \
		return next arguments;                                                             \
	}

#define WRAP_ALLOCATION(name, parameters, arguments)                                               \
	WRAP(void *, name, parameters, arguments, FAILING_ALLOCATION, ENOMEM, NULL)
#define WRAP_DESCRIPTOR(name, parameters, arguments)                                               \
	WRAP(int, name, parameters, arguments, FAILING_DESCRIPTOR, EMFILE, -1)

static bool is_socket(int fd)
{
	struct stat s;

	return fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode);
}

static bool breaks(enum failing_kind kind, int fd)
{
	bool socket = is_socket(fd);

	if (!(socket || (kind == FAILING_WRITE && fd <= 2)) || !failing(kind))
		return false;
	if (socket)
		(void)shutdown(fd, SHUT_RDWR);
	errno = kind == FAILING_WRITE ? EPIPE : ECONNRESET;
	return true;
}

#define WRAP_SOCKET(name, parameters, arguments, kind)                                             \
	EXPORT ssize_t name parameters                                                             \
	{                                                                                          \
		NEXT(name);                                                                        \
		return breaks(kind, fd) ? -1 : next arguments;                                     \
	}
#define WRAP_WRITE(name, parameters, arguments)                                                    \
	WRAP_SOCKET(name, parameters, arguments, FAILING_WRITE)
#define WRAP_READ(name, parameters, arguments)                                                     \
	WRAP_SOCKET(name, parameters, arguments, FAILING_READ)

WRAP_ALLOCATION(malloc, (size_t n), (n))
WRAP_ALLOCATION(calloc, (size_t n, size_t each), (n, each))
WRAP_ALLOCATION(realloc, (void *old, size_t n), (old, n))
WRAP_ALLOCATION(reallocarray, (void *old, size_t n, size_t each), (old, n, each))
WRAP(char *, strdup, (const char *s), (s), FAILING_ALLOCATION, ENOMEM, NULL)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), FAILING_ALLOCATION, ENOMEM, NULL)

WRAP_DESCRIPTOR(socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP_DESCRIPTOR(socketpair, (int domain, int type, int protocol, int fds[2]),
		(domain, type, protocol, fds))
WRAP_DESCRIPTOR(accept, (int fd, __SOCKADDR_ARG from, socklen_t *len), (fd, from, len))
WRAP_DESCRIPTOR(accept4, (int fd, __SOCKADDR_ARG from, socklen_t *len, int flags),
		(fd, from, len, flags))
WRAP_DESCRIPTOR(pipe, (int fds[2]), (fds))
WRAP_DESCRIPTOR(pipe2, (int fds[2], int flags), (fds, flags))
WRAP_DESCRIPTOR(dup, (int fd), (fd))
WRAP_DESCRIPTOR(dup2, (int fd, int to), (fd, to))
WRAP_DESCRIPTOR(dup3, (int fd, int to, int flags), (fd, to, flags))
WRAP_DESCRIPTOR(eventfd, (unsigned int value, int flags), (value, flags))
WRAP_DESCRIPTOR(epoll_create, (int size), (size))
WRAP_DESCRIPTOR(epoll_create1, (int flags), (flags))
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), FAILING_DESCRIPTOR, EMFILE,
     NULL)
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), FAILING_DESCRIPTOR,
     EMFILE, NULL)

#define WRAP_OPEN(name, parameters, ...)                                                           \
	EXPORT int name parameters                                                                 \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
		va_list list;                                                                      \
		NEXT(name);                                                                        \
		if (flags & (O_CREAT | O_TMPFILE)) {                                               \
			va_start(list, flags);                                                     \
			mode = va_arg(list, mode_t);                                               \
			va_end(list);                                                              \
		}                                                                                  \
		FAIL(FAILING_DESCRIPTOR, EMFILE, -1);                                              \
		return next(__VA_ARGS__, flags, mode);                                             \
	}

WRAP_OPEN(open, (const char *path, int flags, ...), path)
WRAP_OPEN(open64, (const char *path, int flags, ...), path)
WRAP_OPEN(openat, (int at, const char *path, int flags, ...), at, path)
WRAP_OPEN(openat64, (int at, const char *path, int flags, ...), at, path)

WRAP(int, connect, (int fd, __CONST_SOCKADDR_ARG to, socklen_t len), (fd, to, len), FAILING_CONNECT,
     ECONNREFUSED, -1)

WRAP_WRITE(write, (int fd, const void *data, size_t n), (fd, data, n))
WRAP_WRITE(writev, (int fd, const struct iovec *parts, int n), (fd, parts, n))
WRAP_WRITE(send, (int fd, const void *data, size_t n, int flags), (fd, data, n, flags))
WRAP_WRITE(sendto,
	   (int fd, const void *data, size_t n, int flags, __CONST_SOCKADDR_ARG to, socklen_t len),
	   (fd, data, n, flags, to, len))
WRAP_WRITE(sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
/* What is kept in files: the journal of submitted writes. */
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at),
     FAILING_WRITE, ENOSPC, -1)
WRAP(ssize_t, pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at),
     FAILING_WRITE, ENOSPC, -1)
WRAP(int, fsync, (int fd), (fd), FAILING_WRITE, EIO, -1)
WRAP(int, fdatasync, (int fd), (fd), FAILING_WRITE, EIO, -1)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), FAILING_WRITE, EIO, -1)
WRAP(int, ftruncate64, (int fd, off64_t n), (fd, n), FAILING_WRITE, EIO, -1)
WRAP(int, rename, (const char *from, const char *to), (from, to), FAILING_WRITE, ENOSPC, -1)
WRAP(ssize_t, pread, (int fd, void *data, size_t n, off_t at), (fd, data, n, at), FAILING_READ, EIO,
     -1)
WRAP(ssize_t, pread64, (int fd, void *data, size_t n, off64_t at), (fd, data, n, at), FAILING_READ,
     EIO, -1)

WRAP_READ(read, (int fd, void *data, size_t n), (fd, data, n))
WRAP_READ(readv, (int fd, const struct iovec *parts, int n), (fd, parts, n))
WRAP_READ(recv, (int fd, void *data, size_t n, int flags), (fd, data, n, flags))
WRAP_READ(recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
