/* SPDX-License-Identifier: MIT */
#pragma once
/* An answer: the message as it was received, what was found in it, and the memory of both, which is
 * used again. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"
#include "result.h"
#include "sidepool.h"
#include "table.h"

struct sidepool_reply {
	struct list link;     /* replies::free or replies::out */
	struct replies *home; /* NULL once the handle is closed */
	bool fixed;           /* static: freeing it does nothing */
	struct bytes body;    /* the message; one byte more than its length is there */
	struct bytes cells;
	struct sidepool_error *error;    /* owned */
	struct sidepool_result first;    /* the only one of most replies */
	struct sidepool_result *results; /* owned unless it is &first */
	size_t n_results;
	size_t results_capacity;
	struct table **tables; /* owned; if there are any, they are the results */
	size_t n_tables;
	struct Sidepool__V1__Notification **notifications; /* owned */
	size_t n_notifications;
	struct Sidepool__V1__ParameterStatus **parameters; /* owned */
	size_t n_parameters;
	uint8_t *copy_data;
	size_t copy_bytes;
	struct sidepool_stream stream;
	struct sidepool_lease lease;
	enum sidepool_transaction_status transaction;
	uint64_t wait_us;
	uint64_t run_us;
	const char *event_kind; /* static; NULL: no event. Its topic begins `body` */
	uint64_t event_lost;
};

/* A handle's replies: those that wait to be used again, and those that are out. */
struct replies {
	struct list free;
	struct list out;
	size_t n_free;
	size_t keep_bytes;
};

enum {
	REPLY_E_MALFORMED = 1,
};

void replies_init(struct replies *r, size_t keep_bytes);

/* Those that are out live on by themselves. */
void replies_deinit(struct replies *r);

/* An empty one, the caller's. NULL without memory. */
struct sidepool_reply *reply_new(struct replies *r);

/* Makes room for a message of `len` bytes. Returns NULL without memory. */
uint8_t *reply_reserve(struct sidepool_reply *reply, size_t len);

/*
 * Finds what is in the message of `len` bytes that was put there. `known` are the columns that the
 * request said it knows, or those of the stream that it goes on with, else NULL. Returns 0,
 * REPLY_E_MALFORMED, or -ENOMEM.
 */
int reply_parse(struct sidepool_reply *reply, size_t len, struct columns *known);

/* What a reply of our own says. `reply` may hold anything before; takes `error`. */
void reply_fail(struct sidepool_reply *reply, struct sidepool_error *error);

/* Those that need no memory. */
struct sidepool_reply *reply_out_of_memory(void);
struct sidepool_reply *reply_no_handle(void);
struct sidepool_reply *reply_closed(void);
