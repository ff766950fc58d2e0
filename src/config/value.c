/* SPDX-License-Identifier: MIT */
/*
 * Values as text, type by type. A refusal says what to write instead, because whoever reads it has
 * the file open. Every value that setting_format() writes is read back to the same value; a test
 * holds that for the whole table.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/settings.h"
#include "util/error.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* From large to small: the first that divides a value is how it is written. */
static const struct unit time_units[] = {
	{ "d", 86400 * USEC_PER_SEC }, { "h", 3600 * USEC_PER_SEC }, { "min", 60 * USEC_PER_SEC },
	{ "s", USEC_PER_SEC },         { "ms", USEC_PER_MS },        { "us", 1 },
};

static const struct unit size_units[] = {
	{ "TiB", UINT64_C(1) << 40 },
	{ "GiB", UINT64_C(1) << 30 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "", 1 },
};

/* What people write, and which unit they may have meant. */
static const struct {
	const char *written;
	const char *meant;
	const char *or_meant;
} time_slips[] = {
	{ "m", "min", "ms" },      { "mn", "min", NULL },      { "mins", "min", NULL },
	{ "minute", "min", NULL }, { "minutes", "min", NULL }, { "sec", "s", NULL },
	{ "secs", "s", NULL },     { "second", "s", NULL },    { "seconds", "s", NULL },
	{ "msec", "ms", NULL },    { "millis", "ms", NULL },   { "milliseconds", "ms", NULL },
	{ "hour", "h", NULL },     { "hours", "h", NULL },     { "hr", "h", NULL },
	{ "day", "d", NULL },      { "days", "d", NULL },
};

static void *member(const struct setting *s, void *object)
{
	return (char *)object + s->offset;
}

static const void *const_member(const struct setting *s, const void *object)
{
	return (const char *)object + s->offset;
}

/*
 * Digits alone, no sign, no space. Returns the first byte behind them, NULL if there are none or
 * too many.
 */
static const char *parse_digits(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *p = text;

	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return NULL;
	*ret_value = value;
	return p == text ? NULL : p;
}

static void put_amount(const struct unit *units, size_t n_units, uint64_t value, char *ret_text,
		       size_t n)
{
	size_t i = 0;

	if (value == 0)
		i = units == time_units ? 3 : n_units - 1;
	while (i + 1 < n_units && value % units[i].factor)
		i++;
	(void)snprintf(ret_text, n, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
}

static void put_number(const struct setting *s, int64_t value, char *ret_text, size_t n)
{
	switch (s->type) {
	case SETTING_TIME:
		put_amount(time_units, ARRAY_LEN(time_units), (uint64_t)value, ret_text, n);
		break;
	case SETTING_SIZE:
		put_amount(size_units, ARRAY_LEN(size_units), (uint64_t)value, ret_text, n);
		break;
	case SETTING_RATIO:
		(void)snprintf(ret_text, n,
			       value % 10 ? "%" PRId64 ".%" PRId64 "%%" : "%" PRId64 "%%",
			       value / 10, value % 10);
		break;
	default:
		(void)snprintf(ret_text, n, "%" PRId64, value);
		break;
	}
}

void setting_range(const struct setting *s, char *ret_text, size_t n)
{
	char least[32], most[32];

	*ret_text = '\0';
	if (s->type == SETTING_BOOL || s->type == SETTING_ENUM || s->type == SETTING_LIST ||
	    s->type == SETTING_STRING || s->type == SETTING_MODE)
		return;
	put_number(s, s->least, least, sizeof(least));
	put_number(s, s->most, most, sizeof(most));
	(void)snprintf(ret_text, n, "%s to %s%s%s", least, most,
		       s->flags & SETTING_OFF ? ", off" : "",
		       s->flags & SETTING_INHERIT ? ", inherit" : "");
}

static int refuse_range(const struct setting *s, const char *text, char *ret_message, size_t n)
{
	char range[96];

	setting_range(s, range, sizeof(range));
	(void)snprintf(ret_message, n, "%s is out of range: %s", text, range);
	return 1;
}

static bool in_range(const struct setting *s, uint64_t value)
{
	return value <= INT64_MAX && (int64_t)value >= s->least && (int64_t)value <= s->most;
}

static int parse_bool(const char *text, bool *ret_value, char *ret_message, size_t n)
{
	static const char *const yes[] = { "on", "yes", "true", "1" }, *const no[] = { "off", "no",
										       "false",
										       "0" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
			*ret_value = !strcasecmp(text, yes[i]);
			return 0;
		}
	}
	(void)snprintf(ret_message, n, "\"%s\" is neither on nor off", text);
	return 1;
}

