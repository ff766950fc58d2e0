/* SPDX-License-Identifier: MIT */
/*
 * Who is not accepted waits in the kernel's queue and is served when another leaves. A connection to
 * PostgreSQL that finds no descriptor, however, fails with all that wait for it, and those whose
 * requests fail do not leave: once clients have its descriptor the pool would not come back. So as
 * many are kept as the budget has, and some for what else the daemon does: its loop, cancel
 * requests, HTTP, subscribers, files that are read at a reload.
 */
#include "descriptors.h"

#include <sys/resource.h>

#include "config/config.h"
#include "util/log.h"
#include "util/macro.h"

enum {
	KEPT_FOR_OTHERS = 80,
};

/* Where there are so few that both cannot have what they want, clients get half. */
static rlim_t room(rlim_t limit, uint32_t budget)
{
	rlim_t kept = (rlim_t)budget + KEPT_FOR_OTHERS;

	return limit > 2 * kept ? limit - kept : limit / 2;
}

unsigned descriptors_for_clients(const struct config *c)
{
	struct rlimit limit;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return c->max_clients;
	n = MAX(room(limit.rlim_cur, c->budget), 1U);
	if (n >= c->max_clients)
		return c->max_clients;
	log_warning(LOG_FIELDS(log_uint("LIMIT", limit.rlim_cur), log_uint("CLIENTS", n)),
		    "max_clients is %u, but %lu descriptors are enough for %lu clients: others wait"
		    " until one leaves; raise the limit (LimitNOFILE=, ulimit -Hn)",
		    c->max_clients, (unsigned long)limit.rlim_cur, (unsigned long)n);
	return (unsigned)n;
}
