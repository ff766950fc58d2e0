/* SPDX-License-Identifier: MIT */
#pragma once
/* The streams of a connection, each with the columns of the result that goes on, which its chunks
 * leave out. */

#include <stdint.h>

struct columns;
struct stream;

struct streams {
	struct stream *first; /* owned, linked; there are few */
};

/* NULL: not known, or without columns. */
struct columns *streams_columns(const struct streams *s, uint64_t id);

/* The stream goes on with these. Returns 0 or -ENOMEM. */
int streams_set(struct streams *s, uint64_t id, struct columns *columns);

void streams_remove(struct streams *s, uint64_t id);
void streams_clear(struct streams *s);
