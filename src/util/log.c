/* SPDX-License-Identifier: MIT */
/*
 * Three ways out, one choice at start: the journal with real fields where stderr is connected to it
 * (systemd sets $JOURNAL_STREAM to the device and inode of that stream), else text or JSON lines on
 * stderr. A line is put together in a buffer on the stack and written with one write(2), so that
 * lines of several processes do not mix.
 */
#include "util/log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

enum {
	LOG_LINE_BYTES = 16384,
	LOG_MESSAGE_BYTES = 2048,
	LOG_TAIL_BYTES = 8, /* what ends a line whose last value was cut */
	LOG_FIELDS_MAX = 24,
};

static struct {
	enum log_level level;
	enum log_format format;
	bool journal;
	unsigned topics;
} log_state = { .level = LOG_LEVEL_INFO };

static const char *const topic_names[] = {
	[LOG_TOPIC_ERROR] = "error", [LOG_TOPIC_SP] = "sp", [LOG_TOPIC_RPC] = "rpc",
	[LOG_TOPIC_CORE] = "core",   [LOG_TOPIC_PG] = "pg", [LOG_TOPIC_BREAKER] = "breaker",
};

struct line {
	char text[LOG_LINE_BYTES];
	size_t len;
};

static void put(struct line *l, const char *s, size_t n)
{
	n = MIN(n, sizeof(l->text) - 2 - l->len);
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void puts_(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void printf_like(2, 3) putf(struct line *l, const char *format, ...)
{
	char part[64];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(part, sizeof(part), format, args);
	va_end(args);
	puts_(l, part);
}

/* Bytes of the UTF-8 character that begins here; 0: none does. */
static size_t character_bytes(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Puts what stands at `s`, and returns how many bytes of it that was. */
static size_t put_character(struct line *l, const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = 1;

	if (c == '"' || c == '\\')
		putf(l, "\\%c", c);
	else if (c == '\n')
		puts_(l, "\\n");
	else if (c < 0x20 || c == 0x7f)
		putf(l, "\\u%04x", c);
	else if (c < 0x80)
		put(l, s, 1);
	else if ((n = character_bytes(s)) > 0)
		put(l, s, n);
	else
		puts_(l, "\xef\xbf\xbd"); /* U+FFFD: a text that was cut, or is none */
	return MAX(n, (size_t)1);
}

/* JSON's escapes; they serve for text lines as well. A value that is too long is cut. */
static void put_escaped(struct line *l, const char *s)
{
	while (*s && l->len + LOG_TAIL_BYTES + 8 < sizeof(l->text))
		s += put_character(l, s);
}

/* Whether the field would be complete but for the end of its value. */
static bool has_room(const struct line *l, const struct log_field *f)
{
	return l->len + strlen(f->key) + 48 < sizeof(l->text);
}

static void put_quoted(struct line *l, const char *s)
{
	puts_(l, "\"");
	put_escaped(l, s);
	puts_(l, "\"");
}

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-+:/@%,*()[]", *s))
			return false;
	return true;
}

static void put_value(struct line *l, const struct log_field *f, bool json)
{
	switch (f->type) {
	case LOG_FIELD_STR:
		if (!json && is_plain(f->str))
			puts_(l, f->str);
		else
			put_quoted(l, f->str);
		break;
	case LOG_FIELD_INT:
		putf(l, "%lld", (long long)f->i);
		break;
	case LOG_FIELD_UINT:
		putf(l, "%llu", (unsigned long long)f->u);
		break;
	}
}

static bool is_present(const struct log_field *f)
{
	return f->type != LOG_FIELD_STR || f->str;
}

static void put_lower(struct line *l, const char *s)
{
	for (; *s; s++)
		put(l, &(char){ (char)tolower((unsigned char)*s) }, 1);
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_NOTICE:
		return "notice";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "info";
}

static void put_time(struct line *l)
{
	struct timespec now;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	putf(l, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1,
	     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

static void write_text(enum log_level level, const struct log_field *fields, size_t n,
		       const char *message)
{
	struct line l = { .len = 0 };

	put_time(&l);
	putf(&l, " %s: ", level_name(level));
	for (; *message; message++)
		if ((unsigned char)*message < 0x20)
			putf(&l, "\\x%02x", (unsigned char)*message);
		else
			put(&l, message, 1);
	for (size_t i = 0; i < n; i++) {
		if (!is_present(&fields[i]) || !has_room(&l, &fields[i]))
			continue;
		puts_(&l, " ");
		put_lower(&l, fields[i].key);
		puts_(&l, "=");
		put_value(&l, &fields[i], false);
	}
	l.text[l.len++] = '\n';
	(void)!write(STDERR_FILENO, l.text, l.len);
}

static void write_json(enum log_level level, const struct log_field *fields, size_t n,
		       const char *message)
{
	struct line l = { .len = 0 };

	puts_(&l, "{\"time\":\"");
	put_time(&l);
	putf(&l, "\",\"level\":\"%s\",\"message\":", level_name(level));
	put_quoted(&l, message);
	for (size_t i = 0; i < n; i++) {
		if (!is_present(&fields[i]) || !has_room(&l, &fields[i]))
			continue;
		puts_(&l, ",\"");
		put_lower(&l, fields[i].key);
		puts_(&l, "\":");
		put_value(&l, &fields[i], true);
	}
	puts_(&l, "}");
	l.text[l.len++] = '\n';
	(void)!write(STDERR_FILENO, l.text, l.len);
}

/* "KEY=value" behind what stands there, as far as there is room; returns its length. */
static size_t write_field(char *to, size_t room, const struct log_field *f)
{
	int n = 0;

	switch (f->type) {
	case LOG_FIELD_STR:
		n = snprintf(to, room, "%s=%s", f->key, f->str);
		break;
	case LOG_FIELD_INT:
		n = snprintf(to, room, "%s=%lld", f->key, (long long)f->i);
		break;
	case LOG_FIELD_UINT:
		n = snprintf(to, room, "%s=%llu", f->key, (unsigned long long)f->u);
		break;
	}
	return MIN((size_t)MAX(n, 0), room - 1);
}

static void write_journal(enum log_level level, const struct log_field *fields, size_t n,
			  const char *message)
{
	struct iovec iov[LOG_FIELDS_MAX + 2];
	char text[LOG_LINE_BYTES], sentence[LOG_MESSAGE_BYTES + 16], priority[16];
	size_t used = 0;
	int count = 0;

	(void)snprintf(sentence, sizeof(sentence), "MESSAGE=%s", message);
	(void)snprintf(priority, sizeof(priority), "PRIORITY=%d", (int)level);
	iov[count++] = (struct iovec){ .iov_base = sentence, .iov_len = strlen(sentence) };
	iov[count++] = (struct iovec){ .iov_base = priority, .iov_len = strlen(priority) };
	for (size_t i = 0; i < n && i < LOG_FIELDS_MAX; i++) {
		size_t room = sizeof(text) - used;

		if (!is_present(&fields[i]) || room < strlen(fields[i].key) + 24)
			continue;
		iov[count].iov_base = text + used;
		iov[count].iov_len = write_field(text + used, room, &fields[i]);
		used += iov[count++].iov_len + 1;
	}
	(void)sd_journal_sendv(iov, count);
}

static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	/* systemd wrote it: NOLINTNEXTLINE(cert-err34-c) */
	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 ||
	    fstat(STDERR_FILENO, &st) < 0)
		return false;
	return st.st_dev == dev && st.st_ino == ino;
}

static bool set_topic(const char *name, size_t n)
{
	for (size_t i = 0; i < LOG_TOPIC_N; i++) {
		if (strlen(topic_names[i]) == n && !memcmp(topic_names[i], name, n)) {
			log_state.topics |= 1U << i;
			return true;
		}
	}
	if (n == 3 && !memcmp(name, "all", n)) {
		log_state.topics = ~0U;
		return true;
	}
	return false;
}

static void read_topics(const char *list)
{
	size_t n;

	for (; *list; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (n > 0 && !set_topic(list, n))
			log_warning(
				LOG_NO_FIELDS,
				"SIDEPOOL_DEBUG: no topic \"%.*s\"; there are error, sp, rpc, core, pg, "
				"breaker, all",
				(int)n, list);
	}
}

void log_setup(enum log_level level, enum log_format format)
{
	const char *topics = getenv("SIDEPOOL_DEBUG");

	log_state.level = level;
	log_state.format = format;
	log_state.journal = stderr_is_journal();
	log_state.topics = 0;
	if (topics)
		read_topics(topics);
}

bool log_debugs(enum log_topic topic)
{
	return log_state.topics & (1U << topic);
}

void log_write(enum log_level level, const struct log_field *fields, size_t n_fields,
	       const char *format, ...)
{
	char message[LOG_MESSAGE_BYTES];
	va_list args;

	if (level > log_state.level && level != LOG_LEVEL_DEBUG)
		return;
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (log_state.journal)
		write_journal(level, fields, n_fields, message);
	else if (log_state.format == LOG_FORMAT_JSON)
		write_json(level, fields, n_fields, message);
	else
		write_text(level, fields, n_fields, message);
}
