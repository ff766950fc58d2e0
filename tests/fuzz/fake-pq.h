/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A libpq without PostgreSQL: the functions that src/pg calls, and a server behind them that does
 * what a script tells it, a statement at a time. The script's names begin with fake_.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the server does next on a connection. */
enum fake_deed {
	FAKE_ANSWER,     /* the next thing that was asked; `n`: rows */
	FAKE_ANSWER_ALL, /* all that was asked */
	FAKE_ERROR,      /* the next statement fails; `n` chooses the SQLSTATE */
	FAKE_FATAL,      /* the next statement fails, and the session ends */
	FAKE_LOSE,       /* the connection is gone */
	FAKE_BLOCK,      /* its socket takes nothing more, or does again */
	FAKE_NOTICE,
	FAKE_NOTIFY,
	FAKE_SETTING, /* a ParameterStatus */
	FAKE_DEEDS_N,
};

/* How a connect ends; the script chooses before it is begun. */
enum fake_door {
	FAKE_DOOR_OPEN,
	FAKE_DOOR_SLOW, /* only when fake_serve() says so */
	FAKE_DOOR_REFUSED,
	FAKE_DOOR_FULL,
	FAKE_DOOR_WRONG_PASSWORD,
	FAKE_DOORS_N,
};

void fake_set_door(enum fake_door door);

/* Connection `i` of those that are there, in the order of their connects, modulo their number. */
void fake_serve(unsigned i, enum fake_deed deed, unsigned n);

/* Lets all that is slow end, and answers all. Whether there was anything. */
bool fake_serve_all(void);

/* What is there and must be gone in the end. */
struct fake_counts {
	unsigned conns;
	unsigned results;
	unsigned cancels;
};
extern struct fake_counts fake_counts;

/* Writes that took effect, by the number in "INSERT n". */
enum {
	FAKE_WRITES_N = 256,
};
extern unsigned fake_writes[FAKE_WRITES_N]; /* committed */
extern unsigned fake_seen[FAKE_WRITES_N];   /* run, whatever became of it */
void fake_forget_writes(void);
