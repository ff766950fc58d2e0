/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Writes in the background: accepted or refused at once, and run when there is a connection for
 * them, whatever becomes of their client.
 */

#include <stdbool.h>
#include <stdint.h>

#include "sidepool/v1/status.pb-c.h"

struct config;
struct request;
struct rpc;

/* Of one pool, or of all; the journal and the limits are of the whole. */
struct submit_counts {
	uint32_t waiting;
	uint32_t running;
	uint64_t bytes;
	uint64_t accepted_total;
	uint64_t refused_total;
	uint64_t done_total;
	uint64_t failed_total; /* also what was not sent in its time */
	uint64_t unknown_total;
	uint64_t retries_total;
	uint64_t recovered_total; /* found in the journal at start */
	uint64_t journal_bytes;
	uint64_t oldest_us; /* since the oldest that is not done was accepted; 0: none */
	uint64_t max_bytes;
	uint32_t max_size;
	bool journal_fails; /* it takes nothing at the moment */
};

/* Returns 0 or a negative errno. */
int submits_new(struct rpc *rpc);

/*
 * The engine and the pools are there: opens the journal, and runs what it has. Returns 0, -ENOMEM,
 * or -1 when the reason was logged.
 */
int submits_start(struct rpc *rpc);

void submits_reconfigure(struct rpc *rpc);

/* A connection may be there for what waits. */
void submits_look(struct rpc *rpc);

/* What the daemon has to finish before it leaves: with a journal only what runs. */
unsigned submits_unfinished(const struct rpc *rpc);

/* Cancels what runs. */
void submits_abort(struct rpc *rpc);

/* Runs nothing any more; what is lost is logged. */
void submits_stop(struct rpc *rpc);
void submits_free(struct rpc *rpc);

/* The client of a Submit that waits for the journal has left. True: it waited. */
bool submit_forget(struct request *r);

void submits_count(const struct rpc *rpc, struct submit_counts *ret_counts);

/* For a Status, in the arena of who asks. */
void submits_fill(struct request *asker, Sidepool__V1__StatusReply *reply);
void submits_add(struct request *asker, Sidepool__V1__StatusReply *reply);
void submits_add_failed(struct request *asker, Sidepool__V1__StatusReply *reply);
