/* SPDX-License-Identifier: MIT */
/*
 * Users and groups, from names to the numbers that the kernel tells of a client. Asked once, at
 * load: a client's arrival must not wait for a directory server. Whoever has such a server and
 * wants no wait at all writes numbers.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"
#include "util/error.h"

enum { RECORD_BYTES_MAX = 1 << 20 };

/* Returns 0, 1 where there is no such name, or a negative errno; -ERANGE: `buf` is too short. */
static int find_name(bool is_group, const char *name, char *buf, size_t n, uint32_t *ret_id)
{
	struct passwd pw, *found_user = NULL;
	struct group gr, *found_group = NULL;
	int r = is_group ? getgrnam_r(name, &gr, buf, n, &found_group)
			 : getpwnam_r(name, &pw, buf, n, &found_user);

	if (r == ERANGE)
		return -ERANGE;
	if (found_group)
		*ret_id = found_group->gr_gid;
	else if (found_user)
		*ret_id = found_user->pw_uid;
	else
		return 1;
	return 0;
}

/* A group with many members needs a long record: the buffer grows until it fits. */
static int look_up(bool is_group, const char *name, uint32_t *ret_id)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	int r = -ERANGE;

	if (*name >= '0' && *name <= '9' && !*end && number < UINT32_MAX) {
		*ret_id = (uint32_t)number;
		return 0;
	}
	for (size_t n = 1024; r == -ERANGE && n <= RECORD_BYTES_MAX; n *= 4) {
		char *buf = malloc(n);

		if (!buf)
			return err_raise(-ENOMEM);
		r = find_name(is_group, name, buf, n, ret_id);
		free(buf);
	}
	return r == 0 ? 0 : 1;
}

static void look_up_one(struct loader *l, const struct section *section, const struct setting *s,
			const char *name, uint32_t *ret_id)
{
	bool is_group = s->flags & SETTING_GROUP;
	struct place place = place_of(section, s);
	int r = look_up(is_group, name, ret_id);

	if (r > 0)
		loader_mistake(l, &place, "%s: there is no %s \"%s\" on this host", s->name,
			       is_group ? "group" : "user", name);
	else if (r < 0)
		l->error = r;
}

static void look_up_list(struct loader *l, const struct section *section, const char *setting,
			 const struct config_list *names, uint32_t **ret_ids, size_t *ret_n)
{
	const struct setting *s = setting_find(section->kind, setting);
	uint32_t *ids = calloc(names->n + 1, sizeof(*ids));

	if (!ids) {
		l->error = err_raise(-ENOMEM);
		return;
	}
	for (size_t i = 0; i < names->n; i++)
		look_up_one(l, section, s, names->items[i], &ids[i]);
	*ret_ids = ids;
	*ret_n = names->n;
}

void loader_look_up_names(struct loader *l)
{
	struct config *c = l->config;
	struct section section = section_of_config(c);

	if (*c->socket_owner)
		look_up_one(l, &section, setting_find(section.kind, "socket_owner"),
			    c->socket_owner, &c->socket_uid);
	if (*c->socket_group)
		look_up_one(l, &section, setting_find(section.kind, "socket_group"),
			    c->socket_group, &c->socket_gid);
	look_up_list(l, &section, "admin_users", &c->admin_users, &c->admin_uids, &c->n_admin_uids);
	look_up_list(l, &section, "admin_groups", &c->admin_groups, &c->admin_gids,
		     &c->n_admin_gids);
	for (size_t i = 0; i < c->n_applications; i++) {
		struct config_application *a = &c->applications[i];

		section = section_of_application(a);
		look_up_list(l, &section, "match_user", &a->match_user, &a->uids, &a->n_uids);
		look_up_list(l, &section, "match_group", &a->match_group, &a->gids, &a->n_gids);
	}
}
