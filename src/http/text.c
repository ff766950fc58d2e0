/* SPDX-License-Identifier: MIT */
#include "http/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void append(struct text *t, const char *s, size_t n)
{
	if (!t->out_of_memory && buf_append(&t->buf, s, n) < 0)
		t->out_of_memory = true;
}

void text_put(struct text *t, const char *format, ...)
{
	char small[256];
	va_list args;
	uint8_t *at;
	int n;

	va_start(args, format);
	n = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (n < (int)sizeof(small)) {
		append(t, small, (size_t)MAX(n, 0));
		return;
	}
	at = t->out_of_memory ? NULL : buf_reserve(&t->buf, (size_t)n + 1);
	if (!at) {
		t->out_of_memory = true;
		return;
	}
	va_start(args, format);
	(void)vsnprintf((char *)at, (size_t)n + 1, format, args);
	va_end(args);
	buf_added(&t->buf, (size_t)n);
}

/* The bytes of the character that begins at `s`, by table 3-7 of the Unicode standard; 0: none. */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char least = 0x80, most = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		least = 0xa0;
	else if (s[0] == 0xed)
		most = 0x9f;
	else if (s[0] == 0xf0)
		least = 0x90;
	else if (s[0] == 0xf4)
		most = 0x8f;
	if (s[1] < least || s[1] > most)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void escape_character(struct text *t, enum text_form form, const unsigned char *s, size_t n)
{
	if (n == 0)
		append(t, "\xef\xbf\xbd", 3);
	else if (*s == '"' || *s == '\\')
		text_put(t, "\\%c", *s);
	else if (*s == '\n')
		append(t, "\\n", 2);
	else if (form == TEXT_JSON && (*s < 0x20 || *s == 0x7f))
		text_put(t, "\\u%04x", *s);
	else
		append(t, (const char *)s, n);
}

void text_escape(struct text *t, enum text_form form, const char *s)
{
	const unsigned char *at = (const unsigned char *)s;
	size_t n;

	for (; *at; at += MAX(n, (size_t)1)) {
		n = utf8_length(at);
		escape_character(t, form, at, n);
	}
}

void text_deinit(struct text *t)
{
	buf_deinit(&t->buf);
}
