/* SPDX-License-Identifier: MIT */
#include "beside.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "config/config.h"

/* The path that clients connect to. */
static const char *socket_path(const struct config *c, int inherited, struct sockaddr_un *sa)
{
	socklen_t n = sizeof(*sa) - 1;

	memset(sa, 0, sizeof(*sa));
	if (inherited >= 0 && getsockname(inherited, (struct sockaddr *)sa, &n) == 0 &&
	    sa->sun_path[0] == '/')
		return sa->sun_path;
	return c->socket;
}

void beside_path(char *path, size_t size, const struct config *c, int inherited, const char *extra)
{
	struct sockaddr_un sa;
	const char *socket = socket_path(c, inherited, &sa);
	const char *slash = strrchr(socket, '/');
	const char *name = slash ? slash + 1 : socket;
	size_t n = strlen(name), folder = (size_t)(name - socket);

	if (n > 5 && !strcmp(name + n - 5, ".sock"))
		n -= 5;
	if (n == 3 && !strncmp(name, "rpc", n))
		(void)snprintf(path, size, "%.*s%s.sock", (int)folder, socket, extra);
	else
		(void)snprintf(path, size, "%.*s-%s.sock", (int)(folder + n), socket, extra);
}
