/* SPDX-License-Identifier: MIT */
#pragma once
/* What tests/chaos/countdown and the library that it puts into a program share: a file, mapped by both. */

#include <stdbool.h>
#include <stdint.h>

enum failing_kind {
	FAILING_ALLOCATION,
	FAILING_DESCRIPTOR,
	FAILING_CONNECT,
	FAILING_WRITE,
	FAILING_READ,
};

enum failing_mode {
	FAILING_OFF,
	FAILING_NEW,       /* the next call that comes by a way by which none has failed yet */
	FAILING_COUNTDOWN, /* the call at which `countdown` gets to 0 */
};

enum { FAILING_SEEN_MAX = 1 << 16, FAILING_WHERE_BYTES = 8192, FAILING_FRAMES_MAX = 40 };

/* The layout is known to tests/chaos/failing.py. */
struct failing {
	uint32_t mode;
	uint32_t kinds; /* a bit for each kind that may fail */
	uint64_t countdown;
	uint64_t calls; /* that might have failed, since the file was made */
	uint32_t hits;
	uint32_t kind; /* of the last hit */
	uint32_t n_seen;
	uint32_t frames; /* how much of a stack tells it from others, from its inner end */
	char where
		[FAILING_WHERE_BYTES]; /* the stack of the last hit: a line "file+0xoffset" for each frame */
	uint64_t seen[FAILING_SEEN_MAX]; /* a hash set of stacks; 0 is an empty place */
};

/* Whether this call has to fail. A thread that is asked from within is never told so. */
bool failing(enum failing_kind kind);
