/* SPDX-License-Identifier: MIT */
/*
 * Where libpq and the user disagree on where a password ends, what is masked is the larger of the
 * two: a "/" that should have been %2F makes libpq see the port "pa" and the database "ss@host". A
 * secret is a span of the text; everything that is shown goes through the list of such spans.
 */
#include "config/target.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/report.h"
#include "util/macro.h"

#define STARS "***"

struct spans {
	struct span *items; /* owned */
	size_t n;
	bool failed; /* no memory */
};

static size_t scheme_len(const char *text)
{
	const char *p = strstr(text, "://");

	if (!p || strcspn(text, " \t\r\n='") < (size_t)(p - text))
		return 0;
	return (size_t)(p - text);
}

/* "postgresql", "postgres", one of them with "+driver" or after "jdbc:". */
static bool is_ours(const char *scheme, size_t n)
{
	static const char *const names[] = { "postgresql", "postgres" };

	if (n > 5 && !strncasecmp(scheme, "jdbc:", 5))
		return is_ours(scheme + 5, n - 5);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t len = strlen(names[i]);

		if (n >= len && !strncasecmp(scheme, names[i], len) &&
		    (n == len || scheme[len] == '+'))
			return true;
	}
	return false;
}

enum target_form target_form(const char *text)
{
	size_t n = scheme_len(text);

	if (n > 0)
		return is_ours(text, n) ? TARGET_URL : TARGET_FOREIGN;
	return strchr(text, '=') ? TARGET_PAIRS : TARGET_UNKNOWN;
}

static bool is_url(const char *text)
{
	return scheme_len(text) > 0;
}

/* First byte behind "://". */
static size_t authority(const char *url)
{
	return scheme_len(url) + 3;
}

/* The "@" that ends user and password as libpq sees it; 0: there is none. */
static size_t userinfo_end(const char *url)
{
	size_t at = authority(url) + strcspn(url + authority(url), "@/");

	return url[at] == '@' ? at : 0;
}

/* The "?" that begins the parameters, or the end of the text. */
static size_t query(const char *url)
{
	size_t from = MAX(authority(url), userinfo_end(url));

	return from + strcspn(url + from, "?");
}

size_t target_parameters(const char *text)
{
	size_t q;

	if (!is_url(text))
		return 0;
	q = query(text);
	return text[q] ? q + 1 : q;
}

static bool next_in_url(const char *text, size_t *pos, struct target_parameter *ret)
{
	size_t start = *pos + strspn(text + *pos, "&");
	size_t end = start + strcspn(text + start, "&");
	size_t name = MIN(start + strcspn(text + start, "="), end);

	*pos = end;
	ret->whole = (struct span){ start, end };
	ret->name = (struct span){ start, name };
	ret->has_value = name < end;
	ret->value = (struct span){ name + ret->has_value, end };
	return start < end;
}

/* First byte behind a value that begins at `at`, by the rules of libpq's conninfo_parse(). */
static size_t value_end(const char *text, size_t at)
{
	bool quoted = text[at] == '\'';

	for (at += quoted; text[at]; at++) {
		if (quoted ? text[at] == '\'' : isspace((unsigned char)text[at]))
			return at + quoted;
		if (text[at] == '\\' && text[at + 1])
			at++;
	}
	return at;
}

static size_t skip_blanks(const char *text, size_t at)
{
	while (isspace((unsigned char)text[at]))
		at++;
	return at;
}

static bool next_in_pairs(const char *text, size_t *pos, struct target_parameter *ret)
{
	size_t start = skip_blanks(text, *pos);
	size_t name = start + strcspn(text + start, "= \t\r\n\v\f");
	size_t equals = skip_blanks(text, name);
	size_t end = name;

	ret->has_value = text[equals] == '=';
	ret->value = (struct span){ name, name };
	if (ret->has_value) {
		ret->value.start = skip_blanks(text, equals + 1);
		ret->value.end = end = value_end(text, ret->value.start);
	}
	*pos = end;
	ret->whole = (struct span){ start, end };
	ret->name = (struct span){ start, name };
	return start < end;
}

