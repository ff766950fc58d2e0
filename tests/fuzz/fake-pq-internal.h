/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of the fake libpq share: its functions, and the server behind them. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <libpq-fe.h>

#include "fake-pq.h"

enum {
	TEXT_BYTES = 96,
	COPY_LINES = 3,
};

enum asked_kind {
	ASKED_EXECUTE,
	ASKED_PREPARE,
	ASKED_SYNC,
	ASKED_SIMPLE,
	ASKED_COPY_IN, /* the rest of a simple query that waits for its data */
};

struct question {
	enum asked_kind kind;
	char sql[TEXT_BYTES]; /* its start; of a simple query what is left of it */
	char *rest;           /* owned: all of a simple query */
	TAILQ_ENTRY(question) link;
};

struct pg_result {
	ExecStatusType status;
	int n_columns;
	int n_rows;
	char tag[32];
	const char *sqlstate;
	const char *severity;
	const char *message;
	char value[24];
};

struct told {
	PGresult *result; /* owned; NULL: the end of a statement */
	bool copy_line, copy_end;
	TAILQ_ENTRY(told) link;
};

TAILQ_HEAD(told_list, told);

struct pg_conn {
	int fd;
	int pid;
	enum fake_door door;
	bool connected, lost, told_lost, pipeline, blocked, aborted, cancelled, raised;
	bool in_copy_in, read_only;
	PGTransactionStatusType transaction; /* as the server has it */
	char error[96];
	char prepared[64][40]; /* names and texts, the latest win */
	char texts[64][TEXT_BYTES];
	unsigned n_prepared;
	uint8_t pending[FAKE_WRITES_N]; /* of the transaction */
	unsigned n_notices;
	unsigned n_notifies;
	const char *zone;
	PQnoticeReceiver notice;
	void *notice_arg;
	TAILQ_HEAD(, question) asked;
	struct told_list told; /* sent by the server */
	struct told_list here; /* taken in by PQconsumeInput() */
	TAILQ_ENTRY(pg_conn) link;
};

TAILQ_HEAD(fake_conn_list, pg_conn);
extern struct fake_conn_list fake_conns;

/* fake-server.c */
PGresult *fake_result_new(ExecStatusType status, const char *tag);
struct told *fake_tell(struct pg_conn *c, PGresult *result);
/* The statement that runs fails. */
void fake_fail(struct pg_conn *c, bool is_fatal, unsigned n);
void fake_question_free(struct pg_conn *c, struct question *q);
