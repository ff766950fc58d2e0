/* SPDX-License-Identifier: MIT */
#pragma once
/* A handle: its settings, its connection, and the requests and replies that go over it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"
#include "leaving.h"
#include "reply.h"
#include "request.h"
#include "settings.h"
#include "sidepool.h"
#include "statements.h"
#include "watch.h"

struct sidepool {
	uint32_t generation;      /* of the process that opened it, see fork.h */
	bool inside;              /* callbacks are running */
	bool closing;             /* closed by one of them */
	int refused;              /* why the last request function returned 0 */
	const char *here;         /* borrowed: call site of the next request, or NULL */
	uint64_t (*now_us)(void); /* the monotonic clock; tests have their own */
	struct settings settings;
	struct connection *connection; /* owned: the one that takes new requests */
	struct leaving leaving;
	struct watch watch;
	struct requests requests;
	struct replies replies;
	struct statements statements;
};

/* SIDEPOOL_E_OK, SIDEPOOL_E_FORKED or SIDEPOOL_E_CLOSED. */
int handle_usable(const struct sidepool *sp);

/* Runs the callbacks of what is complete. */
void handle_deliver(struct sidepool *sp);
