/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether libnng's listener still accepts. Up to some version after 1.5.2 (Debian 12) it does so no
 * more, for ever and without a word, once a peer has closed its connection before libnng had sent
 * the greeting: the failed write (EPIPE) looks to it as if its own socket had been closed. Whoever
 * connects then is greeted, and hears nothing. leavers.h keeps that one from it; this is for what
 * nobody knows of, since a listener that is replaced costs who waits in it, and descriptors.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	STUCK_CHECKS = 4,
};

struct stuck {
	uint64_t accepted; /* libnng's counters, as last seen */
	uint64_t failed;   /* and with it that our own probe leaves */
	bool suspected;    /* something failed, and nothing has been accepted since */
	unsigned n_waited; /* checks in which the probe was not accepted */
	int probe;         /* while it is suspected: a subscriber of our own; -1: none */
};

void stuck_init(struct stuck *s);

/*
 * To be called now and then. A failure makes it suspect; it is stuck if by none of the next
 * STUCK_CHECKS calls it has accepted our own probe. libnng pauses for 100 ms after other failures,
 * and has to get its turn on a busy machine.
 */
bool stuck_check(struct stuck *s, int listener, const char *path);

void stuck_deinit(struct stuck *s);
