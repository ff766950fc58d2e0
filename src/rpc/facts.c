/* SPDX-License-Identifier: MIT */
/*
 * The uid, the gid and the groups come with the socket and are certain. The pid is that of the process that
 * connected; it may have ended, and its number may have been given to another since, so what is
 * read from /proc is as of the time of the connect, and is read right then. A cgroup path
 * (cgroups(7)) names the systemd unit or the container: the last component that is either.
 *
 * To read it takes a quarter of all that a short connection costs the daemon, so it is believed for a
 * moment: too short for the kernel to give all other numbers out and this one again. A process that
 * became another program in between (execve(2)) could have kept its connection as well.
 */
#include "rpc/facts.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/macro.h"

enum {
	PROC_FILE_BYTES = 4096,
	CONTAINER_ID_DIGITS = 64,
	CONTAINER_ID_SHOWN = 12, /* as many as the containers' own tools show */
	KNOWN_US = 100000,
};

/* The file as a string; empty where it cannot be read. */
static void read_proc(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
}

static int ends_with(const char *s, size_t n, const char *suffix)
{
	size_t len = strlen(suffix);

	return n > len && !memcmp(s + n - len, suffix, len);
}

/* Docker, containerd and podman name a container by 64 hexadecimal digits, perhaps amid a scope. */
static const char *find_container(const char *s, size_t n)
{
	size_t digits;

	for (const char *end = s + n; s < end; s += digits + 1) {
		digits = strspn(s, "0123456789abcdef");
		if (digits >= CONTAINER_ID_DIGITS && s + digits <= end)
			return s;
	}
	return NULL;
}

/* A login's number is another each time; its user slice stands before it. */
static int is_session(const char *s)
{
	return !strncmp(s, "session-", strlen("session-"));
}

static void take_component(char *unit, size_t size, const char *s, size_t n)
{
	const char *id = find_container(s, n);

	if (id)
		(void)snprintf(unit, size, "%.*s", CONTAINER_ID_SHOWN, id);
	else if (ends_with(s, n, ".service") || (ends_with(s, n, ".scope") && !is_session(s)) ||
		 (ends_with(s, n, ".slice") && !strncmp(s, "user-", strlen("user-"))))
		(void)snprintf(unit, size, "%.*s", (int)n, s);
}

static void find_unit(char *unit, size_t size, const char *path)
{
	size_t n;

	for (; *path && *path != '\n'; path += n) {
		path += *path == '/';
		n = strcspn(path, "/\n");
		take_component(unit, size, path, n);
	}
}

void facts_unit(const char *cgroup, char *unit, size_t size)
{
	/*
	 * Version 2 has one line, "0::/path"; in a hybrid hierarchy systemd's own may be
	 * "1:name=systemd:/path".
	 */
	static const char *const lines[] = { "0::", ":name=systemd:" };
	const char *line;

	unit[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(lines) && !unit[0]; i++) {
		line = strstr(cgroup, lines[i]);
		if (line)
			find_unit(unit, size, line + strlen(lines[i]));
	}
}

static void read_unit(struct facts *f)
{
	char text[PROC_FILE_BYTES];

	read_proc(f->pid, "cgroup", text, sizeof(text));
	facts_unit(text, f->unit, sizeof(f->unit));
}

static void read_executable(struct facts *f)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)f->pid);
	n = readlink(path, f->executable, sizeof(f->executable) - 1);
	f->executable[n > 0 ? n : 0] = '\0';
}

static bool is_of(const struct facts *f, uid_t uid, gid_t gid, pid_t pid)
{
	return f->pid == pid && f->uid == uid && f->gid == gid;
}

void facts_read(struct facts *f, struct facts_known *known, usec now, uid_t uid, gid_t gid,
		pid_t pid)
{
	size_t at = (size_t)pid % FACTS_KNOWN;

	if (is_of(&known->facts[at], uid, gid, pid) && now < known->until[at]) {
		*f = known->facts[at];
		return;
	}
	*f = (struct facts){ .uid = uid, .gid = gid, .pid = pid };
	if (pid <= 0)
		return;
	read_unit(f);
	read_executable(f);
	known->facts[at] = *f;
	known->until[at] = usec_add(now, KNOWN_US);
}

void facts_name(const struct facts *f, char *name, size_t size)
{
	const char *base = strrchr(f->executable, '/'), *dot = strrchr(f->unit, '.');

	if (dot && !strcmp(dot, ".service"))
		(void)snprintf(name, size, "%.*s", (int)(dot - f->unit), f->unit);
	else if (base && base[1])
		(void)snprintf(name, size, "%s", base + 1);
	else
		(void)snprintf(name, size, "pid %d", (int)f->pid);
}
