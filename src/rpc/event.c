/* SPDX-License-Identifier: MIT */
#include "rpc/event.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rpc/rpc-internal.h"

enum {
	KEEP_BYTES = 16384,
};

void topic_init(struct topic *t, const struct rpc *rpc, const char *kind, const char *pool,
		const char *name)
{
	int n = snprintf(t->name, sizeof(t->name), "%s/%s/%s", kind, pool, name);

	t->n = MIN((size_t)MAX(n, 0), sizeof(t->name) - 1) + 1;
	t->sequence = rpc->topic_floor;
}

void topic_deinit(struct topic *t, struct rpc *rpc)
{
	if (t->n > 0)
		rpc->topic_floor = MAX(rpc->topic_floor, t->sequence);
	t->n = 0;
}

static uint64_t wall_clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What cannot be sent for want of memory is missed by everybody, and its number tells them. */
static void send_event(const struct topic *t, struct rpc *rpc, const char *pool,
		       Sidepool__V1__Event *event)
{
	size_t n;
	uint8_t *at;

	if (!rpc->events_url)
		return;
	event->instance_id = rpc->instance_id;
	event->sequence = t->sequence;
	event->pool = (char *)pool;
	event->time_ms = wall_clock_ms();
	n = sidepool__v1__event__get_packed_size(event);
	buf_reset(&rpc->event, KEEP_BYTES);
	at = buf_reserve(&rpc->event, n);
	if (at)
		rpc->ops->publish(rpc->userdata, t->name, t->n, at,
				  sidepool__v1__event__pack(event, at));
}

void topic_publish(struct topic *t, struct rpc *rpc, const char *pool, Sidepool__V1__Event *event)
{
	t->sequence++;
	send_event(t, rpc, pool, event);
}

void topic_mark(struct topic *t, struct rpc *rpc, const char *pool)
{
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__Mark mark = SIDEPOOL__V1__MARK__INIT;

	event.kind_case = SIDEPOOL__V1__EVENT__KIND_MARK;
	event.mark = &mark;
	send_event(t, rpc, pool, &event);
}
