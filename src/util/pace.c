/* SPDX-License-Identifier: MIT */
#include "util/pace.h"

/* A wait that was polled in vain costs more than one that was slept through, so it counts double. */
enum {
	SHORT = 1,
	LONG = -2,
};

void pace_note(struct pace *p, usec waited, usec most)
{
	p->score += waited < most ? SHORT : LONG;
	p->score = MAX(-PACE_MOST, MIN(PACE_MOST, p->score));
}
