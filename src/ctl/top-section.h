/* SPDX-License-Identifier: MIT */
#pragma once
/* One section of top's screen: a head and rows, in columns that fit. */

#include "ctl/top-layout.h"

struct top_place {
	size_t line;  /* of the head */
	size_t lines; /* room for rows */
};

/* `rows` are the section's `n` in their order. Scrolls so that the selected one can be seen. */
void top_section_draw(struct top_view *v, const struct top_sample *s, enum top_section section,
		      const struct top_row **rows, size_t n, const struct top_place *place,
		      const struct top_sink *sink);

/* Draws as much of it as fits from that column on, and returns where it ended. */
size_t top_put(const struct top_sink *sink, size_t line, size_t column, unsigned style,
	       const char *text);

/* Draws a line of blanks. */
void top_put_blank(const struct top_sink *sink, size_t line, unsigned style);
