/* SPDX-License-Identifier: MIT */
/*
 * The file. inih takes a line apart into name and value and drops comments; it knows neither line
 * numbers nor long lines (it would split one at 200 bytes), cuts names at 50, calls an indented
 * line the continuation of the one above, and says nothing of a section without settings. So the
 * lines are handed to it one by one: without their indentation, sections kept back and read here,
 * and the value of a long line kept back as well, with LONG_VALUE in its place.
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/distance.h"
#include "config/loader.h"
#include "config/target.h"
#include "util/buf.h"
#include "util/error.h"

#define LONG_VALUE "@"

enum { FILE_BYTES_MAX = 1 << 20 };

struct reader {
	struct loader *loader;
	const char *path;
	char *next;       /* borrowed: the line to come, NULL at the end */
	unsigned number;  /* of the line that inih has */
	char *line;       /* borrowed: that line; NULL where nothing is expected of it */
	char *long_value; /* borrowed: its value, where inih has LONG_VALUE instead */
	enum setting_section kind;
	size_t index; /* of the pool or application */
	bool in_section;
	bool has_sidepool;
	bool skips; /* in a section that could not be read */
	char where[300];
};

static struct place here(struct reader *r)
{
	(void)snprintf(r->where, sizeof(r->where), "%s:%u", r->path, r->number);
	return (struct place){ CONFIG_SOURCE_FILE, false, r->where };
}

