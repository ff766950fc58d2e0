/* SPDX-License-Identifier: MIT */
#pragma once
/* The last number of each topic: what a subscriber has lost on the way. */

#include <stddef.h>
#include <stdint.h>

struct counted_topic;

struct counted_topics {
	struct counted_topic *by_name; /* owned */
};

enum {
	COUNTED_TOPICS_MOST = 4096, /* the one that was heard of first is forgotten */
};

/* Counting begins behind that number, unless it has begun. Returns 0 or -ENOMEM. */
int counted_begin(struct counted_topics *t, const char *topic, uint64_t sequence);

/*
 * How many went before the event with that number; a mark has the number of the last event. Returns
 * 0 or -ENOMEM: then it is not counted on.
 */
int counted_next(struct counted_topics *t, const char *topic, uint64_t sequence, int is_mark,
		 uint64_t *ret_lost);

void counted_deinit(struct counted_topics *t);
