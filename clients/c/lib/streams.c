/* SPDX-License-Identifier: MIT */
/* A list: a program that has more than a handful of streams open on one connection holds as many
 * PostgreSQL connections. */
#include "streams.h"

#include <errno.h>
#include <stdlib.h>

#include "columns.h"

struct stream {
	struct stream *next;
	uint64_t id;
	struct columns *columns; /* shared */
};

static struct stream **find(const struct streams *s, uint64_t id)
{
	struct stream **at = (struct stream **)&s->first;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

struct columns *streams_columns(const struct streams *s, uint64_t id)
{
	struct stream *stream = *find(s, id);

	return stream ? stream->columns : NULL;
}

int streams_set(struct streams *s, uint64_t id, struct columns *columns)
{
	struct stream **at = find(s, id);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return -ENOMEM;
		(*at)->id = id;
	}
	columns_ref(columns);
	columns_unref((*at)->columns);
	(*at)->columns = columns;
	return 0;
}

void streams_remove(struct streams *s, uint64_t id)
{
	struct stream **at = find(s, id);
	struct stream *stream = *at;

	if (!stream)
		return;
	*at = stream->next;
	columns_unref(stream->columns);
	free(stream);
}

void streams_clear(struct streams *s)
{
	while (s->first)
		streams_remove(s, s->first->id);
}
