/* SPDX-License-Identifier: MIT */
/*
 * The usual table of distances between all beginnings of both texts, row by row; a swap looks two
 * rows back, so three are kept. The texts are names of settings, so a fixed length on the stack
 * will do.
 */
#include "config/distance.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/macro.h"

enum { DISTANCE_LEN_MAX = 63 };

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t distance_within(const char *a, const char *b, size_t limit)
{
	size_t rows[3][DISTANCE_LEN_MAX + 1], la = strlen(a), lb = strlen(b);
	size_t *above2 = rows[0], *above = rows[1], *row = rows[2], least_above = 0, least;

	if (la > DISTANCE_LEN_MAX || lb > DISTANCE_LEN_MAX || MAX(la, lb) - MIN(la, lb) >= limit)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		above[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *free_row = above2;

		least = row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = MIN(above[j], row[j - 1]) + 1;
			row[j] = MIN(row[j], above[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = MIN(row[j], above2[j - 2] + 1);
			least = MIN(least, row[j]);
		}
		/* What comes below has one of these two rows above it. */
		if (MIN(least, least_above) >= limit)
			return SIZE_MAX;
		least_above = least;
		above2 = above;
		above = row;
		row = free_row;
	}
	return above[lb] < limit ? above[lb] : SIZE_MAX;
}

size_t distance(const char *a, const char *b)
{
	return distance_within(a, b, SIZE_MAX);
}

size_t distance_limit(const char *a)
{
	return strlen(a) < 5 ? 1 : MIN(strlen(a) / 3, 4);
}
