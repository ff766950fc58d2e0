/* SPDX-License-Identifier: MIT */
#pragma once
/* A sample and a view as lines of a screen of any size. It draws through a function, so that tests read
 * what curses would show. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/top-sample.h"
#include "ctl/top-view.h"

enum top_style {
	TOP_STYLE_PLAIN = 0,
	TOP_STYLE_HEAD,
	TOP_STYLE_FOCUS, /* the head of the section that the keys are for */
	TOP_STYLE_GOOD,
	TOP_STYLE_WARN,
	TOP_STYLE_BAD,
	TOP_STYLE_SELECTED = 0x10, /* beside one of the above */
};

struct top_sink {
	/* `bytes` of text that may be shown, from that place on; it fits. */
	void (*put)(void *userdata, size_t line, size_t column, unsigned style, const char *text,
		    size_t bytes);
	void *userdata;
	size_t lines, columns;
};

/* What is not in the sample. */
struct top_now {
	const char *clock;   /* "10:42:07", when the sample was taken */
	const char *trouble; /* why there is no newer one; NULL: all is well */
};

/* Returns false without memory. `s` may be NULL: nothing has come yet. */
bool top_layout(struct top_view *v, const struct top_sample *s, const struct top_now *now,
		const struct top_sink *sink);
