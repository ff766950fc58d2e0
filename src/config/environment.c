/* SPDX-License-Identifier: MIT */
/*
 * The environment. SIDEPOOL_<SETTING> sets one of [sidepool], SIDEPOOL_POOL_<SETTING> one of [pool
 * main], and SIDEPOOL_POOL_<NAME>_<SETTING> one of another pool of the file. An application has no
 * variables: its name is a pattern. Other pools' variables (DATABASE_URL, DB_POOL_SIZE) set what
 * nobody else has set. A variable with nothing in it is not set.
 */
#include <stdlib.h>
#include <string.h>

#include "config/distance.h"
#include "config/loader.h"

enum { VARIABLE_LEN_MAX = 160 };

/* SIDEPOOL_... that are not settings. */
static const char *const others[] = { "SIDEPOOL_CONFIG", "SIDEPOOL_DEBUG", "SIDEPOOL_NAME" };

/* NAME of NAME=VALUE, or false where it is too long to be of interest. */
static bool split(const char *assignment, char *ret_name, const char **ret_value)
{
	size_t n = strcspn(assignment, "=");

	if (n >= VARIABLE_LEN_MAX || !assignment[n])
		return false;
	(void)snprintf(ret_name, VARIABLE_LEN_MAX, "%.*s", (int)n, assignment);
	*ret_value = assignment + n + 1;
	return true;
}

/* The setting of this section that the variable names; NULL: none. */
static const struct setting *find_variable(const struct section *section, const char *name)
{
	char variable[VARIABLE_LEN_MAX];
	size_t n;
	const struct setting *table = setting_table(section->kind, &n);

	for (size_t i = 0; i < n; i++) {
		setting_variable(&table[i], section->name, variable, sizeof(variable));
		if (!strcmp(variable, name))
			return &table[i];
	}
	return NULL;
}

static void tell_unknown(struct loader *l, const char *name)
{
	struct place place = { CONFIG_SOURCE_ENVIRONMENT, false, name };
	size_t best = distance_limit(name + strlen("SIDEPOOL_")) + 1;
	char variable[VARIABLE_LEN_MAX], guess[VARIABLE_LEN_MAX] = "";
	struct section section;

	for (size_t i = 0; section_at(l->config, i, &section); i++) {
		size_t n;
		const struct setting *table = setting_table(section.kind, &n);

		for (size_t j = 0; j < n; j++) {
			setting_variable(&table[j], section.name, variable, sizeof(variable));
			if (distance(name, variable) >= best)
				continue;
			best = distance(name, variable);
			(void)snprintf(guess, sizeof(guess), "%s", variable);
		}
	}
	loader_warn(l, &place, "no setting has this variable%s%s%s",
		    *guess ? ": did you mean " : "", guess, *guess ? "?" : "");
}

static bool is_other(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (!strcmp(others[i], name))
			return true;
	return false;
}

static void read_variable(struct loader *l, const char *name, const char *value)
{
	struct place place = { CONFIG_SOURCE_ENVIRONMENT, false, name };
	struct section section;

	for (size_t i = 0; section_at(l->config, i, &section); i++) {
		const struct setting *s = find_variable(&section, name);

		if (!s)
			continue;
		loader_set(l, &section, s, value, &place);
		return;
	}
	tell_unknown(l, name);
}

void loader_read_environment(struct loader *l)
{
	char name[VARIABLE_LEN_MAX];
	const char *value;

	for (char *const *p = l->input->environment; p && *p; p++)
		if (!strncmp(*p, "SIDEPOOL_", 9) && split(*p, name, &value) && *value &&
		    !is_other(name))
			read_variable(l, name, value);
}

bool loader_environment_has_main(const struct loader *l)
{
	const struct section section = { .kind = SETTING_SECTION_POOL, .name = "main" };
	char name[VARIABLE_LEN_MAX];
	const char *value;

	for (char *const *p = l->input->environment; p && *p; p++)
		if (!strncmp(*p, "SIDEPOOL_POOL_", 14) && split(*p, name, &value) && *value &&
		    find_variable(&section, name))
			return true;
	return false;
}

static void read_aliases(struct loader *l, const struct section *section)
{
	size_t n;
	const struct setting *table = setting_table(section->kind, &n);

	for (size_t i = 0; i < n; i++) {
		struct place place = { CONFIG_SOURCE_ALIAS, false, table[i].alias };
		const char *value = table[i].alias ? loader_getenv(l, table[i].alias) : NULL;

		if (value)
			loader_set(l, section, &table[i], value, &place);
	}
}

void loader_read_aliases(struct loader *l)
{
	struct config_pool *main_pool = config_find_pool(l->config, "main");
	struct section section = section_of_config(l->config);

	read_aliases(l, &section);
	if (!main_pool)
		return;
	section = section_of_pool(main_pool);
	read_aliases(l, &section);
}
