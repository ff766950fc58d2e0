/* SPDX-License-Identifier: MIT */
#pragma once
/* What the daemon says of itself, in 80 columns. */

#include <stddef.h>

#include "ctl/ctl.h"

enum view_kind {
	VIEW_TEXT = 0,
	VIEW_PLACE, /* a text that says most at its end: a file and a line */
	VIEW_NUMBER,
	VIEW_MOST, /* a number of which 0 means that there is no limit */
	VIEW_ID,   /* a number that people type again: shown to its last digit */
	VIEW_MS,   /* a length of time in milliseconds */
	VIEW_US,
};

struct view_column {
	const char *head;
	const char *field; /* of the result */
	enum view_kind kind;
};

/*
 * Prints the chosen columns of a result. Where the table would be wider than 80, texts are cut, then
 * numbers told in thousands and millions, then texts cut to less. Returns an exit status.
 */
int view_print(const struct sidepool_result *result, const struct view_column *columns, size_t n);

/* The table of that name, with the columns that people look for. */
int view_table(const struct sidepool_result *result, enum sidepool_table table);

/* The daemon's one line, then its pools and warnings. */
int view_status(const struct sidepool_reply *reply);
