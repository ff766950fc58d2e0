/* SPDX-License-Identifier: MIT */
#pragma once
/* How the kinds of request put their statements on the connection. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
struct pg_result;

/* Tags of statements that the daemon adds to a request's own, which are counted from 0. */
enum {
	TAG_OWN = 0x7ffffe00, /* the first of them */
	TAG_BEGIN = 0x7ffffe01,
	TAG_FINISH = 0x7ffffe02,
	TAG_XACT = 0x7ffffe03,
};

/* Whether what its transaction has written is to be committed with it. */
bool request_commits(const struct request *r);

/* Begins the call: BEGIN first, where it is due. */
void request_begin_call(struct request *r);

/* Statement `index` of the request. false: it has many sets, and its kind's sent() hears when they are out. */
bool request_execute(struct request *r, uint32_t index);

/* COMMIT or ROLLBACK, where it was asked for, and the end. */
void request_end_call(struct request *r);

/* A text in the simple query protocol, with BEGIN and COMMIT around it where they are due. */
void request_run_simple(struct request *r, const char *sql, unsigned touch);
