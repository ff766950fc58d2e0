/* SPDX-License-Identifier: MIT */
/* main() has set a UTF-8 locale, so that mbrtowc() and wcwidth() know. */
#include "ctl/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum {
	ESCAPED_WIDTH = 4, /* \xNN */
	LINE_WIDTH = 80,
};

/* The next character: its bytes, and its width; false: to be escaped byte by byte. */
static bool decode(const char *s, size_t len, size_t *ret_bytes, size_t *ret_width)
{
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n = mbrtowc(&c, s, len, &state);
	int width;

	*ret_bytes = 1;
	*ret_width = ESCAPED_WIDTH;
	if (n == (size_t)-1 || n == (size_t)-2 || n == 0)
		return false;
	width = wcwidth(c);
	if (width < 0 && n == 1)
		return false;
	*ret_bytes = n;
	*ret_width = width < 0 ? n * ESCAPED_WIDTH : (size_t)width;
	return width >= 0;
}

size_t text_char_bytes(const char *s)
{
	size_t bytes, width;

	if (!*s)
		return 0;
	decode(s, strnlen(s, 4), &bytes, &width);
	return bytes;
}

size_t text_width(const char *s, size_t len)
{
	size_t sum = 0, bytes, width;

	for (; len > 0; s += bytes, len -= bytes) {
		decode(s, len, &bytes, &width);
		sum += width;
	}
	return sum;
}

void text_put(FILE *out, const char *s, size_t len)
{
	size_t bytes, width;

	for (; len > 0; s += bytes, len -= bytes) {
		if (decode(s, len, &bytes, &width)) {
			fwrite(s, 1, bytes, out);
			continue;
		}
		for (size_t i = 0; i < bytes; i++)
			fprintf(out, "\\x%02X", (unsigned char)s[i]);
	}
}

size_t text_fit(const char *s, size_t len, size_t width)
{
	size_t at = 0, sum = 0, bytes, w;

	for (; at < len; at += bytes) {
		decode(s + at, len - at, &bytes, &w);
		if (sum + w > width)
			break;
		sum += w;
	}
	return at;
}

/* One character of text_plain(): its bytes into `out`. */
static size_t plain_char(char out[20], const char *s, size_t *ret_bytes)
{
	size_t width, n = 0;

	if (decode(s, strnlen(s, 4), ret_bytes, &width)) {
		memcpy(out, s, *ret_bytes);
		return *ret_bytes;
	}
	for (size_t i = 0; i < *ret_bytes; i++)
		n += (size_t)sprintf(out + n, "\\x%02X", (unsigned char)s[i]);
	return n;
}

size_t text_plain(char *out, const char *s)
{
	char one[20];
	size_t n = 0, len, bytes;

	while (*s) {
		bytes = strspn(s, " \t\r\n\v\f");
		len = 1;
		one[0] = ' ';
		if (bytes == 0)
			len = plain_char(one, s, &bytes);
		if (out)
			memcpy(out + n, one, len);
		n += len;
		s += bytes;
	}
	if (out)
		out[n] = '\0';
	return n;
}

/* Bytes up to the end of the last word that fits; of a word that fits on no line, what does. */
static size_t fit_words(const char *s, size_t width)
{
	size_t len = strlen(s), fit = text_fit(s, len, width), at = fit;

	if (fit == len)
		return len;
	while (at > 0 && s[at] != ' ')
		at--;
	if (at > strspn(s, " "))
		return at;
	return fit > 0 ? fit : text_char_bytes(s);
}

void text_wrap(FILE *out, const char *s, size_t indent)
{
	size_t width = LINE_WIDTH, bytes;

	do {
		bytes = fit_words(s, width);
		text_put(out, s, bytes);
		fputc('\n', out);
		s += bytes;
		s += strspn(s, " ");
		if (*s)
			fprintf(out, "%*s", (int)indent, "");
		width = LINE_WIDTH - indent;
	} while (*s);
}

void text_wrapf(FILE *out, size_t indent, const char *format, ...)
{
	va_list arguments;
	char *text;
	int n;

	va_start(arguments, format);
	n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n < 0) {
		fputs("sidepool: out of memory\n", stderr);
		return;
	}
	text_wrap(out, text, indent);
	free(text);
}
