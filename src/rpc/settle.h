/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Outcomes that are unknown, found out: when the connection is lost while a COMMIT is under way,
 * and the transaction's id is known, PostgreSQL is asked on another connection what became of it.
 */

#include <stdbool.h>

struct pg_result;
struct request;
struct rpc;
struct settlement;

/* A transaction as PostgreSQL knows it; ids of one timeline mean nothing on another. */
struct xact {
	char id[24]; /* "": not known */
	char timeline[12];
	char recovery[20]; /* the server's last one; "": it was started in good order */
};

/*
 * Asks for the id of the transaction that the request writes in, behind its statements and before
 * its end.
 */
void settle_ask(struct request *r);

/* The answer to that. */
void settle_hear(struct request *r, const struct pg_result *row);

/*
 * Whether the request's failure can be settled. To be asked while it is on its lease; it is not to
 * be answered then but by settle_begin().
 */
bool settle_can(struct request *r);

/*
 * Its call is over, and it is on no lease any more. It is answered in the end, and let go. What
 * cannot be found out by its deadline stays unknown.
 */
void settle_begin(struct request *r);

/* What waits for a connection stays unknown, and nothing more is begun: the engine is about to be freed. */
void settle_stop(struct rpc *rpc);

/* What settle_ask() asks. */
const char *settle_sql(void);
