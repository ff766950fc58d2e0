/* SPDX-License-Identifier: MIT */
/*
 * The least that somebody in the middle can do: bench-relay SOCKET SERVER-SOCKET. Each client gets a
 * connection of its own, and what comes on one goes out on the other, one recv() and one send() for
 * it; nothing is read, shared or counted. What a pooler with one thread, which shares no
 * connections, could reach at most is what this does.
 *
 * It waits where a socket takes no more. That is enough for one-row questions and answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	DESCRIPTORS_MOST = 1024,
	EVENTS_AT_ONCE = 64,
	BUFFER_BYTES = 65536,
};

static int partner[DESCRIPTORS_MOST]; /* by descriptor */

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(a.sun_path, path, strlen(path));
	return a;
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		die(path);
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		die(path);
	return fd;
}

static void watch(int epoll_fd, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll_ctl");
}

static void take_client(int epoll_fd, int listener, const char *server)
{
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int fd;

	if (client < 0)
		die("accept4");
	fd = connect_to(server);
	if (client >= DESCRIPTORS_MOST || fd >= DESCRIPTORS_MOST) {
		errno = EMFILE;
		die("too many clients");
	}
	partner[client] = fd;
	partner[fd] = client;
	watch(epoll_fd, client);
	watch(epoll_fd, fd);
}

static int send_all(int fd, const char *data, ssize_t n)
{
	ssize_t sent;

	for (; n > 0; n -= sent, data += sent) {
		sent = send(fd, data, (size_t)n, MSG_NOSIGNAL);
		if (sent < 0)
			return -1;
	}
	return 0;
}

/* When one side goes the other is told, and closes when it has heard. */
static void pass_on(int fd)
{
	static char buffer[BUFFER_BYTES];
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

	if (n > 0 && (partner[fd] == 0 || send_all(partner[fd], buffer, n) == 0))
		return;
	if (partner[fd] > 0) {
		(void)shutdown(partner[fd], SHUT_RDWR);
		partner[partner[fd]] = 0;
	}
	partner[fd] = 0;
	close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), listener, n;

	if (argc != 3 || epoll_fd < 0) {
		(void)fprintf(stderr, "usage: bench-relay SOCKET SERVER-SOCKET\n");
		return EXIT_FAILURE;
	}
	listener = listen_at(argv[1]);
	watch(epoll_fd, listener);
	for (;;) {
		n = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, -1);
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == listener)
				take_client(epoll_fd, listener, argv[2]);
			else
				pass_on(events[i].data.fd);
	}
}
