/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of submit share. */

#include "rpc/failure.h"
#include "rpc/rpc-internal.h"
#include "rpc/submit-queue.h"
#include "rpc/submit-record.h"
#include "rpc/submit.h"

struct arena;
struct submit_journal;
struct submit_run;

enum {
	FAILED_MOST = 100,
	SUBMIT_STATEMENT_BYTES = 500,
};

/* One that was accepted, or is about to be, or has failed. */
struct submitted {
	struct submission queued;
	struct submits *submits;      /* borrowed */
	struct rpc_pool *pool;        /* borrowed; NULL: it is configured no more */
	struct submit_counts *counts; /* borrowed: its pool's, or submits::elsewhere */
	struct submit_record record;  /* borrows from bytes */
	struct buf bytes;             /* owned; of one that has failed, nothing */
	struct application *app;      /* one reference */
	usec accepted;
	usec expires;
	struct failure *failure; /* owned: of the last try; NULL: none */
	struct submit_run *run;  /* owned: while it runs */
	struct request *request; /* borrowed: waits for the journal; NULL: none, or gone */
	bool maybe_done;         /* a try of it had an unknown outcome */
	uint8_t key_bytes;
	uint8_t key[SUBMIT_KEY_MOST];
	usec ended;
	char *statement; /* owned: of one that has failed */
	size_t n_statements;
	TAILQ_ENTRY(submitted) link; /* submits::entering, ::failed */
};

TAILQ_HEAD(submitted_list, submitted);

struct submits {
	struct rpc *rpc; /* borrowed */
	struct submit_queue queue;
	struct submitted_list entering; /* owned: until the journal has them */
	uint32_t n_entering;
	uint64_t bytes_entering;
	struct submitted_list failed; /* owned: the latest first */
	unsigned n_failed;
	uint64_t last_id;
	struct submit_counts elsewhere; /* of pools that are configured no more */
	struct submit_journal *journal; /* owned; NULL: none */
	uv_timer_t timer;
	bool stopped;
};

/* The entry of a record that was accepted; NULL without memory. */
struct submitted *submitted_new(struct submits *s, const struct submit_record *record);
struct submitted *submitted_free(struct submitted *w);

/* To the end of its lane. Returns 0 or -ENOMEM. */
int submitted_enqueue(struct submitted *w);
/* Out of it, whether it waits or runs. */
void submitted_dequeue(struct submitted *w);

uint64_t submit_wall_clock_ms(void);

/*
 * Begins to run it: submits_ended() follows, from within this call or later. With a journal, `row`
 * says by what it is known there.
 */
void submit_run_begin(struct submitted *w);

/* Withdrawn where it waits, cancelled where it runs. */
void submit_run_cancel(struct submitted *w);

/* It waits no more, and is not told of. */
void submit_run_forget(struct submitted *w);

/* It was run; `failure` code 0: and is done. */
void submits_ended(struct submitted *w, const struct failure *failure);

/* Logged, counted, published and kept. Takes it over. */
void submits_failed(struct submitted *w);

/* Of its application, as the configuration stands now. */
const struct config_application *submit_config(const struct submitted *w);
usec submit_statement_timeout(const struct submitted *w);

/* The journal has it, or (`why` not NULL) has not; `certain`: it will not find it at start either. */
void submits_entered(struct submitted *w, const char *why, bool certain);

/* What stands in it. NULL without memory, or where it is none of ours. */
Sidepool__V1__Request *submitted_unpack(const struct submitted *w, struct arena *arena);
