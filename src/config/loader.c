/* SPDX-License-Identifier: MIT */
/*
 * Setting one value from one source. Sources are read in any order: each value remembers where it
 * is from, and a weaker source does not replace a stronger one. Its text is checked all the same,
 * so that a mistake does not lie in wait in a file until the variable that hides it goes away;
 * other pools' variables alone are not looked at when they are not needed.
 */
#include "config/loader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

static void put_where(const struct place *p, char *ret_text, size_t n)
{
	static const char *const prefixes[] = {
		[CONFIG_SOURCE_DEFAULT] = "",
		[CONFIG_SOURCE_ALIAS] = "environment ",
		[CONFIG_SOURCE_FILE] = "",
		[CONFIG_SOURCE_ENVIRONMENT] = "environment ",
		[CONFIG_SOURCE_COMMAND_LINE] = "command line",
		[CONFIG_SOURCE_SET] = "",
	};
	bool names_itself = !p || p->source == CONFIG_SOURCE_COMMAND_LINE || !p->where;

	(void)snprintf(ret_text, n, "%s%s", p ? prefixes[p->source] : "",
		       names_itself ? "" : p->where);
}

static void printf_like(4, 0) tell(struct loader *l, const struct place *place, bool is_warning,
				   const char *format, va_list args)
{
	char *message, where[512];

	if (vasprintf(&message, format, args) < 0) {
		l->error = err_raise(-ENOMEM);
		return;
	}
	put_where(place, where, sizeof(where));
	if (l->input->mistake)
		l->input->mistake(l->input->userdata,
				  &(struct config_mistake){ is_warning, where, message });
	free(message);
}

void loader_mistake(struct loader *l, const struct place *place, const char *format, ...)
{
	va_list args;

	l->n_mistakes++;
	va_start(args, format);
	tell(l, place, false, format, args);
	va_end(args);
}

void loader_warn(struct loader *l, const struct place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(l, place, true, format, args);
	va_end(args);
}

struct place place_of(const struct section *section, const struct setting *s)
{
	const struct config_origin *o = &section->origins[setting_index(s)];

	return (struct place){ o->source, o->in_url, o->where };
}

static int rank(enum config_source source, bool in_url)
{
	return (int)source * 2 + !in_url;
}

static bool is_duplicate(const struct config_origin *o, const struct place *place)
{
	return place->source == CONFIG_SOURCE_FILE && o->source == CONFIG_SOURCE_FILE &&
	       !o->in_url && !place->in_url;
}

static int set_origin(struct config_origin *o, const struct place *place)
{
	char *where = strdup(place->where);

	if (!where)
		return err_raise(-ENOMEM);
	free(o->where);
	*o = (struct config_origin){ place->source, place->in_url, where };
	return 0;
}

/* A setting that is only checked: parsed into a section of its kind that nobody sees. */
static int parse_aside(const struct setting *s, const char *text, enum setting_dialect dialect,
		       char *message, size_t n)
{
	union {
		struct config config;
		struct config_pool pool;
		struct config_application application;
	} aside;
	int r;

	memset(&aside, 0, sizeof(aside));
	r = setting_parse(s, &aside, text, dialect, message, n);
	setting_clear(s, &aside);
	return r;
}

/* A value of the file that looks as if it had a comment behind it. */
static const char *comment_hint(const struct place *place, const char *text)
{
	return place->source == CONFIG_SOURCE_FILE && strstr(text, " #")
		       ? " (a comment behind a value begins with \" ;\")"
		       : "";
}

void loader_set(struct loader *l, const struct section *section, const struct setting *s,
		const char *text, const struct place *place)
{
	struct config_origin *o = &section->origins[setting_index(s)];
	bool is_alien = place->source == CONFIG_SOURCE_ALIAS || place->in_url;
	bool is_stronger = rank(place->source, place->in_url) >= rank(o->source, o->in_url);
	enum setting_dialect dialect = is_alien ? SETTING_ALIEN : SETTING_NATIVE;
	char message[512];
	int r;

	if (is_duplicate(o, place)) {
		loader_mistake(l, place, "%s is set twice, first at %s", s->name, o->where);
		return;
	}
	if (!is_stronger && is_alien)
		return;
	r = is_stronger ? setting_parse(s, section->object, text, dialect, message, sizeof(message))
			: parse_aside(s, text, dialect, message, sizeof(message));
	if (r > 0)
		loader_mistake(l, place, "%s: %s%s", s->name, message, comment_hint(place, text));
	else if (r == 0 && is_stronger)
		r = set_origin(o, place);
	if (r < 0)
		l->error = r;
}

const char *loader_getenv(const struct loader *l, const char *name)
{
	size_t n = strlen(name);

	for (char *const *p = l->input->environment; p && *p; p++)
		if (!strncmp(*p, name, n) && (*p)[n] == '=')
			return (*p)[n + 1] ? *p + n + 1 : NULL;
	return NULL;
}
