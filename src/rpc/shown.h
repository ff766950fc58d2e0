/* SPDX-License-Identifier: MIT */
#pragma once
/* Leases and submitted writes, as they are shown outside of the protocol. */

#include <stddef.h>
#include <stdint.h>

struct rpc;
struct submit_counts;

/* Strings are borrowed for the call. */
struct shown_lease {
	const char *pool, *application, *unit, *call_site, *state;
	uint32_t pid;
	uint64_t held_ms, state_ms;
};

/* Calls `fn` for each that is held. */
void shown_leases(const struct rpc *rpc,
		  void (*fn)(void *userdata, const struct shown_lease *lease), void *userdata);

/* Of the pool with that index; borrowed. */
const struct submit_counts *shown_submits(const struct rpc *rpc, size_t pool);
