/* SPDX-License-Identifier: MIT */
#pragma once
/* The frame that every request function has: begin, write the kind, end. */

#include <stdbool.h>
#include <stdint.h>

#include "handle.h"
#include "pb.h"

struct ask {
	struct sidepool *sp;
	struct request *q;
	struct sidepool_call call;
	int code; /* not 0: the request ends with this, and nothing is sent */
	const char *why;
};

/* A slot, and the envelope in it. Returns false where that is impossible: the request function
 * returns 0. */
bool ask_begin(struct ask *a, struct sidepool *sp, uint32_t kind, const struct sidepool_call *call);

/* The request is in error; the first error holds. */
void ask_fail(struct ask *a, int code, const char *why);

/* The call may have neither lease, acquire nor finish: the request is not about statements. */
void ask_no_lease(struct ask *a);

/* Queues it. Returns its id. */
uint32_t ask_end(struct ask *a);

/* A whole request whose kind is `message`. */
uint32_t ask_message(struct ask *a, const ProtobufCMessage *message);

/* The stream must be of this connection. Returns its id. */
uint64_t ask_stream(struct ask *a, const struct sidepool_stream *stream);
