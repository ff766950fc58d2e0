/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A request from the call that makes it until its reply is taken. Its id has the index of its slot
 * in the low 16 bits and a count that grows with each use of the slot above, so that a late answer
 * or a stale id finds nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "list.h"
#include "sidepool.h"
#include "util/heap.h"

struct columns;
struct statement;

enum request_state {
	REQUEST_FREE = 0,
	REQUEST_QUEUED,    /* requests::queued or connection::queued; nothing or a part is sent */
	REQUEST_SENT,      /* requests::sent */
	REQUEST_ABANDONED, /* requests::sent; nobody waits, but the daemon will answer */
	REQUEST_DONE,      /* requests::done or ::ready: has its reply */
};

struct request {
	struct list link;
	struct heap_node timer; /* requests::timers while it is queued or sent and has a deadline */
	enum request_state state;
	bool owed; /* DONE: given up, and the daemon may still answer */
	uint32_t id;
	uint32_t kind; /* which field of Request::kind */
	sidepool_reply_fn done;
	void *userdata;
	struct bytes frame;   /* REQUEST_ROOM bytes for what is known only when it is sent, then the
				 message */
	size_t start;         /* of the sealed frame */
	size_t sent;          /* bytes of it */
	uint64_t deadline_us; /* 0: none */
	uint64_t expires_us;  /* when it is given up */
	uint64_t connection;  /* it makes sense on this one only; 0: on any */
	uint64_t on;          /* the connection that it, or a part of it, was sent on; 0: none */
	uint64_t refused_us;  /* when a daemon that leaves refused it first; 0: none did */
	struct sidepool_reply *reply;

	/* Query: how it was encoded, for the case that the daemon wants the text after all. */
	struct statement *statement; /* ref; NULL: not one that is kept */
	bool by_id;                  /* sent as its id, without the text */
	struct columns *known;       /* ref: the answer may leave these out */
	size_t query_at;             /* where Request.query begins */
	size_t rest_at, rest_len;    /* the Statement's other fields */
	uint32_t chunk_bytes;
	uint64_t stream; /* Fetch, CopyData: which */
};

struct requests {
	struct request **slots; /* owned, of those in use once */
	size_t n_slots;
	size_t max;
	size_t keep_bytes;
	size_t in_use; /* whose reply somebody still wants */
	struct list free;
	struct list queued; /* for any connection, or bound to the one that takes new requests */
	struct list sent;
	struct list done;  /* complete: the callback is to be called */
	struct list ready; /* complete: somebody will ask */
	struct heap timers;
};

enum {
	REQUEST_ROOM = 32,   /* header, request id, deadline */
	REQUEST_HEADER = 13, /* of which the request id is the last 4 */
};

void requests_init(struct requests *r, size_t max, size_t keep_bytes);

/* None may be in use. */
void requests_deinit(struct requests *r);

/* In no list yet, state REQUEST_FREE, frame with its room. NULL without memory or when `max` are in
 * flight. */
struct request *request_new(struct requests *r);

/*
 * Of any state; its reply must have been taken. The slot is free again, or ABANDONED while the
 * daemon owes an answer.
 */
void request_free(struct requests *r, struct request *q);

/* NULL for an id that is not in use. */
struct request *requests_find(const struct requests *r, uint32_t id);

/* Puts it at the end of that queue, and starts its timer. */
void request_queue(struct requests *r, struct request *q, struct list *queue);

/* Takes it out of queue or sent list, stops its timer, and hands it on with its reply. */
void request_complete(struct requests *r, struct request *q, struct sidepool_reply *reply);

/* All of it is on its way. */
void request_mark_sent(struct requests *r, struct request *q);

/* Its owner wants no answer: frees it, or keeps the id from use until the daemon has answered. */
void request_abandon(struct requests *r, struct request *q);

/*
 * The daemon at the other end of the connection `on` (0: of any) owes nothing any more: it is gone.
 * Frees those that only waited for that.
 */
void requests_forgive(struct requests *r, uint64_t on);

/*
 * Writes what stands in front of the message: header, id and the time that is left. Returns the
 * frame's whole length, or 0 when no time is left.
 */
size_t request_seal(struct request *q, uint64_t now_us);
