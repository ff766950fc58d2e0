/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Between a question and its answer the daemon waits twice, some 20 to 60 us each: for PostgreSQL,
 * and for the client's next question. To sleep and be woken takes longer than that on a machine
 * that has nothing else to do, and at one client it is half of the time. So while answers keep coming
 * soon, the loop looks again instead of sleeping, for busy_poll at the most, and gives the processor
 * to whoever wants it each time it has looked.
 */

#include <stdint.h>

#include <uv.h>

#include "util/macro.h"
#include "util/pace.h"

struct sp_server;

struct busy_poll {
	uv_check_t check; /* after each turn of the loop */
	uv_idle_t idle;   /* while it runs, the loop does not sleep */
	const struct sp_server *server;
	usec most;  /* 0: never */
	usec since; /* when something happened last */
	uint64_t messages, requests;
	/* for what: with nothing in flight only clients can make something happen */
	struct pace for_clients, for_answers;
};

/* `server` is borrowed until busy_poll_deinit(). */
void busy_poll_init(struct busy_poll *b, uv_loop_t *loop, const struct sp_server *server,
		    usec most);
void busy_poll_set(struct busy_poll *b, usec most);
void busy_poll_deinit(struct busy_poll *b);