static int parse_int(const struct setting *s, const char *text, int64_t *ret_value,
		     char *ret_message, size_t n)
{
	bool is_negative = *text == '-';
	uint64_t value = 0;
	const char *end = parse_digits(text + is_negative, &value);

	if (strspn(text + is_negative, "0123456789") == 0 ||
	    text[is_negative + strspn(text + is_negative, "0123456789")]) {
		(void)snprintf(ret_message, n, "\"%s\" is not a whole number", text);
		return 1;
	}
	if (!end || value > INT32_MAX)
		return refuse_range(s, text, ret_message, n);
	*ret_value = is_negative ? -(int64_t)value : (int64_t)value;
	if (*ret_value < s->least || *ret_value > s->most)
		return refuse_range(s, text, ret_message, n);
	return 0;
}

/*
 * A number and its unit. Returns false if it is not that; *ret_value is UINT64_MAX where it is too
 * large.
 */
static bool parse_amount(const struct unit *units, size_t n_units, const char *text,
			 uint64_t *ret_value)
{
	size_t digits = strspn(text, "0123456789");
	const char *suffix = text + digits;

	suffix += strspn(suffix, " ");
	for (size_t i = 0; digits && i < n_units; i++) {
		if (strcmp(units[i].name, suffix) != 0)
			continue;
		if (!parse_digits(text, ret_value) ||
		    __builtin_mul_overflow(*ret_value, units[i].factor, ret_value))
			*ret_value = UINT64_MAX;
		return true;
	}
	return false;
}

/* "16MB", "16 m", "16kb": the unit by its first letter. */
static int refuse_size(const char *text, char *ret_message, size_t n)
{
	static const char letters[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	const char *suffix = text + digits + strspn(text + digits, " ");
	const char *letter = *suffix ? strchr(letters, toupper((unsigned char)*suffix)) : NULL;

	if (digits && letter &&
	    (!suffix[1] || !strcasecmp(suffix + 1, "b") || !strcasecmp(suffix + 1, "ib")))
		(void)snprintf(ret_message, n, "\"%s\" is not a size: write %.*s%ciB", text,
			       (int)digits, text, *letter);
	else
		(void)snprintf(ret_message, n,
			       "\"%s\" is not a size: write a whole number of bytes, or with KiB, "
			       "MiB, GiB or TiB behind it",
			       text);
	return 1;
}

static int parse_size(const struct setting *s, const char *text, uint64_t *ret_value,
		      char *ret_message, size_t n)
{
	uint64_t value;

	if (!parse_amount(size_units, ARRAY_LEN(size_units), text, &value))
		return refuse_size(text, ret_message, n);
	if (!in_range(s, value))
		return refuse_range(s, text, ret_message, n);
	*ret_value = value;
	return 0;
}

static int refuse_bare_time(const struct setting *s, const char *text, char *ret_message, size_t n)
{
	if (strspn(text, "0") == strlen(text) && s->flags & SETTING_OFF)
		(void)snprintf(ret_message, n, "\"%s\" has no unit: write off to switch it off",
			       text);
	else
		(void)snprintf(ret_message, n, "\"%s\" has no unit: write %ss or %sms", text, text,
			       text);
	return 1;
}

static int refuse_time(const struct setting *s, const char *text, char *ret_message, size_t n)
{
	size_t digits = strspn(text, "0123456789");
	const char *suffix = text + digits + strspn(text + digits, " ");

	if (digits && !*suffix)
		return refuse_bare_time(s, text, ret_message, n);
	for (size_t i = 0; digits && i < ARRAY_LEN(time_slips); i++) {
		if (strcasecmp(time_slips[i].written, suffix) != 0)
			continue;
		(void)snprintf(ret_message, n, "\"%s\" is not a time: write %.*s%s", text,
			       (int)digits, text, time_slips[i].meant);
		if (time_slips[i].or_meant)
			(void)snprintf(ret_message + strlen(ret_message), n - strlen(ret_message),
				       " or %.*s%s", (int)digits, text, time_slips[i].or_meant);
		return 1;
	}
	(void)snprintf(
		ret_message, n,
		"\"%s\" is not a time: write a whole number and us, ms, s, min, h or d behind it%s",
		text, s->flags & SETTING_OFF ? ", or off" : "");
	return 1;
}

static int parse_time(const struct setting *s, const char *text, usec *ret_value, char *ret_message,
		      size_t n)
{
	uint64_t value;

	if (s->flags & SETTING_INHERIT && !strcasecmp(text, "inherit")) {
		*ret_value = CONFIG_INHERIT;
		return 0;
	}
	if (!strcasecmp(text, "off")) {
		if (!(s->flags & SETTING_OFF))
			return refuse_range(s, text, ret_message, n);
		*ret_value = USEC_NEVER;
		return 0;
	}
	if (!parse_amount(time_units, ARRAY_LEN(time_units), text, &value))
		return refuse_time(s, text, ret_message, n);
	if (!in_range(s, value))
		return refuse_range(s, text, ret_message, n);
	*ret_value = value;
	return 0;
}

/* Per cent with at most one decimal, or a fraction of one. */
static int parse_ratio(const struct setting *s, const char *text, double *ret_value,
		       char *ret_message, size_t n)
{
	char *end;
	double value = strtod(text, &end);

	if (!isdigit((unsigned char)*text))
		value = -1.0;
	else if (!strcmp(end, "%"))
		value /= 100.0;
	else if (*end || value > 1.0)
		value = -1.0;
	if (value < 0.0) {
		(void)snprintf(ret_message, n, "\"%s\" is not a percentage: write for example 80%%",
			       text);
		return 1;
	}
	if (!(value * 1000.0 >= (double)s->least && value * 1000.0 <= (double)s->most))
		return refuse_range(s, text, ret_message, n);
	*ret_value = (double)(int64_t)(value * 1000.0 + 0.5) / 1000.0;
	return 0;
}

static int parse_enum(const struct setting *s, const char *text, uint32_t *ret_value,
		      char *ret_message, size_t n)
{
	char type[128];

	for (int i = s->first_value; s->values[i]; i++) {
		if (!strcasecmp(s->values[i], text)) {
			*ret_value = (uint32_t)i;
			return 0;
		}
	}
	setting_type_text(s, type, sizeof(type));
	(void)snprintf(ret_message, n, "\"%s\" is not %s", text, type);
	return 1;
}

static int parse_mode(const struct setting *s, const char *text, uint32_t *ret_value,
		      char *ret_message, size_t n)
{
	size_t len = strspn(text, "01234567");
	long value = len && len <= 5 && !text[len] ? strtol(text, NULL, 8) : -1;

	if (value < s->least || value > s->most) {
		(void)snprintf(ret_message, n,
			       "\"%s\" is not an octal mode: write for example 0660", text);
		return 1;
	}
	*ret_value = (uint32_t)value;
	return 0;
}

static int parse_string(const struct setting *s, const char *text, char **string, char *ret_message,
			size_t n)
{
	size_t len = strlen(text);
	char *copy;

	if ((int64_t)len < s->least) {
		(void)snprintf(ret_message, n, "it must not be empty");
		return 1;
	}
	if (s->most && len > (size_t)s->most) {
		(void)snprintf(ret_message, n, "it is %zu bytes long: at most %" PRId64 " can be",
			       len, s->most);
		return 1;
	}
	copy = strdup(text);
	if (!copy)
		return err_raise(-ENOMEM);
	free(*string);
	*string = copy;
	return 0;
}

static void list_clear(struct config_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct config_list){ .items = NULL };
}

