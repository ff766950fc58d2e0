/* SPDX-License-Identifier: MIT */
#pragma once
/* Takes the rows out of sidepool_submitted that no entry of the journal needs any more. */

#include <stdint.h>
#include <sys/queue.h>

struct submit_tidy;
struct submits;
struct submitted;

/* An entry that is done, until its row is gone. */
struct submit_noted {
	uint64_t id;
	struct rpc_pool *pool; /* borrowed */
	TAILQ_ENTRY(submit_noted) link;
};

TAILQ_HEAD(submit_noted_list, submit_noted);

/* Without memory the row stays until the next start. */
void submit_tidy_note(struct submit_noted_list *list, const struct submitted *w);
void submit_noted_free(struct submit_noted_list *list);

/*
 * `id` is that of the journal, `last` the last entry of an earlier life: rows up to it that belong
 * to nothing are taken away too. NULL without memory.
 */
struct submit_tidy *submit_tidy_new(struct submits *s, const char *id, uint64_t last);

/* Empties the list: their notes are on disk. */
void submit_tidy_rows(struct submit_tidy *t, struct submit_noted_list *list);

void submit_tidy_stop(struct submit_tidy *t);
struct submit_tidy *submit_tidy_free(struct submit_tidy *t);
