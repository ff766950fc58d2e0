/* SPDX-License-Identifier: MIT */
/*
 * The life of a config, and the questions that are asked of it while it is in force. What a section
 * holds is allocated and given back by way of the table, so that a new setting cannot be forgotten
 * in a destructor.
 */
#include "config/config.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/section.h"
#include "util/error.h"

struct section section_of_config(struct config *c)
{
	return (struct section){ SETTING_SECTION_SIDEPOOL, "", c, c->origins };
}

struct section section_of_pool(struct config_pool *p)
{
	return (struct section){ SETTING_SECTION_POOL, p->name, p, p->origins };
}

struct section section_of_application(struct config_application *a)
{
	return (struct section){ SETTING_SECTION_APPLICATION, a->pattern, a, a->origins };
}

bool section_at(const struct config *c, size_t i, struct section *ret_section)
{
	if (i == 0)
		*ret_section = section_of_config((struct config *)c);
	else if (i <= c->n_pools)
		*ret_section = section_of_pool(&c->pools[i - 1]);
	else if (i <= c->n_pools + c->n_applications)
		*ret_section = section_of_application(&c->applications[i - 1 - c->n_pools]);
	else
		return false;
	return true;
}

char *section_title(const struct section *s)
{
	const char *kind = setting_section_name(s->kind);
	char *title;

	if (s->kind == SETTING_SECTION_SIDEPOOL)
		return strdup(kind);
	return asprintf(&title, "%s %s", kind, s->name) < 0 ? NULL : title;
}

static int set_defaults(enum setting_section kind, void *object, struct config_origin **ret_origins)
{
	size_t n;
	const struct setting *table = setting_table(kind, &n);
	char message[256];

	*ret_origins = calloc(n, sizeof(**ret_origins));
	if (!*ret_origins)
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < n; i++) {
		int r = setting_parse(&table[i], object, table[i].fallback, SETTING_NATIVE, message,
				      sizeof(message));

		if (r)
			return err_fold(r);
	}
	return 0;
}

static void clear(enum setting_section kind, void *object, struct config_origin *origins)
{
	size_t n;
	const struct setting *table = setting_table(kind, &n);

	for (size_t i = 0; i < n; i++) {
		setting_clear(&table[i], object);
		if (origins)
			free(origins[i].where);
	}
	free(origins);
}

static void pool_deinit(struct config_pool *p)
{
	clear(SETTING_SECTION_POOL, p, p->origins);
	free(p->name);
	free(p->conninfo);
	*p = (struct config_pool){ .name = NULL };
}

static void application_deinit(struct config_application *a)
{
	clear(SETTING_SECTION_APPLICATION, a, a->origins);
	free(a->pattern);
	free(a->uids);
	free(a->gids);
	*a = (struct config_application){ .pattern = NULL };
}

static int pool_init(struct config_pool *p, const char *name)
{
	*p = (struct config_pool){ .name = strdup(name) };
	if (!p->name || set_defaults(SETTING_SECTION_POOL, p, &p->origins) < 0) {
		pool_deinit(p);
		return err_raise(-ENOMEM);
	}
	return 0;
}

static int application_init(struct config_application *a, const char *pattern)
{
	*a = (struct config_application){ .pattern = strdup(pattern) };
	if (!a->pattern || set_defaults(SETTING_SECTION_APPLICATION, a, &a->origins) < 0) {
		application_deinit(a);
		return err_raise(-ENOMEM);
	}
	return 0;
}

int config_new(struct config **ret_config)
{
	struct config *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_raise(-ENOMEM);
	r = set_defaults(SETTING_SECTION_SIDEPOOL, c, &c->origins);
	if (r == 0)
		r = application_init(&c->other, "*");
	if (r < 0) {
		config_free(c);
		return err_forward(r);
	}
	c->socket_uid = c->socket_gid = UINT32_MAX;
	*ret_config = c;
	return 0;
}

int config_add_pool(struct config *c, const char *name)
{
	struct config_pool *pools = reallocarray(c->pools, c->n_pools + 1, sizeof(*pools));
	int r;

	if (!pools)
		return err_raise(-ENOMEM);
	c->pools = pools;
	r = pool_init(&pools[c->n_pools], name);
	if (r < 0)
		return err_forward(r);
	c->n_pools++;
	return 0;
}

int config_add_application(struct config *c, const char *pattern)
{
	struct config_application *a =
		reallocarray(c->applications, c->n_applications + 1, sizeof(*a));
	int r;

	if (!a)
		return err_raise(-ENOMEM);
	c->applications = a;
	r = application_init(&a[c->n_applications], pattern);
	if (r < 0)
		return err_forward(r);
	c->n_applications++;
	return 0;
}

struct config_pool *config_find_pool(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_pools; i++)
		if (!strcmp(c->pools[i].name, name))
			return &c->pools[i];
	return NULL;
}

struct config *config_free(struct config *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_pools; i++)
		pool_deinit(&c->pools[i]);
	for (size_t i = 0; i < c->n_applications; i++)
		application_deinit(&c->applications[i]);
	application_deinit(&c->other);
	clear(SETTING_SECTION_SIDEPOOL, c, c->origins);
	free(c->pools);
	free(c->applications);
	free(c->admin_uids);
	free(c->admin_gids);
	free(c->file);
	free(c->file_text);
	free(c);
	return NULL;
}

static bool matches_any(const struct config_list *patterns, const char *text)
{
	if (patterns->n == 0)
		return true;
	for (size_t i = 0; text && i < patterns->n; i++)
		if (fnmatch(patterns->items[i], text, 0) == 0)
			return true;
	return false;
}

static bool contains(const uint32_t *ids, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static bool in_groups(const uint32_t *gids, size_t n, const struct config_facts *facts)
{
	for (size_t i = 0; i < facts->n_groups; i++)
		if (contains(gids, n, facts->groups[i]))
			return true;
	return contains(gids, n, facts->gid);
}

static bool application_fits(const struct config_application *a, const struct config_facts *facts)
{
	return fnmatch(a->pattern, facts->name ? facts->name : "", 0) == 0 &&
	       matches_any(&a->match_unit, facts->unit) &&
	       matches_any(&a->match_executable, facts->executable) &&
	       (a->match_user.n == 0 || contains(a->uids, a->n_uids, facts->uid)) &&
	       (a->match_group.n == 0 || in_groups(a->gids, a->n_gids, facts));
}

const struct config_application *config_match(const struct config *c,
					      const struct config_facts *facts)
{
	for (size_t i = 0; i < c->n_applications; i++)
		if (application_fits(&c->applications[i], facts))
			return &c->applications[i];
	return &c->other;
}

bool config_may_use_pool(const struct config_application *a, const struct config_pool *p)
{
	for (size_t i = 0; i < a->pools.n; i++)
		if (!strcmp(a->pools.items[i], p->name))
			return true;
	return a->pools.n == 0;
}

bool config_is_admin(const struct config *c, const struct config_facts *facts)
{
	return facts->uid == 0 || facts->uid == (uint32_t)geteuid() ||
	       contains(c->admin_uids, c->n_admin_uids, facts->uid) ||
	       in_groups(c->admin_gids, c->n_admin_gids, facts);
}

usec config_acquire_timeout(const struct config_pool *p, const struct config_application *a)
{
	return a->timeouts.acquire_us == CONFIG_INHERIT ? p->acquire_timeout_us
							: a->timeouts.acquire_us;
}
