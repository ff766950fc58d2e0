/* SPDX-License-Identifier: MIT */
/*
 * Of a symbol that the program has and a library needs, the dynamic linker takes the program's: so
 * libnng's sendmsg() is this one, and so is everybody's else in the process. Others' errors are left
 * as they are, and where nothing fails it costs nothing to speak of.
 */
#include "events/leavers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Written before libnng listens, and so before its threads look at it. */
static char guarded[sizeof(((struct sockaddr_un *)0)->sun_path)];

void leavers_at(const char *path)
{
	(void)snprintf(guarded, sizeof(guarded), "%s", path);
}

static bool is_guarded(int fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNSPEC };
	socklen_t n = sizeof(sa);

	return *guarded && getsockname(fd, (struct sockaddr *)&sa, &n) == 0 &&
	       sa.sun_family == AF_UNIX && !strncmp(sa.sun_path, guarded, sizeof(guarded));
}

__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *message,
						       int flags)
{
	ssize_t n = syscall(SYS_sendmsg, fd, message, flags);

	if (n < 0 && errno == EPIPE)
		errno = is_guarded(fd) ? ECONNRESET : EPIPE;
	return n;
}
