/* SPDX-License-Identifier: MIT */
#pragma once
/* UTF-8 on a terminal: how wide it is, and what must not reach it. */

#include <stddef.h>
#include <stdio.h>

/* Bytes of the character at `s`, at least 1 unless it is the end; a byte that is not UTF-8 counts
 * as one. */
size_t text_char_bytes(const char *s);

/* Columns that text_put() takes for `len` bytes. */
size_t text_width(const char *s, size_t len);

/* Prints it, control characters as \xNN: a value must not command the terminal. */
void text_put(FILE *out, const char *s, size_t len);

/* Bytes of the beginning that fit into `width` columns. */
size_t text_fit(const char *s, size_t len, size_t width);

/* Writes it as one line that may be shown: white space as one blank, control characters as \xNN, and a
 * zero byte behind. Returns the bytes before that; `out` may be NULL, to ask for them. */
size_t text_plain(char *out, const char *s);

/* Prints sentences on lines of at most 80 columns where words permit it, each but the first behind
 * `indent` blanks, and ends the last. */
void text_wrap(FILE *out, const char *s, size_t indent);

/* The same for what printf() would print. */
__attribute__((format(printf, 3, 4))) void text_wrapf(FILE *out, size_t indent, const char *format,
						      ...);
