/* SPDX-License-Identifier: MIT */
/*
 * A connection that was left keeps its number, by which leases, streams and requests find it, and
 * has a queue of its own. It is READY until it is closed; then it stays in the list, with no socket,
 * until the turn ends, because somebody may be walking along the list.
 */
#include "leaving.h"

#include "answer.h"
#include "handle.h"
#include "util/macro.h"

/* What cannot go elsewhere, and what has begun to go. The rest is written anew, without ids. */
static void split_queue(struct sidepool *sp, struct connection *old)
{
	struct list *l, *next;

	for (l = sp->requests.queued.next; l != &sp->requests.queued; l = next) {
		struct request *q = container_of(l, struct request, link);

		next = l->next;
		if (q->connection != 0 || q->sent > 0) {
			list_remove(&q->link);
			list_append(&old->queued, &q->link);
		} else {
			answer_rewrite(sp, q);
		}
	}
}

/* What the old daemon said of itself holds until the next one speaks. */
static void hand_on(struct connection *old, struct connection *c)
{
	c->number = old->number;
	c->max_message_bytes = old->max_message_bytes;
	c->said = old->said;
	old->said = (struct bytes){ .data = NULL };
	c->daemon = steal(&old->daemon);
}

bool leaving_begin(struct sidepool *sp, struct connection *c)
{
	struct leaving *leaving = &sp->leaving;
	struct connection *next;

	if (c != sp->connection)
		return true;
	if (leaving->count == LEAVING_MAX)
		return false;
	next = connection_new();
	if (!next || watch_begin(sp, c) < 0) {
		connection_free(sp, next);
		return false;
	}
	hand_on(c, next);
	leaving->left[leaving->count++] = c;
	sp->connection = next;
	statements_forget_ids(&sp->statements);
	split_queue(sp, c);
	return true;
}

void leaving_sweep(struct sidepool *sp)
{
	struct leaving *leaving = &sp->leaving;
	size_t n = 0;

	for (size_t i = 0; i < leaving->count; i++) {
		if (leaving->left[i]->fd < 0)
			connection_free(sp, leaving->left[i]);
		else
			leaving->left[n++] = leaving->left[i];
	}
	leaving->count = n;
	if (n == 0)
		watch_end(sp);
}

void leaving_deinit(struct sidepool *sp)
{
	for (size_t i = 0; i < sp->leaving.count; i++) {
		list_splice(&sp->requests.queued, &sp->leaving.left[i]->queued);
		connection_free(sp, sp->leaving.left[i]);
	}
	sp->leaving.count = 0;
}
