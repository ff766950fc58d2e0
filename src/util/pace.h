/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether the next thing to happen will happen soon, judged by how long the last ones took. Who
 * sleeps for a short while pays more for going to sleep and waking up than the while is long; who
 * polls through a long one burns a processor for nothing. (Linux's halt polling asks the same
 * question for guests of KVM.)
 */

#include <stdbool.h>

#include "util/macro.h"

enum {
	PACE_MOST = 8, /* so many long waits make up for any number of short ones */
};

/* All zero to begin with: nothing is known, nothing is polled for. */
struct pace {
	int score; /* -PACE_MOST to PACE_MOST; more than 0: soon */
};

/* A wait has ended after `waited`; `most` is what it may take to count as short. */
void pace_note(struct pace *p, usec waited, usec most);

static inline bool pace_is_quick(const struct pace *p)
{
	return p->score > 0;
}
