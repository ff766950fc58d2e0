/* SPDX-License-Identifier: MIT */
/* The shapes that are measured; layout.py and layout.mjs have the same. */
#pragma once

#include <stdio.h>
#include <string.h>

enum {
	N_SHAPES = 5,
};

struct shape {
	const char *name;
	int rows, columns;
	const char *kinds; /* of the columns, repeated: see shape_value() */
};

static const struct shape shapes[N_SHAPES] = {
	{ "1x1", 1, 1, "i" },           { "1x4", 1, 4, "iiip" },   { "1000x5", 1000, 5, "iftdn" },
	{ "100x50", 100, 50, "iftdn" }, { "3x2-1MB", 3, 2, "iB" },
};

/* Integer, float, text, decimal, null in each tenth row, pgbench's filler, a megabyte. */
static inline int shape_value(const struct shape *s, int row, int column, char *out)
{
	int v = row * 7 + column;

	switch (s->kinds[(size_t)column % strlen(s->kinds)]) {
	case 'i':
		return sprintf(out, "%d", v);
	case 'f':
		return sprintf(out, "%d.25", v);
	case 'd':
		return sprintf(out, "%d.10", v);
	case 'n':
		return row % 10 == 9 ? -1 : sprintf(out, "note %d", v);
	case 'p':
		return sprintf(out, "%-84s", "");
	case 'B':
		memset(out, 'x', 1 << 20);
		return 1 << 20;
	default:
		return sprintf(out, "text value %d", v);
	}
}
