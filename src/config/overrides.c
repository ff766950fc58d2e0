/* SPDX-License-Identifier: MIT */
/*
 * What may be changed so is all that a reload can bring into force, but for secrets: what is typed
 * into a command is seen in the process list. A list never holds two of one section and name, so it
 * is no longer than the configuration.
 */
#include "config/overrides.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"
#include "util/error.h"

enum { RECORD_BYTES = 16384 };

/* ---- what is meant ---- */

static int printf_like(3, 4) refuse(char *message, size_t n, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, n, format, args);
	va_end(args);
	return CONFIG_OVERRIDE_E_REFUSED;
}

/* Of several [application] sections with one pattern none can be told from the others. */
static int find_section(const struct config *c, const char *title, struct section *ret_section,
			char *message, size_t n)
{
	struct section s;
	size_t found = 0;

	for (size_t i = 0; section_at(c, i, &s); i++) {
		char *of_it = section_title(&s);

		if (!of_it)
			return err_raise(-ENOMEM);
		if (!strcmp(of_it, title) && found++ == 0)
			*ret_section = s;
		free(of_it);
	}
	if (found == 0)
		return refuse(message, n, "there is no section [%s]", title);
	if (found > 1)
		return refuse(message, n,
			      "there are %zu sections [%s], and none can be told from the others "
			      "here: change the file and reload",
			      found, title);
	return 0;
}

/* Where a setting belongs that was named without a section. */
static int guess_section(const struct config *c, const char *name, struct section *ret_section,
			 char *message, size_t n)
{
	*ret_section = section_of_config((struct config *)c);
	if (setting_find(SETTING_SECTION_SIDEPOOL, name))
		return 0;
	if (setting_find(SETTING_SECTION_POOL, name) && c->n_pools == 1) {
		*ret_section = section_of_pool(&c->pools[0]);
		return 0;
	}
	if (setting_find(SETTING_SECTION_POOL, name))
		return refuse(message, n,
			      "%s is a setting of a [pool NAME] section, and there are %zu: say of "
			      "which pool",
			      name, c->n_pools);
	if (setting_find(SETTING_SECTION_APPLICATION, name))
		return refuse(message, n,
			      "%s is a setting of an [application PATTERN] section: say of which",
			      name);
	return 0; /* of none: told as unknown */
}

static int check_setting(const struct section *section, const char *name, char *message, size_t n)
{
	const struct setting *s = setting_find(section->kind, name);

	if (!s) {
		setting_tell_unknown(section->kind, name, message, n);
		return CONFIG_OVERRIDE_E_REFUSED;
	}
	if (s->flags & SETTING_RESTART)
		return refuse(message, n,
			      "%s needs a restart: write it into the file and restart the daemon",
			      name);
	if (s->flags & SETTING_SECRET)
		return refuse(message, n,
			      "%s may hold a password, which a command line would show: write it "
			      "into the file and reload",
			      name);
	return 0;
}

int config_override_find(const struct config *c, const char *section, const char *name,
			 char **ret_section, char *ret_message, size_t n)
{
	struct section s = { .kind = SETTING_SECTION_SIDEPOOL };
	char *title;
	int r = *section ? find_section(c, section, &s, ret_message, n)
			 : guess_section(c, name, &s, ret_message, n);

	if (r == 0)
		r = check_setting(&s, name, ret_message, n);
	if (r)
		return r < 0 ? err_forward(r) : r;
	title = section_title(&s);
	if (!title)
		return err_raise(-ENOMEM);
	*ret_section = title;
	return 0;
}

/* ---- the list ---- */

static void override_deinit(struct config_override *o)
{
	free(o->section);
	free(o->name);
	free(o->value);
	free(o->where);
}

static bool is_of(const struct config_override *o, const char *section, const char *name)
{
	return !strcmp(o->section, section) && !strcmp(o->name, name);
}

size_t config_overrides_drop(struct config_overrides *o, const char *section, const char *name)
{
	size_t kept = 0, dropped;

	for (size_t i = 0; i < o->n; i++) {
		if (!*name || is_of(&o->items[i], section, name))
			override_deinit(&o->items[i]);
		else
			o->items[kept++] = o->items[i];
	}
	dropped = o->n - kept;
	o->n = kept;
	return dropped;
}

int config_overrides_put(struct config_overrides *o, const char *section, const char *name,
			 const char *value, const char *where)
{
	struct config_override added = { strdup(section), strdup(name), strdup(value),
					 strdup(where) };
	struct config_override *items = reallocarray(o->items, o->n + 1, sizeof(*items));

	if (items)
		o->items = items;
	if (!items || !added.section || !added.name || !added.value || !added.where) {
		override_deinit(&added);
		return err_raise(-ENOMEM);
	}
	(void)config_overrides_drop(o, section, name);
	o->items[o->n++] = added;
	return 0;
}

int config_overrides_copy(const struct config_overrides *o, struct config_overrides *ret_copy)
{
	*ret_copy = CONFIG_OVERRIDES_NULL;
	for (size_t i = 0; i < o->n; i++) {
		const struct config_override *item = &o->items[i];
		int r = config_overrides_put(ret_copy, item->section, item->name, item->value,
					     item->where);

		if (r < 0) {
			config_overrides_deinit(ret_copy);
			return err_forward(r);
		}
	}
	return 0;
}

void config_overrides_deinit(struct config_overrides *o)
{
	for (size_t i = 0; i < o->n; i++)
		override_deinit(&o->items[i]);
	free(o->items);
	*o = CONFIG_OVERRIDES_NULL;
}

/* ---- in a load ---- */

static bool has_title(struct loader *l, const struct section *s, const char *title)
{
	char *of_it = section_title(s);
	bool is_it = of_it && !strcmp(of_it, title);

	if (!of_it)
		l->error = err_raise(-ENOMEM);
	free(of_it);
	return is_it;
}

static void apply(struct loader *l, const struct config_override *o)
{
	struct place place = { CONFIG_SOURCE_SET, false, o->where };
	struct section s;

	for (size_t i = 0; section_at(l->config, i, &s); i++) {
		if (!has_title(l, &s, o->section))
			continue;
		loader_set(l, &s, setting_find(s.kind, o->name), o->value, &place);
		return;
	}
	loader_warn(l, &place, "%s = %s is for [%s], which is not there any more", o->name,
		    o->value, o->section);
}

void loader_apply_overrides(struct loader *l)
{
	const struct config_overrides *o = l->input->overrides;

	for (size_t i = 0; o && i < o->n; i++)
		apply(l, &o->items[i]);
}

void config_user_text(uint32_t uid, char *ret_text, size_t n)
{
	char buf[RECORD_BYTES];
	struct passwd pw, *found = NULL;

	(void)getpwuid_r((uid_t)uid, &pw, buf, sizeof(buf), &found);
	if (found)
		(void)snprintf(ret_text, n, "uid %u (%.64s)", uid, found->pw_name);
	else
		(void)snprintf(ret_text, n, "uid %u", uid);
}
