/* SPDX-License-Identifier: MIT */
#pragma once
/* The terminal: curses, the signals that concern it, and its keys. There is one at a time. */

#include <signal.h>
#include <stdbool.h>

#include "ctl/top-layout.h"

struct top_screen {
	int signals;           /* a signalfd; -1: none */
	sigset_t blocked;      /* what it takes ... */
	sigset_t before;       /* ... and what was blocked before */
	struct screen *screen; /* owned: curses' own; NULL: none */
	bool colours;
	int ended_by; /* a signal; 0: none */
};

/*
 * Takes the terminal over. Returns NULL, or a sentence that says why it cannot: then there is nothing to end.
 */
const char *top_screen_start(struct top_screen *t);

/* Gives the terminal back as it was. Safe twice. */
void top_screen_end(struct top_screen *t);

/* As above, and ends the program by the signal that ended it, if one did. */
void top_screen_leave(struct top_screen *t);

/* Returns false without memory. */
bool top_screen_draw(const struct top_screen *t, struct top_view *v, const struct top_sample *s,
		     const struct top_now *now);

/* The next key that is there, or -1. Never blocks. */
int top_screen_key(void);

/* When `signals` can be read: stops and goes on, takes the new size, or sets `ended_by`. */
void top_screen_signal(struct top_screen *t);
