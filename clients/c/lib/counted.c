/* SPDX-License-Identifier: MIT */
#include "counted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"

struct counted_topic {
	uint64_t sequence; /* the last that is accounted for */
	UT_hash_handle hh;
	char name[];
};

static struct counted_topic *find(struct counted_topics *t, const char *name)
{
	struct counted_topic *c;

	HASH_FIND_STR(t->by_name, name, c);
	return c;
}

/* In the order in which they were added, which is uthash's. */
static void forget_oldest(struct counted_topics *t)
{
	struct counted_topic *c = t->by_name;

	if (HASH_COUNT(t->by_name) < COUNTED_TOPICS_MOST)
		return;
	HASH_DELETE(hh, t->by_name, c);
	free(c);
}

int counted_begin(struct counted_topics *t, const char *name, uint64_t sequence)
{
	size_t n = strlen(name) + 1;
	struct counted_topic *c;

	if (find(t, name))
		return 0;
	c = calloc(1, sizeof(*c) + n);
	if (!c)
		return -ENOMEM;
	memcpy(c->name, name, n);
	c->sequence = sequence;
	forget_oldest(t);
	HASH_ADD_STR(t->by_name, name, c);
	if (!hash_took(c, hh)) {
		free(c);
		return -ENOMEM;
	}
	return 0;
}

int counted_next(struct counted_topics *t, const char *name, uint64_t sequence, int is_mark,
		 uint64_t *ret_lost)
{
	struct counted_topic *c = find(t, name);
	uint64_t expected;

	*ret_lost = 0;
	if (!c)
		return counted_begin(t, name, sequence);
	expected = c->sequence + (is_mark ? 0 : 1);
	if (sequence > expected)
		*ret_lost = sequence - expected;
	if (sequence > c->sequence)
		c->sequence = sequence;
	return 0;
}

void counted_deinit(struct counted_topics *t)
{
	struct counted_topic *c, *next;

	HASH_ITER (hh, t->by_name, c, next) {
		HASH_DELETE(hh, t->by_name, c);
		free(c);
	}
}