static int list_append(struct config_list *l, const char *item, size_t len)
{
	char **items = reallocarray(l->items, l->n + 1, sizeof(*items));

	if (!items)
		return err_raise(-ENOMEM);
	l->items = items;
	items[l->n] = strndup(item, len);
	if (!items[l->n])
		return err_raise(-ENOMEM);
	l->n++;
	return 0;
}

/* Separated by blanks or commas. */
static int parse_list(const char *text, struct config_list *list)
{
	struct config_list new_list = { .items = NULL };

	for (const char *p = text + strspn(text, " \t,"); *p; p += strspn(p, " \t,")) {
		size_t len = strcspn(p, " \t,");
		int r = list_append(&new_list, p, len);

		if (r < 0) {
			list_clear(&new_list);
			return err_forward(r);
		}
		p += len;
	}
	list_clear(list);
	*list = new_list;
	return 0;
}

/*
 * What other pools' variables say in their own way, in ours: seconds without a unit, -1 or 0 for
 * none.
 */
static const char *translate(const struct setting *s, const char *text, char *buf, size_t n)
{
	char *end;
	double seconds;

	if (s->type == SETTING_BOOL && !strcasecmp(text, "debug"))
		return "on";
	if (s->type == SETTING_INT && !strcmp(text, "-1")) {
		(void)snprintf(buf, n, "%" PRId64, s->most);
		return buf;
	}
	if (s->type != SETTING_TIME || !*text || strspn(text, "-.0123456789") != strlen(text))
		return text;
	seconds = strtod(text, &end);
	if (*end || seconds > 1e9)
		return text;
	if (seconds <= 0.0)
		return s->flags & SETTING_OFF ? "off" : "0s";
	(void)snprintf(buf, n, "%" PRIu64 "us", (uint64_t)(seconds * 1e6 + 0.5));
	return buf;
}

