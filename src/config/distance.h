/* SPDX-License-Identifier: MIT */
#pragma once
/* How far apart two spellings are: for "did you mean". */

#include <stddef.h>

/*
 * Letters inserted, left out, changed or swapped with their neighbour to get from `a` to `b`
 * (Damerau's distance, without touching a letter twice). Case does not count. Texts over 63 bytes
 * are as far apart as can be.
 */
size_t distance(const char *a, const char *b);

/* The same where it is below `limit`; else SIZE_MAX, which is found out sooner. */
size_t distance_within(const char *a, const char *b, size_t limit);

/* Up to which distance a guess is better than none. */
size_t distance_limit(const char *a);
