/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether libnng's listener still accepts. Up to some version after 1.5.2 (Debian 12) it does so no
 * more, for ever and without a word, once a peer has closed its connection before libnng had sent
 * the greeting: the failed write (EPIPE) looks to it as if its own socket had been closed. Whoever
 * connects then is greeted, and hears nothing.
 */

#include <stdbool.h>
#include <stdint.h>

struct stuck {
	uint64_t accepted; /* libnng's counters, as last seen */
	uint64_t failed;
	bool suspected; /* something failed, and nothing has been accepted since */
	int probe;      /* while it is suspected: a subscriber of our own; -1: none */
};

void stuck_init(struct stuck *s);

/*
 * To be called now and then. A failure makes it suspect; it is stuck if it has not accepted our own
 * probe by the next call. libnng pauses for 100 ms after other failures: call it less often.
 */
bool stuck_check(struct stuck *s, int listener, const char *path);

void stuck_deinit(struct stuck *s);
