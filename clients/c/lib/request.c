/* SPDX-License-Identifier: MIT */
/*
 * Slots are allocated one by one, never move, and are used again last in first out, each with the
 * memory of its frame: in its stride a handle allocates nothing.
 *
 * A request is in exactly one list, and its state names that list, except in state FREE between
 * request_new() and request_queue() or request_complete(), when it is in none.
 */
#include "request.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

#include "columns.h"
#include "pb.h"
#include "proto-fields.h"
#include "statements.h"
#include "util/macro.h"

enum {
	INDEX_BITS = 16,
	DEADLINE_BYTES_MAX = 6,
};

static const uint32_t TOP_BIT = UINT32_C(0x80000000);

static bool expires_before(const struct heap_node *a, const struct heap_node *b)
{
	return container_of(a, struct request, timer)->expires_us <
	       container_of(b, struct request, timer)->expires_us;
}

void requests_init(struct requests *r, size_t max, size_t keep_bytes)
{
	*r = (struct requests){ .max = max, .keep_bytes = keep_bytes };
	list_init(&r->free);
	list_init(&r->queued);
	list_init(&r->sent);
	list_init(&r->done);
	list_init(&r->ready);
	heap_init(&r->timers, expires_before);
}

void requests_deinit(struct requests *r)
{
	for (size_t i = 0; i < r->n_slots; i++) {
		assert(r->slots[i]->state == REQUEST_FREE);
		bytes_deinit(&r->slots[i]->frame);
		free(r->slots[i]);
	}
	free(r->slots);
	r->slots = NULL;
	r->n_slots = 0;
}

static struct request *add_slot(struct requests *r)
{
	struct request *q;

	if (r->n_slots == r->max)
		return NULL;
	if ((r->n_slots & (r->n_slots + 1)) == 0) { /* 0, 1, 3, 7 ...: twice the room */
		void *grown = realloc(r->slots, (r->n_slots + 1) * 2 * sizeof(struct request *));

		if (!grown)
			return NULL;
		r->slots = grown;
	}
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->id = TOP_BIT | (uint32_t)r->n_slots;
	list_init(&q->link);
	r->slots[r->n_slots++] = q;
	return q;
}

static uint32_t next_id(uint32_t id)
{
	return TOP_BIT | (id + (UINT32_C(1) << INDEX_BITS));
}

struct request *request_new(struct requests *r)
{
	struct request *q;

	if (list_empty(&r->free)) {
		q = add_slot(r);
		if (!q)
			return NULL;
	} else {
		q = container_of(list_shift(&r->free), struct request, link);
	}
	q->id = next_id(q->id);
	if (!bytes_reserve(&q->frame, REQUEST_ROOM)) {
		bytes_reset(&q->frame, 0);
		list_prepend(&r->free, &q->link);
		return NULL;
	}
	q->frame.len = REQUEST_ROOM;
	r->in_use++;
	return q;
}

void request_free(struct requests *r, struct request *q)
{
	bool owed = q->owed;

	if (q->state != REQUEST_ABANDONED)
		r->in_use--;
	heap_remove(&r->timers, &q->timer);
	list_remove(&q->link);
	statement_unref(q->statement);
	columns_unref(q->known);
	bytes_reset(&q->frame, r->keep_bytes);
	*q = (struct request){ .id = q->id, .frame = q->frame, .on = owed ? q->on : 0 };
	if (owed) {
		q->state = REQUEST_ABANDONED;
		list_append(&r->sent, &q->link);
	} else {
		list_prepend(&r->free, &q->link);
	}
}

struct request *requests_find(const struct requests *r, uint32_t id)
{
	uint32_t index = id & ((UINT32_C(1) << INDEX_BITS) - 1);
	struct request *q;

	if (index >= r->n_slots)
		return NULL;
	q = r->slots[index];
	return q->id == id && q->state != REQUEST_FREE ? q : NULL;
}

void request_queue(struct requests *r, struct request *q, struct list *queue)
{
	q->state = REQUEST_QUEUED;
	q->sent = 0;
	list_append(queue, &q->link);
	if (q->deadline_us != 0 && !heap_linked(&q->timer))
		heap_insert(&r->timers, &q->timer);
}

void request_complete(struct requests *r, struct request *q, struct sidepool_reply *reply)
{
	heap_remove(&r->timers, &q->timer);
	list_remove(&q->link);
	q->state = REQUEST_DONE;
	q->reply = reply;
	list_append(q->done ? &r->done : &r->ready, &q->link);
}

void request_mark_sent(struct requests *r, struct request *q)
{
	list_remove(&q->link);
	q->state = REQUEST_SENT;
	list_append(&r->sent, &q->link);
}

void request_abandon(struct requests *r, struct request *q)
{
	q->owed |= q->state == REQUEST_SENT;
	request_free(r, q);
}

static bool is_on(const struct request *q, uint64_t on)
{
	return on == 0 || q->on == on;
}

static void forgive(struct list *list, uint64_t on)
{
	for (struct list *l = list->next; l != list; l = l->next) {
		struct request *q = container_of(l, struct request, link);

		q->owed &= !is_on(q, on);
	}
}

void requests_forgive(struct requests *r, uint64_t on)
{
	struct list *l, *next;

	forgive(&r->done, on);
	forgive(&r->ready, on);
	for (l = r->sent.next; l != &r->sent; l = next) {
		struct request *q = container_of(l, struct request, link);

		next = l->next;
		if (q->state == REQUEST_ABANDONED && is_on(q, on))
			request_free(r, q);
	}
}

size_t request_seal(struct request *q, uint64_t now_us)
{
	uint8_t *at = q->frame.data + REQUEST_ROOM;
	uint64_t body;
	uint32_t id = htobe32(q->id);

	if (q->deadline_us != 0) {
		uint8_t field[1 + DEADLINE_BYTES_MAX] = { REQUEST_DEADLINE_MS << 3 | PB_VARINT };
		uint64_t left_ms = usec_sub(q->deadline_us, now_us) / USEC_PER_MS;
		size_t n = 1;

		if (left_ms == 0)
			return 0;
		for (; left_ms >= 0x80; left_ms >>= 7)
			field[n++] = (uint8_t)left_ms | 0x80;
		field[n++] = (uint8_t)left_ms;
		at -= n;
		memcpy(at, field, n);
	}
	body = htobe64((uint64_t)(q->frame.data + q->frame.len - at) + sizeof(id));
	at -= sizeof(id);
	memcpy(at, &id, sizeof(id));
	at -= sizeof(body);
	memcpy(at, &body, sizeof(body));
	*--at = 1;
	q->start = (size_t)(at - q->frame.data);
	return q->frame.len - q->start;
}
