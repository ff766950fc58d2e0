/* SPDX-License-Identifier: MIT */
/* sidepool ping: the time of one round trip on a connection that stands already. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "ctl/complain.h"
#include "ctl/ctl.h"
#include "ctl/duration.h"

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int finish(struct sidepool_reply *reply)
{
	int status = sidepool_error(reply) ? complain(sidepool_error(reply), NULL) : CTL_OK;

	sidepool_reply_free(reply);
	return status;
}

int ctl_ping(struct ctl *ctl)
{
	struct sidepool_call call = ctl_call(ctl);
	uint64_t begin;
	char took[16];
	int status;

	status = finish(sidepool_wait(ctl->sp, sidepool_connect(ctl->sp, &call)));
	if (status != CTL_OK)
		return status;
	begin = now_us();
	status = finish(sidepool_wait(ctl->sp, sidepool_ping(ctl->sp, &call)));
	if (status != CTL_OK)
		return status;
	duration_print(now_us() - begin, took);
	printf("sidepoold %s answers in %s\n", sidepool_daemon_version(ctl->sp), took);
	return CTL_OK;
}
