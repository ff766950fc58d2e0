/* SPDX-License-Identifier: MIT */
/*
 * The table and the ways to look into it. Each row names a member of the section's struct; that
 * member and type agree is checked when this file is compiled, so that setting_parse() may write
 * through the offset.
 */
#include "config/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/distance.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define USEC_PER_HOUR (3600 * (int64_t)USEC_PER_SEC)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)

#define STRUCT_SIDEPOOL struct config
#define STRUCT_POOL struct config_pool
#define STRUCT_APPLICATION struct config_application

#define MEMBER_BOOL bool
#define MEMBER_INT uint32_t
#define MEMBER_SIGNED int32_t
#define MEMBER_SIZE uint64_t
#define MEMBER_TIME usec
#define MEMBER_RATIO double
#define MEMBER_STRING char *
#define MEMBER_ENUM uint32_t /* gcc and clang give an enum without negative values this type */
#define MEMBER_LIST struct config_list
#define MEMBER_MODE uint32_t

#define OFF SETTING_OFF
#define RESTART SETTING_RESTART
#define INHERIT SETTING_INHERIT
#define SECRET SETTING_SECRET
#define USER SETTING_USER
#define GROUP SETTING_GROUP

/* The offset, and a build that breaks where the member is not of the setting's type. */
#define TYPED_OFFSET(type, member_type, member)                                                    \
	(offsetof(type, member) +                                                                  \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->member),             \
						      member_type)                                 \
				 ? 1                                                               \
				 : -1]))

#define SETTING(section_, name_, type_, member, fallback_, least_, most_, flags_, ...)             \
	{ .section = SETTING_SECTION_##section_,                                                   \
	  .type = SETTING_##type_,                                                                 \
	  .name = #name_,                                                                          \
	  .offset = TYPED_OFFSET(STRUCT_##section_, MEMBER_##type_, member),                       \
	  .fallback = fallback_,                                                                   \
	  .least = (int64_t)(least_),                                                              \
	  .most = (int64_t)(most_),                                                                \
	  .flags = flags_,                                                                         \
	  .help = __VA_ARGS__ },

static const struct setting settings[] = {
#include "config/settings.def"
};

const struct setting *setting_table(enum setting_section section, size_t *ret_n)
{
	const struct setting *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (settings[i].section != section)
			continue;
		if (!first)
			first = &settings[i];
		n++;
	}
	*ret_n = n;
	return first;
}

const struct setting *setting_find(enum setting_section section, const char *name)
{
	size_t n;
	const struct setting *table = setting_table(section, &n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

size_t setting_index(const struct setting *s)
{
	size_t n;

	return (size_t)(s - setting_table(s->section, &n));
}

const char *setting_section_name(enum setting_section section)
{
	static const char *const names[] = { "sidepool", "pool", "application" };

	return names[section];
}

static bool is_word_of(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; p && *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		if (len == n && !strncasecmp(p, word, n))
			return true;
		p += len;
	}
	return false;
}

const struct setting *setting_guess(enum setting_section section, const char *name)
{
	size_t n, best = distance_limit(name) + 1;
	const struct setting *table = setting_table(section, &n), *guess = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = is_word_of(table[i].elsewhere, name)
				   ? 0
				   : distance_within(name, table[i].name, best);

		if (d < best) {
			best = d;
			guess = &table[i];
		}
	}
	return guess;
}

static const char *section_form(enum setting_section kind)
{
	static const char *const forms[] = { "[sidepool]", "a [pool NAME] section",
					     "an [application PATTERN] section" };

	return forms[kind];
}

/* By the section it stands in, else by the others. */
static const struct setting *guess_anywhere(enum setting_section section, const char *name)
{
	const struct setting *guess = setting_guess(section, name);

	for (enum setting_section i = 0; !guess && i < SETTING_SECTION_N; i++)
		guess = setting_guess(i, name);
	return guess;
}

void setting_tell_unknown(enum setting_section section, const char *name, char *ret_message,
			  size_t n)
{
	const struct setting *guess = guess_anywhere(section, name);

	for (enum setting_section i = 0; i < SETTING_SECTION_N; i++) {
		if (!setting_find(i, name))
			continue;
		(void)snprintf(ret_message, n, "%s does not belong here: it is a setting of %s",
			       name, section_form(i));
		return;
	}
	if (!guess)
		(void)snprintf(ret_message, n, "unknown setting \"%s\": sidepoold --help lists all",
			       name);
	else
		(void)snprintf(ret_message, n, "unknown setting \"%s\": did you mean %s%s%s?", name,
			       guess->name, guess->section == section ? "" : " in ",
			       guess->section == section ? "" : section_form(guess->section));
}

static void put_upper(char *text, size_t n, const char *s)
{
	size_t at = strlen(text);

	for (; *s && at + 1 < n; s++)
		text[at++] = isalnum((unsigned char)*s) ? (char)toupper((unsigned char)*s) : '_';
	text[at] = '\0';
}

void setting_variable(const struct setting *s, const char *pool, char *ret_name, size_t n)
{
	*ret_name = '\0';
	if (s->section == SETTING_SECTION_APPLICATION)
		return;
	put_upper(ret_name, n, s->section == SETTING_SECTION_POOL ? "SIDEPOOL_POOL_" : "SIDEPOOL_");
	if (s->section == SETTING_SECTION_POOL && strcmp(pool, "main") != 0) {
		put_upper(ret_name, n, pool);
		put_upper(ret_name, n, "_");
	}
	put_upper(ret_name, n, s->name);
}