static int parse_number(const struct setting *s, void *m, const char *text, char *ret_message,
			size_t n)
{
	int64_t value;
	int r = parse_int(s, text, &value, ret_message, n);

	if (r)
		return r;
	if (s->type == SETTING_SIGNED)
		*(int32_t *)m = (int32_t)value;
	else
		*(uint32_t *)m = (uint32_t)value;
	return 0;
}

int setting_parse(const struct setting *s, void *object, const char *text,
		  enum setting_dialect dialect, char *ret_message, size_t n)
{
	void *m = member(s, object);
	char buf[32];

	if (dialect == SETTING_ALIEN)
		text = translate(s, text, buf, sizeof(buf));
	switch (s->type) {
	case SETTING_BOOL:
		return parse_bool(text, m, ret_message, n);
	case SETTING_INT:
	case SETTING_SIGNED:
		return parse_number(s, m, text, ret_message, n);
	case SETTING_SIZE:
		return parse_size(s, text, m, ret_message, n);
	case SETTING_TIME:
		return parse_time(s, text, m, ret_message, n);
	case SETTING_RATIO:
		return parse_ratio(s, text, m, ret_message, n);
	case SETTING_STRING:
		return parse_string(s, text, m, ret_message, n);
	case SETTING_ENUM:
		return parse_enum(s, text, m, ret_message, n);
	case SETTING_LIST:
		return parse_list(text, m);
	case SETTING_MODE:
		return parse_mode(s, text, m, ret_message, n);
	}
	return err_raise(-ENOTRECOVERABLE);
}

static char *format_time(const struct setting *s, usec value)
{
	char text[32];

	if (value == USEC_NEVER)
		return strdup("off");
	if (value == CONFIG_INHERIT)
		return strdup("inherit");
	put_number(s, (int64_t)value, text, sizeof(text));
	return strdup(text);
}

static char *format_list(const struct config_list *l)
{
	size_t len = 1;
	char *text, *p;

	for (size_t i = 0; i < l->n; i++)
		len += strlen(l->items[i]) + 1;
	text = malloc(len);
	if (!text)
		return NULL;
	*text = '\0';
	p = text;
	for (size_t i = 0; i < l->n; i++)
		p = stpcpy(stpcpy(p, i ? " " : ""), l->items[i]);
	return text;
}

char *setting_format(const struct setting *s, const void *object)
{
	const void *m = const_member(s, object);
	char text[32];

	switch (s->type) {
	case SETTING_BOOL:
		return strdup(*(const bool *)m ? "on" : "off");
	case SETTING_TIME:
		return format_time(s, *(const usec *)m);
	case SETTING_STRING:
		return strdup(*(char *const *)m);
	case SETTING_ENUM:
		return strdup(s->values[*(const uint32_t *)m]);
	case SETTING_LIST:
		return format_list(m);
	case SETTING_MODE:
		(void)snprintf(text, sizeof(text), "%04o", *(const uint32_t *)m);
		return strdup(text);
	case SETTING_INT:
		put_number(s, *(const uint32_t *)m, text, sizeof(text));
		return strdup(text);
	case SETTING_SIGNED:
		put_number(s, *(const int32_t *)m, text, sizeof(text));
		return strdup(text);
	case SETTING_SIZE:
		put_number(s, (int64_t) * (const uint64_t *)m, text, sizeof(text));
		return strdup(text);
	case SETTING_RATIO:
		put_number(s, (int64_t)(*(const double *)m * 1000.0 + 0.5), text, sizeof(text));
		return strdup(text);
	}
	return NULL;
}

void setting_type_text(const struct setting *s, char *ret_text, size_t n)
{
	static const char *const names[] = {
		[SETTING_BOOL] = "on or off",  [SETTING_INT] = "number",
		[SETTING_SIGNED] = "number",   [SETTING_SIZE] = "size",
		[SETTING_TIME] = "time",       [SETTING_RATIO] = "percentage",
		[SETTING_STRING] = "text",     [SETTING_LIST] = "list",
		[SETTING_MODE] = "octal mode",
	};
	size_t len;

	if (s->type != SETTING_ENUM) {
		(void)snprintf(ret_text, n, "%s", names[s->type]);
		return;
	}
	(void)snprintf(ret_text, n, "one of");
	for (int i = s->first_value; s->values[i]; i++) {
		len = strlen(ret_text);
		(void)snprintf(ret_text + len, n - len, "%s %s", i == s->first_value ? "" : ",",
			       s->values[i]);
	}
}

void setting_clear(const struct setting *s, void *object)
{
	void *m = member(s, object);

	if (s->type == SETTING_LIST) {
		list_clear(m);
	} else if (s->type == SETTING_STRING) {
		free(*(char **)m);
		*(char **)m = NULL;
	}
}
