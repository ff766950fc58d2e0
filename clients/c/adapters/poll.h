/* SPDX-License-Identifier: MIT */
#pragma once
/* libsidepool in a loop of poll(): copy it, and put your own descriptors beside ours. */

#include <errno.h>
#include <poll.h>
#include <sidepool.h>

/* Sends what is queued, waits until something can be done, and does it. Returns as
 * sidepool_dispatch(). */
static inline int sidepool_poll_once(struct sidepool *sp)
{
	struct pollfd p;

	sidepool_flush(sp);
	p.fd = sidepool_fd(sp);
	p.events = sidepool_events(sp);
	p.revents = 0;
	if (poll(&p, 1, sidepool_timeout_ms(sp)) < 0 && errno != EINTR)
		p.revents = 0;
	return sidepool_dispatch(sp, p.revents);
}