bool target_next(const char *text, size_t *pos, struct target_parameter *ret)
{
	return is_url(text) ? next_in_url(text, pos, ret) : next_in_pairs(text, pos, ret);
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static size_t decode_percent(const char *text, struct span span, char *out)
{
	size_t n = 0;

	for (size_t i = span.start; i < span.end; i++) {
		bool encoded = text[i] == '%' && i + 2 < span.end &&
			       isxdigit((unsigned char)text[i + 1]) &&
			       isxdigit((unsigned char)text[i + 2]);

		out[n++] = encoded ? (char)(hex(text[i + 1]) * 16 + hex(text[i + 2])) : text[i];
		i += encoded ? 2 : 0;
	}
	return n;
}

static size_t decode_quotes(const char *text, struct span span, char *out)
{
	size_t n = 0, start = span.start, end = span.end;

	if (start < end && text[start] == '\'') {
		start++;
		end -= end > start && text[end - 1] == '\'';
	}
	for (size_t i = start; i < end; i++) {
		if (text[i] == '\\' && i + 1 < end)
			i++;
		out[n++] = text[i];
	}
	return n;
}

char *target_decode(const char *text, struct span span)
{
	char *out = malloc(span.end - span.start + 1);
	size_t n;

	if (!out)
		return NULL;
	n = is_url(text) ? decode_percent(text, span, out) : decode_quotes(text, span, out);
	out[n] = '\0';
	return out;
}

static void add_span(struct spans *s, size_t start, size_t end)
{
	struct span *items = reallocarray(s->items, s->n + 1, sizeof(*items));

	if (!items) {
		s->failed = true;
		return;
	}
	s->items = items;
	items[s->n++] = (struct span){ start, end };
}

/*
 * By its name, also where that is misspelt: a password in a parameter that does not exist is one
 * all the same.
 */
static bool is_secret_name(const char *name)
{
	static const char *const parts[] = { "pass", "pwd", "secret", "token" };

	if (!strcasecmp(name, "passfile"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return false;
}

/*
 * A word without "=" behind a secret is most likely the rest of it, cut off by a blank or an "&".
 */
static void add_parameters(struct spans *s, const char *text)
{
	size_t pos = target_parameters(text);
	struct target_parameter p;

	while (target_next(text, &pos, &p)) {
		char *name = target_decode(text, p.name);

		if (!name)
			s->failed = true;
		else if (!p.has_value && s->n > 0)
			add_span(s, p.whole.start, p.whole.end);
		else if (p.has_value && is_secret_name(name))
			add_span(s, p.value.start, p.value.end);
		free(name);
	}
}

/* Whether all that follows the "?" looks like parameters. */
static bool is_proper_query(const char *url)
{
	size_t pos = target_parameters(url);
	struct target_parameter p;

	while (target_next(url, &pos, &p))
		if (!p.has_value || memchr(url + p.name.start, '@', p.name.end - p.name.start))
			return false;
	return true;
}

/* The last "@" that cannot be a part of a parameter; 0: there is none. */
static size_t last_at(const char *url)
{
	size_t end = is_proper_query(url) ? query(url) : strlen(url), at = 0;

	for (size_t i = authority(url); i < end; i++)
		if (url[i] == '@')
			at = i;
	return at;
}

/*
 * The first port that is no number: the password of a URL that has lost its host. Returns false if
 * all are.
 */
static bool find_odd_port(const char *url, struct span *ret_port)
{
	size_t i = MAX(authority(url), userinfo_end(url) + 1), end = i + strcspn(url + i, "/?");

	while (i < end) {
		if (url[i] == '[')
			i += strcspn(url + i, "]");
		if (i < end && url[i++] == ':') {
			size_t n = strcspn(url + i, ",/?");

			if (strspn(url + i, "0123456789") != n) {
				*ret_port = (struct span){ i, i + n };
				return true;
			}
		}
	}
	return false;
}

bool target_is_torn(const char *url)
{
	struct span port;

	return last_at(url) != userinfo_end(url) || find_odd_port(url, &port);
}

static void add_userinfo(struct spans *s, const char *url)
{
	size_t at = last_at(url), from = authority(url), colon = from + strcspn(url + from, ":");
	struct span port;

	if (at && colon < at)
		add_span(s, colon + 1, at);
	else if (find_odd_port(url, &port))
		add_span(s, port.start, is_proper_query(url) ? query(url) : strlen(url));
}

static struct spans find_secrets(const char *text)
{
	struct spans s = { .items = NULL };

	if (is_url(text))
		add_userinfo(&s, text);
	add_parameters(&s, text);
	return s;
}

bool target_has_secret(const char *text)
{
	struct spans s = find_secrets(text);
	bool has = s.n > 0 || s.failed;

	free(s.items);
	return has;
}

/* Spans come in the order of the text, but a torn URL's first one may reach over the next. */
static void put_masked(FILE *f, const char *text, const struct spans *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->items[i].start < at)
			continue;
		(void)fprintf(f, "%.*s" STARS, (int)(s->items[i].start - at), text + at);
		at = s->items[i].end;
	}
	(void)fputs(text + at, f);
}

char *config_mask(const char *target)
{
	struct spans s = find_secrets(target);
	char *text = NULL;
	size_t n;
	FILE *f = s.failed ? NULL : open_memstream(&text, &n);

	if (f) {
		put_masked(f, target, &s);
		if (fclose(f) != 0) {
			free(text);
			text = NULL;
		}
	}
	free(s.items);
	return text;
}

/*
 * Whether the text between the quotes is the name of a parameter, and no more of the target is
 * shown than that.
 */
static bool quotes_name(const char *target, const char *quoted, size_t n)
{
	size_t pos = target_parameters(target);
	struct target_parameter p;
	bool after_secret = false;

	if (strspn(quoted, "abcdefghijklmnopqrstuvwxyz_") != n)
		return false;
	while (target_next(target, &pos, &p)) {
		after_secret |= !p.has_value;
		if (p.name.end - p.name.start == n && !memcmp(target + p.name.start, quoted, n))
			return !after_secret;
	}
	return false;
}

/* What libpq puts between quotes is a name, the "=" that it misses, or a piece of the target. */
static bool may_show(const char *target, const char *quoted, size_t n)
{
	return (n == 1 && *quoted == '=') || quotes_name(target, quoted, n);
}

/*
 * A target with quotes of its own makes it uncertain which quote ends what: then all between the
 * first and the last goes.
 */
static void put_message(FILE *f, const char *message, const char *target)
{
	bool is_clear = !strchr(target, '"');

	for (const char *open, *close; (open = strchr(message, '"')); message = close + 1) {
		close = is_clear ? strchr(open + 1, '"') : strrchr(open, '"');
		if (!close)
			close = open + strlen(open) - 1;
		if (close > open && may_show(target, open + 1, (size_t)(close - open - 1)))
			(void)fprintf(f, "%.*s", (int)(close - message) + 1, message);
		else
			(void)fprintf(f, "%.*s\"" STARS "\"", (int)(open - message), message);
	}
	(void)fputs(message, f);
}

char *config_mask_message(const char *message, const char *target)
{
	char *text = NULL;
	size_t n;
	FILE *f;

	if (!target_has_secret(target))
		return strdup(message);
	f = open_memstream(&text, &n);
	if (!f)
		return NULL;
	put_message(f, message, target);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
