/* SPDX-License-Identifier: MIT */
/*
 * The table as documentation: for the terminal, as an example file, as a part of sidepool.conf(5).
 * All three say the same words, those of settings.def.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/arguments.h"
#include "config/config.h"
#include "config/report.h"
#include "config/settings.h"
#include "util/error.h"

enum {
	TEXT_COLUMNS = 78,
	FACTS_LEN_MAX = 512,
};

static const char *const section_titles[] = { "[sidepool]", "[pool NAME]",
					      "[application PATTERN]" };

/* Words of `text` in lines of at most TEXT_COLUMNS, each behind `prefix`. */
static void put_wrapped(FILE *f, const char *prefix, const char *text)
{
	size_t column = 0;

	for (const char *p = text; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (column > 0 && column + 1 + n > TEXT_COLUMNS) {
			(void)fputc('\n', f);
			column = 0;
		}
		column += (size_t)fprintf(f, "%s%.*s", column ? " " : prefix, (int)n, p);
		p += n;
	}
	(void)fputc('\n', f);
}

static void append(char *text, const char *before, const char *value)
{
	size_t n = strlen(text);

	(void)snprintf(text + n, FACTS_LEN_MAX - n, "%s%s", before, value);
}

/*
 * "time, 1ms to 7d, off; $SIDEPOOL_POOL_..., $DB_POOL_TIMEOUT; in the URL pool_timeout; a change
 * needs a restart"
 */
static void put_facts(const struct setting *s, char text[static FACTS_LEN_MAX])
{
	char range[96], variable[96], type[128];

	setting_type_text(s, type, sizeof(type));
	setting_range(s, range, sizeof(range));
	setting_variable(s, "main", variable, sizeof(variable));
	*text = '\0';
	append(text, "", type);
	if (*range)
		append(text, ", ", range);
	if (*variable)
		append(text, "; $", variable);
	if (s->alias)
		append(text, ", $", s->alias);
	if (s->parameter)
		append(text, "; in the URL ", s->parameter);
	if (s->flags & SETTING_RESTART)
		append(text, "; ", "a change needs a restart");
}

static void help_section(FILE *f, enum setting_section section)
{
	size_t n;
	const struct setting *table = setting_table(section, &n);
	char facts[FACTS_LEN_MAX];

	(void)fprintf(f, "\nSettings of %s:\n", section_titles[section]);
	for (size_t i = 0; i < n; i++) {
		put_facts(&table[i], facts);
		(void)fprintf(f, "  %s%s%s\n", table[i].name, *table[i].fallback ? " = " : "",
			      table[i].fallback);
		put_wrapped(f, "      ", table[i].help);
		append(facts, ".", "");
		put_wrapped(f, "      ", facts);
	}
}

int config_print_settings(FILE *f)
{
	for (enum setting_section i = 0; i < SETTING_SECTION_N; i++)
		help_section(f, i);
	return ferror(f) ? err_raise(-EIO) : 0;
}

static void example_setting(FILE *f, const struct setting *s)
{
	char facts[FACTS_LEN_MAX];

	put_facts(s, facts);
	(void)fputc('\n', f);
	put_wrapped(f, "# ", s->help);
	append(facts, ".", "");
	put_wrapped(f, "# ", facts);
	(void)fprintf(f, "#%s =%s%s\n", s->name, *s->fallback ? " " : "", s->fallback);
}

static const char *const example_titles[] = { "[sidepool]", "[pool main]", "[application *]" };

/* What stands above each section's settings. */
static const char *const example_words[] = {
	"The daemon: its socket, the budget of connections, and what holds for all pools and "
	"applications.",
	"A database, as one role. There may be more such sections, each with a name of its own; "
	"the first is the one that "
	"clients get who ask for none.",
	"Who asks, and what it gets. The pattern is matched against the name that the client "
	"declares (*, ? and [a-z] as in a "
	"shell), and every match_ setting against what the kernel says of it; all must fit. The "
	"sections are tried in their "
	"order, the first that fits wins, and who fits none gets these defaults. A section without "
	"any match_ setting rests on "
	"the client's word: min, priority above 0 and weight above 1 are refused there.",
};

int config_print_example(FILE *f)
{
	(void)fprintf(
		f, "# SPDX-License-Identifier: MIT\n"
		   "# sidepool.conf, see sidepool.conf(5). Every setting is here, at its default.\n"
		   "# A comment begins with # or ; at the start of a line, or with \" ;\" behind a "
		   "value.\n"
		   "# Check it with: sidepoold --check\n");
	for (enum setting_section i = 0; i < SETTING_SECTION_N; i++) {
		size_t n;
		const struct setting *table = setting_table(i, &n);

		(void)fputc('\n', f);
		put_wrapped(f, "# ", example_words[i]);
		(void)fprintf(f, "%s%s\n", i == SETTING_SECTION_SIDEPOOL ? "" : "#",
			      example_titles[i]);
		for (size_t j = 0; j < n; j++)
			example_setting(f, &table[j]);
	}
	return ferror(f) ? err_raise(-EIO) : 0;
}

/* Text for roff: a sentence a line, nothing that could be taken for a request. */
static void put_roff(FILE *f, const char *text)
{
	bool begins = true;

	for (const char *p = text; *p; p++) {
		if (begins && (*p == '.' || *p == '\''))
			(void)fputs("\\&", f);
		begins = false;
		if (*p == '\\') {
			(void)fputs("\\e", f);
		} else if (*p == ' ' && p > text && p[-1] == '.') {
			(void)fputc('\n', f);
			begins = true;
		} else {
			(void)fputc(*p, f);
		}
	}
	(void)fputc('\n', f);
}

static void man_setting(FILE *f, const struct setting *s)
{
	char facts[FACTS_LEN_MAX];

	put_facts(s, facts);
	(void)fprintf(f, ".It Ic %s\n", s->name);
	put_roff(f, s->help);
	(void)fprintf(f, ".br\nDefault: %s.\n", *s->fallback ? s->fallback : "empty");
	facts[0] = (char)toupper((unsigned char)facts[0]);
	append(facts, ".", "");
	put_roff(f, facts);
}

int config_print_man(FILE *f, const char *section)
{
	for (enum setting_section i = 0; i < SETTING_SECTION_N; i++) {
		size_t n;
		const struct setting *table = setting_table(i, &n);

		if (strcmp(section, setting_section_name(i)) != 0)
			continue;
		(void)fprintf(f, ".Bl -tag -width Ds\n");
		for (size_t j = 0; j < n; j++)
			man_setting(f, &table[j]);
		(void)fprintf(f, ".El\n");
		return ferror(f) ? err_raise(-EIO) : 0;
	}
	return err_raise(-EINVAL);
}
