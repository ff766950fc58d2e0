/* SPDX-License-Identifier: MIT */
/*
 * Invariant: every entry counts at least one connection, so that the array is as long as the most
 * users at one time.
 */
#include "sp/uids.h"

#include <stdlib.h>

#include "util/error.h"

int sp_uids_reserve(struct sp_uids *u)
{
	size_t capacity = u->capacity ? u->capacity * 2 : 8;
	struct sp_uid *entries;

	if (u->n < u->capacity)
		return 0;
	entries = reallocarray(u->entries, capacity, sizeof(*entries));
	if (!entries)
		return err_raise(-ENOMEM);
	u->entries = entries;
	u->capacity = capacity;
	return 0;
}

static struct sp_uid *find(struct sp_uids *u, uid_t uid)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->entries[i].uid == uid)
			return &u->entries[i];
	return NULL;
}

unsigned sp_uids_add(struct sp_uids *u, uid_t uid)
{
	struct sp_uid *e = find(u, uid);

	if (!e) {
		e = &u->entries[u->n++];
		*e = (struct sp_uid){ .uid = uid };
	}
	return ++e->n;
}

void sp_uids_remove(struct sp_uids *u, uid_t uid)
{
	struct sp_uid *e = find(u, uid);

	if (e && --e->n == 0)
		*e = u->entries[--u->n];
}

void sp_uids_deinit(struct sp_uids *u)
{
	free(u->entries);
	*u = (struct sp_uids){ .entries = NULL };
}
