/* SPDX-License-Identifier: MIT */
/*
 * A config as text: value by value through the table. What is secret is compared as it is and shown
 * masked, so that a new password counts as a change without being told.
 */
#include "config/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/section.h"
#include "util/error.h"

static void put_origin(FILE *f, const struct config_origin *o)
{
	static const char *const names[] = {
		[CONFIG_SOURCE_DEFAULT] = "default",
		[CONFIG_SOURCE_ALIAS] = "alias ",
		[CONFIG_SOURCE_FILE] = "",
		[CONFIG_SOURCE_ENVIRONMENT] = "environment ",
		[CONFIG_SOURCE_COMMAND_LINE] = "command line",
		[CONFIG_SOURCE_SET] = "",
	};
	bool names_itself = o->source == CONFIG_SOURCE_COMMAND_LINE || !o->where;

	(void)fprintf(f, "%s%s%s", names[o->source], names_itself ? "" : o->where,
		      o->in_url ? ", in the URL" : "");
}

/* The value as it may be shown. Owned by the caller; NULL without memory. */
static char *shown(const struct setting *s, const char *value)
{
	return s->flags & SETTING_SECRET ? config_mask(value) : strdup(value);
}

static int print_setting(FILE *f, const struct section *section, const struct setting *s)
{
	char *value = setting_format(s, section->object), *text = value ? shown(s, value) : NULL;

	free(value);
	if (!text)
		return err_raise(-ENOMEM);
	(void)fprintf(f, "%s =%s%s ; ", s->name, *text ? " " : "", text);
	put_origin(f, &section->origins[setting_index(s)]);
	(void)fputc('\n', f);
	free(text);
	return 0;
}

static int print_section(FILE *f, const struct section *section)
{
	size_t n;
	const struct setting *table = setting_table(section->kind, &n);
	char *title = section_title(section);
	int r = title ? 0 : err_raise(-ENOMEM);

	if (title)
		(void)fprintf(f, "[%s]\n", title);
	for (size_t i = 0; i < n && r == 0; i++)
		r = print_setting(f, section, &table[i]);
	free(title);
	return r < 0 ? err_forward(r) : 0;
}

int config_print(const struct config *c, FILE *f)
{
	struct section section;

	for (size_t i = 0; section_at(c, i, &section); i++) {
		int r;

		if (i > 0)
			(void)fputc('\n', f);
		r = print_section(f, &section);
		if (r < 0)
			return err_forward(r);
	}
	return ferror(f) ? err_raise(-EIO) : 0;
}

struct diff {
	config_change_fn change;
	void *userdata;
	int n;
};

static int tell_section(struct diff *d, const struct section *section, const char *before,
			const char *after)
{
	char *title = section_title(section);

	if (!title)
		return err_raise(-ENOMEM);
	d->change(d->userdata, &(struct config_change){ title, NULL, before, after, false });
	d->n++;
	free(title);
	return 0;
}

/* `section` titles the change, in whichever of the two configs it is. */
static int tell_change(struct diff *d, const struct section *section, const struct setting *s,
		       const char *before, const char *after)
{
	char *title = section_title(section), *old_text = before ? shown(s, before) : NULL,
	     *new_text = after ? shown(s, after) : NULL;
	bool failed = !title || (before && !old_text) || (after && !new_text);

	if (!failed)
		d->change(d->userdata, &(struct config_change){ title, s->name, old_text, new_text,
								s->flags & SETTING_RESTART });
	free(title);
	free(old_text);
	free(new_text);
	d->n++;
	return failed ? err_raise(-ENOMEM) : 0;
}

static int diff_setting(struct diff *d, const struct section *before, const struct section *after,
			const struct setting *s)
{
	char *old_text = before ? setting_format(s, before->object) : NULL,
	     *new_text = after ? setting_format(s, after->object) : NULL;
	int r = (before && !old_text) || (after && !new_text) ? err_raise(-ENOMEM) : 0;

	if (r == 0 && (!old_text || !new_text || strcmp(old_text, new_text) != 0))
		r = tell_change(d, after ? after : before, s, old_text, new_text);
	free(old_text);
	free(new_text);
	return r;
}

/* Of a section that only one of the two has, the defaults go without saying. */
static bool was_set(const struct section *section, size_t i)
{
	return section->origins[i].source != CONFIG_SOURCE_DEFAULT;
}

static int diff_section(struct diff *d, const struct section *before, const struct section *after)
{
	size_t n;
	const struct setting *table = setting_table(before ? before->kind : after->kind, &n);
	int r = 0;

	if (!before)
		r = tell_section(d, after, NULL, "present");
	else if (!after)
		r = tell_section(d, before, "present", NULL);
	for (size_t i = 0; i < n && r == 0; i++)
		if ((before && after) || was_set(before ? before : after, i))
			r = diff_setting(d, before, after, &table[i]);
	return r < 0 ? err_forward(r) : 0;
}

/*
 * The section of the same kind and name; of several of one name (applications), the one at the same
 * place among them.
 */
static bool find_twin(const struct config *in, const struct config *from, size_t at,
		      struct section *ret_twin)
{
	struct section wanted, s;
	size_t nth = 0;

	(void)section_at(from, at, &wanted);
	for (size_t i = 0; i < at && section_at(from, i, &s); i++)
		nth += s.kind == wanted.kind && !strcmp(s.name, wanted.name);
	for (size_t i = 0; section_at(in, i, &s); i++) {
		if (s.kind != wanted.kind || strcmp(s.name, wanted.name) != 0 || nth-- > 0)
			continue;
		*ret_twin = s;
		return true;
	}
	return false;
}

/* The first match wins, so the order is a setting too. */
static int diff_order(struct diff *d, const struct config *before, const struct config *after)
{
	size_t n = MIN(before->n_applications, after->n_applications);

	for (size_t i = 0; i < n; i++) {
		struct section s = section_of_application(&after->applications[i]), twin;

		if (!strcmp(before->applications[i].pattern, s.name))
			continue;
		return find_twin(before, after, 1 + after->n_pools + i, &twin)
			       ? tell_section(d, &s, "later", "earlier")
			       : 0;
	}
	return 0;
}

int config_diff(const struct config *before, const struct config *after, config_change_fn change,
		void *userdata)
{
	struct diff d = { change, userdata, 0 };
	struct section s, twin;
	int r = 0;

	for (size_t i = 0; r == 0 && section_at(before, i, &s); i++)
		r = diff_section(&d, &s, find_twin(after, before, i, &twin) ? &twin : NULL);
	for (size_t i = 0; r == 0 && section_at(after, i, &s); i++)
		if (!find_twin(before, after, i, &twin))
			r = diff_section(&d, NULL, &s);
	if (r == 0)
		r = diff_order(&d, before, after);
	return r < 0 ? err_forward(r) : d.n;
}
