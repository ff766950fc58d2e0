/* SPDX-License-Identifier: MIT */
#pragma once
/* Leases, as they are shown outside of the protocol. */

#include <stdint.h>

struct rpc;

/* Strings are borrowed for the call. */
struct shown_lease {
	const char *pool, *application, *unit, *call_site, *state;
	uint32_t pid;
	uint64_t held_ms, state_ms;
};

/* Calls `fn` for each that is held. */
void shown_leases(const struct rpc *rpc,
		  void (*fn)(void *userdata, const struct shown_lease *lease), void *userdata);