static char *strip(char *s)
{
	size_t n;

	s += strspn(s, " \t\r\v\f");
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* inih's rule for comments behind something: a semicolon after a blank. */
static void cut_comment(char *s)
{
	for (char *p = s; *p; p++) {
		if (*p == ';' && (p == s || isspace((unsigned char)p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

static struct section current(const struct reader *r)
{
	struct config *c = r->loader->config;

	if (r->kind == SETTING_SECTION_POOL)
		return section_of_pool(&c->pools[r->index]);
	if (r->kind == SETTING_SECTION_APPLICATION)
		return section_of_application(&c->applications[r->index]);
	return section_of_config(c);
}

static void begin_pool(struct reader *r, const char *name)
{
	struct loader *l = r->loader;
	struct place place = here(r);
	int e;

	if (!*name) {
		loader_mistake(l, &place, "[pool] needs a name: write [pool main]");
		return;
	}
	if (strlen(name) > 63 || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")]) {
		loader_mistake(
			l, &place,
			"[pool %s]: a pool's name is made of a to z, 0 to 9, _ and -, at most 63",
			name);
		return;
	}
	if (config_find_pool(l->config, name)) {
		loader_mistake(
			l, &place,
			"there is a second section [pool %s]: put its settings into the first",
			name);
		return;
	}
	e = config_add_pool(l->config, name);
	if (e < 0)
		l->error = e;
	r->index = l->config->n_pools - 1;
	r->skips = e < 0;
}

static void begin_application(struct reader *r, const char *pattern)
{
	struct loader *l = r->loader;
	struct place place = here(r);
	int e;

	if (!*pattern) {
		loader_mistake(l, &place,
			       "[application] needs the name or a pattern of names: write "
			       "[application api] or "
			       "[application seed-*]");
		return;
	}
	e = config_add_application(l->config, pattern);
	if (e < 0)
		l->error = e;
	r->index = l->config->n_applications - 1;
	r->skips = e < 0;
}

static void begin_sidepool(struct reader *r, const char *rest)
{
	struct place place = here(r);

	if (*rest)
		loader_mistake(r->loader, &place,
			       "[sidepool %s]: there is one daemon: write [sidepool]", rest);
	else if (r->has_sidepool)
		loader_mistake(
			r->loader, &place,
			"there is a second section [sidepool]: put its settings into the first");
	else
		r->skips = false;
	r->has_sidepool = true;
}

static void refuse_section(struct reader *r, const char *kind)
{
	static const char *const forms[] = { "[sidepool]", "[pool NAME]", "[application PATTERN]" };
	struct place place = here(r);

	for (enum setting_section i = 0; i < SETTING_SECTION_N; i++) {
		if (distance(kind, setting_section_name(i)) > distance_limit(kind))
			continue;
		loader_mistake(r->loader, &place, "unknown section [%s]: did you mean %s?", kind,
			       forms[i]);
		return;
	}
	loader_mistake(
		r->loader, &place,
		"unknown section [%s]: there are [sidepool], [pool NAME] and [application PATTERN]",
		kind);
}

/*
 * `title` is what stands between the brackets. Until the section turns out well, its settings are
 * skipped.
 */
static void begin_section(struct reader *r, char *title)
{
	size_t n;
	char *rest;

	title = strip(title);
	n = strcspn(title, " \t");
	rest = strip(title + n);
	r->in_section = r->skips = true;
	if (n == 4 && !strncmp(title, "pool", n)) {
		r->kind = SETTING_SECTION_POOL;
		begin_pool(r, rest);
	} else if (n == 11 && !strncmp(title, "application", n)) {
		r->kind = SETTING_SECTION_APPLICATION;
		begin_application(r, rest);
	} else if (n == 8 && !strncmp(title, "sidepool", n)) {
		r->kind = SETTING_SECTION_SIDEPOOL;
		begin_sidepool(r, rest);
	} else {
		title[n] = '\0';
		refuse_section(r, title);
	}
}

static void read_section_line(struct reader *r, char *line)
{
	struct place place = here(r);
	char *end;

	cut_comment(line);
	line = strip(line);
	end = strrchr(line, ']');
	if (!end || end[1]) {
		r->in_section = r->skips = true;
		loader_mistake(r->loader, &place, "\"%s\" has no closing bracket at its end", line);
		return;
	}
	*end = '\0';
	begin_section(r, line + 1);
}

static void refuse_name(struct reader *r, const char *name)
{
	struct place place = here(r);
	char message[512];

	setting_tell_unknown(r->kind, name, message, sizeof(message));
	loader_mistake(r->loader, &place, "%s", message);
}

static void refuse_line(struct reader *r, const char *line)
{
	struct place place = here(r);

	loader_mistake(r->loader, &place, "\"%.*s\" is neither a [section] nor NAME = VALUE",
		       (int)strcspn(line, " \t"), line);
}

static char *unquote(char *value)
{
	size_t n = strlen(value);

	if (n < 2 || value[0] != '"' || value[n - 1] != '"')
		return value;
	value[n - 1] = '\0';
	return value + 1;
}

static void read_setting(struct reader *r, const char *name, char *value)
{
	struct place place = here(r);
	const struct setting *s = setting_find(r->kind, name);
	struct section section;

	if (r->skips)
		return;
	if (!r->in_section) {
		loader_mistake(r->loader, &place,
			       "%s stands before the first section: write [sidepool] above it",
			       name);
		return;
	}
	if (!s && strpbrk(name, " \t")) {
		refuse_line(r, name); /* more than its first word may hold a password */
		return;
	}
	if (!s) {
		refuse_name(r, name);
		return;
	}
	section = current(r);
	loader_set(r->loader, &section, s, unquote(value), &place);
}

/* inih's handler. A value that inih has whole is copied, since unquote() writes. */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;
	char *copy;

	(void)section;
	r->line = NULL;
	if (r->long_value) {
		read_setting(r, name, r->long_value);
		r->long_value = NULL;
		return 1;
	}
	copy = strdup(value);
	if (copy)
		read_setting(r, name, copy);
	else
		r->loader->error = err_raise(-ENOMEM);
	free(copy);
	return 1;
}

/* The line before this one was a setting, and inih made nothing of it. */
static void tell_if_unread(struct reader *r)
{
	if (r->line)
		refuse_line(r, r->line);
	r->line = NULL;
	r->long_value = NULL;
}

/* `room` is inih's buffer. A long line leaves its name and LONG_VALUE there. */
static void hand_over(struct reader *r, char *line, char *str, size_t room)
{
	size_t n = strcspn(line, "=:");

	r->line = line;
	if (strlen(line) + 2 <= room) {
		(void)snprintf(str, room, "%s\n", line);
		return;
	}
	if (!line[n]) {
		*stpcpy(str, "\n") = '\0';
		return;
	}
	cut_comment(line + n + 1);
	r->long_value = strip(line + n + 1);
	(void)snprintf(str, room, "%.*s=" LONG_VALUE "\n", (int)MIN(n, room - 8), line);
}

static char *on_line(char *str, int room, void *stream)
{
	struct reader *r = stream;
	char *line = r->next, *end;

	tell_if_unread(r);
	if (!line || r->loader->error)
		return NULL;
	end = strchr(line, '\n');
	r->next = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	r->number++;
	line = strip(line);
	*stpcpy(str, "\n") = '\0';
	if (*line == '[')
		read_section_line(r, line);
	else if (*line && *line != '#' && *line != ';')
		hand_over(r, line, str, (size_t)room);
	return str;
}

static void parse(struct loader *l, const char *path, char *text)
{
	struct reader r = { .loader = l, .path = path, .next = text };

	if (!strncmp(text, "\xef\xbb\xbf", 3))
		r.next += 3;
	(void)ini_parse_stream(on_line, &r, on_value,
			       &r); /* what it may return was told line by line */
}

/* The text is kept, so that a later load can be of the same file; a copy is taken apart. */
void loader_read_text(struct loader *l, const char *path, const char *text)
{
	char *copy = strdup(text);

	l->config->file = strdup(path);
	l->config->file_text = strdup(text);
	if (copy && l->config->file && l->config->file_text)
		parse(l, path, copy);
	else
		l->error = err_raise(-ENOMEM);
	free(copy);
}

/*
 * The whole file with a NUL behind it. Returns 0, 1 if it is too long or holds a NUL, or a negative
 * errno.
 */
static int read_all(FILE *f, struct buf *ret_text)
{
	size_t n = 0;

	do {
		uint8_t *room = buf_reserve(ret_text, 4096);

		if (!room)
			return err_raise(-ENOMEM);
		n = fread(room, 1, 4096, f);
		buf_added(ret_text, n);
	} while (n > 0 && buf_len(ret_text) <= FILE_BYTES_MAX);
	if (ferror(f))
		return err_raise(-EIO);
	if (buf_len(ret_text) > FILE_BYTES_MAX || memchr(buf_at(ret_text), '\0', buf_len(ret_text)))
		return 1;
	return buf_append(ret_text, "", 1);
}

/* Whoever reads the file reads its passwords. */
static void check_mode(struct loader *l, const char *path, FILE *f)
{
	struct place place = { CONFIG_SOURCE_FILE, false, path };
	struct stat st;

	if (fstat(fileno(f), &st) < 0 || !(st.st_mode & S_IROTH))
		return;
	for (size_t i = 0; i < l->config->n_pools; i++) {
		const struct config_pool *p = &l->config->pools[i];

		if (!target_has_secret(p->url))
			continue;
		loader_warn(l, &place,
			    "everybody may read this file, and there is a password in the url of "
			    "[pool %s]: chmod 0640, or use "
			    "password_file",
			    p->name);
		return;
	}
}

static void read_opened(struct loader *l, const char *path, FILE *f)
{
	struct place place = { CONFIG_SOURCE_FILE, false, path };
	struct buf text = BUF_NULL;
	int r = read_all(f, &text);

	if (r == -EIO)
		loader_mistake(l, &place, "the file cannot be read: %s", strerror(errno));
	else if (r > 0)
		loader_mistake(l, &place,
			       "this is no configuration file: it is longer than 1 MiB or holds a "
			       "NUL byte");
	else if (r < 0)
		l->error = r;
	else
		loader_read_text(l, path, (char *)buf_at(&text));
	buf_deinit(&text);
}

void loader_read_file(struct loader *l, const char *path, bool must_exist)
{
	struct place place = { CONFIG_SOURCE_FILE, false, path };
	FILE *f = fopen(path, "re");

	if (!f && errno == ENOENT && !must_exist)
		return;
	if (!f) {
		loader_mistake(l, &place, "the file cannot be read: %s", strerror(errno));
		return;
	}
	read_opened(l, path, f);
	check_mode(l, path, f);
	(void)fclose(f);
}
