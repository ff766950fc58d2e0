/* SPDX-License-Identifier: MIT */
#include "events/stuck.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <nng/nng.h>

void stuck_init(struct stuck *s)
{
	*s = (struct stuck){ .probe = -1 };
}

void stuck_deinit(struct stuck *s)
{
	if (s->probe >= 0)
		(void)close(s->probe);
	s->probe = -1;
}

static nng_stat *child(nng_stat *of, const char *name)
{
	nng_stat *c = nng_stat_child(of);

	while (c && strcmp(nng_stat_name(c), name) != 0)
		c = nng_stat_next(c);
	return c;
}

static bool read_counters(int listener, uint64_t *ret_accepted, uint64_t *ret_failed)
{
	nng_stat *root, *l, *id, *accepted = NULL, *failed = NULL;
	bool found = false;

	if (nng_stats_get(&root) != 0)
		return false;
	for (l = nng_stat_child(root); l && !found; l = nng_stat_next(l)) {
		id = strcmp(nng_stat_name(l), "listener") == 0 ? child(l, "id") : NULL;
		if (!id || nng_stat_value(id) != (uint64_t)listener)
			continue;
		accepted = child(l, "accept");
		failed = child(l, "other");
		found = accepted && failed;
	}
	if (found) {
		*ret_accepted = nng_stat_value(accepted);
		*ret_failed = nng_stat_value(failed);
	}
	nng_stats_free(root);
	return found;
}

/* Whether it could be sent at all: if not, nobody else can connect at the moment either. */
static int send_probe(const char *path)
{
	static const char greeting[8] = { 0, 'S', 'P', 0, 0, 0x21, 0, 0 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	    send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL) == (ssize_t)sizeof(greeting))
		return fd;
	(void)close(fd);
	return -1;
}

bool stuck_check(struct stuck *s, int listener, const char *path)
{
	uint64_t accepted, failed;
	bool ends;

	if (!read_counters(listener, &accepted, &failed))
		return false;
	if (s->probe >= 0 && accepted == s->accepted)
		return ++s->n_waited >= STUCK_CHECKS;
	ends = s->probe >= 0;
	stuck_deinit(s);
	s->n_waited = 0;
	s->suspected = failed > s->failed || (s->suspected && accepted == s->accepted);
	s->accepted = accepted;
	/* libnng counts it as a failure when a subscriber leaves, and so when the probe does. */
	s->failed = failed + ends;
	if (s->suspected)
		s->probe = send_probe(path);
	return false;
}
