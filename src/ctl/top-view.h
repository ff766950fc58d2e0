/* SPDX-License-Identifier: MIT */
#pragma once
/* What of a sample is to be seen, and what a key changes about it. No terminal in here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/top-sample.h"

enum {
	TOP_NAME_MAX = 64, /* of an application, with its zero byte */
	TOP_INTERVAL_MIN_MS = 100,
	TOP_INTERVAL_MAX_MS = 60000,
};

/* Keys that are no characters. */
enum top_key {
	TOP_KEY_UP = 0x100,
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_TAB,
	TOP_KEY_BACK_TAB,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACKSPACE,
};

/* One section's: it is kept when another is looked at. */
struct top_look {
	size_t sorted_by; /* a column; TOP_COLUMNS_MAX: as the daemon has it */
	bool reversed;
	char selected[TOP_NAME_MAX]; /* the first cell of the row, wherever it goes */
	size_t at;                   /* where it was */
	size_t first;                /* row on the screen; kept by top_layout() */
	size_t page;                 /* how many there were; likewise */
};

struct top_view {
	struct top_look looks[TOP_SECTION_N];
	enum top_section focus;
	bool alone; /* the section has the screen for itself */
	bool help;
	bool paused;
	bool quit;
	bool refresh;   /* was asked for; the caller takes it back */
	bool filtering; /* the filter is being typed */
	char filter[TOP_NAME_MAX];
	uint32_t interval_ms;
};

void top_view_init(struct top_view *v, uint32_t interval_ms);

/* `s` is what is on the screen, or NULL. */
void top_view_key(struct top_view *v, const struct top_sample *s, int key);

/*
 * The section's rows that pass the filter, in their order: owned by the caller, `*ret_n` of them. NULL
 * without memory, and `*ret_n` is 0 then.
 */
const struct top_row **top_view_rows(const struct top_view *v, const struct top_sample *s,
				     enum top_section section, size_t *ret_n);

/* The index of the selected row among these; it is looked for by name first. */
size_t top_view_selected(const struct top_view *v, enum top_section section,
			 const struct top_row **rows, size_t n);
