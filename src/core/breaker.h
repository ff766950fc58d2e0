/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A circuit breaker: after so many connection failures in a row it keeps connects from being tried,
 * lets one through from time to time, and closes when one works. Pure: what happened and the time
 * go in, the state comes out.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "util/macro.h"

struct pool_settings;
struct rng;

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,
	BREAKER_HALF_OPEN, /* one probe is under way */
};

enum {
	BREAKER_STATES_N = BREAKER_HALF_OPEN + 1,
};

struct breaker {
	enum breaker_state state;
	uint32_t failures;     /* in a row */
	uint8_t cause;         /* enum slot_failure: the last one */
	bool tripped;          /* by hand: no probes, until it is reset */
	usec since;            /* when it left the closed state, or came back to it */
	usec retry_at;         /* open: when the next probe is due */
	usec pause_us;         /* what the last pause grew to */
	uint64_t opened_total; /* closed -> open */
	uint64_t entered_total[BREAKER_STATES_N]; /* from another state */
};

/*
 * A connect or an established connection failed of `failure`, which is not
 * SLOT_FAILURE_SERVER_FULL: that server is alive.
 */
void breaker_failed(struct breaker *b, const struct pool_settings *s, enum slot_failure failure,
		    struct rng *rng, usec now);

/* The server was reached. */
void breaker_succeeded(struct breaker *b, usec now);

/* Whether a connect may begin now. */
bool breaker_allows(const struct breaker *b, usec now);

/* One begins: an open breaker becomes half-open. */
void breaker_connecting(struct breaker *b);

/* The probe ended without a word about the server (it was called off). */
void breaker_abandoned(struct breaker *b);

/* How long to wait before a request is worth while; 0 when it is closed. */
usec breaker_retry_after(const struct breaker *b, const struct pool_settings *s, usec now);

/* By hand: open until reset; closed, with everything forgotten. */
void breaker_trip(struct breaker *b, usec now);
void breaker_reset(struct breaker *b, usec now);

const char *breaker_state_to_string(enum breaker_state state);
