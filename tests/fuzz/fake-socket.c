/* SPDX-License-Identifier: MIT */
/*
 * Both functions stand in for those of a shared library: a symbol of the program comes first, also
 * for libpq.
 */
#include "fake-socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#define exported __attribute__((visibility("default")))

static int server = -1;

enum {
	LOOKUPS_MOST = 64,
};

static struct {
	uv_getaddrinfo_t *lookup;
	uv_getaddrinfo_cb fn;
} lookups[LOOKUPS_MOST];
static size_t n_lookups;

exported int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t n)
{
	int pair[2];

	(void)address;
	(void)n;
	if (server >= 0)
		(void)close(server);
	server = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	(void)dup3(pair[0], fd, O_CLOEXEC);
	(void)close(pair[0]);
	server = pair[1];
	return 0;
}

int fake_socket_take(void)
{
	int fd = server;

	server = -1;
	return fd;
}

exported int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *lookup, uv_getaddrinfo_cb fn,
			    const char *node, const char *service, const struct addrinfo *hints)
{
	(void)loop;
	(void)node;
	(void)service;
	(void)hints;
	if (n_lookups == LOOKUPS_MOST)
		return UV_ENOMEM;
	lookups[n_lookups].lookup = lookup;
	lookups[n_lookups++].fn = fn;
	return 0;
}

bool fake_lookups_end(void)
{
	size_t n = n_lookups;

	n_lookups = 0;
	for (size_t i = 0; i < n; i++)
		lookups[i].fn(lookups[i].lookup, 0, NULL);
	return n > 0;
}
