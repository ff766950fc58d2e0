/* SPDX-License-Identifier: MIT */
#pragma once
/* The packed rows of the wire (proto/WIRE.md, "Packed rows"): parameters in, rows out. */

#include <stddef.h>
#include <stdint.h>

struct buf;
struct pg_result; /* libpq's PGresult */
struct pg_statement;

/* The parameter sets of one statement, one after the other, as libpq takes them. */
struct pg_params {
	const char **values; /* owned array, borrowed values */
	int *lengths;        /* owned */
	int *formats;        /* owned; NULL: all text */
	uint32_t *types;     /* owned; NULL: PostgreSQL infers all */
	void *memory;        /* owned: the arrays; NULL while they fit into `small` */
	uint8_t *at, *end;
	int32_t next_length; /* of the value at `at`, whose own place may be overwritten by now */
	uint32_t n;
	_Alignas(void *) char small[1024];
};

/* The check alone: 0 or PG_CALL_E_PARAMETERS. */
int pg_params_check(const struct pg_statement *statement);

/*
 * Checks all sets of a statement at once: lengths that add up, no zero byte in a text value.
 * Returns 0, PG_CALL_E_PARAMETERS or -ENOMEM.
 */
int pg_params_init(struct pg_params *p, const struct pg_statement *statement);

/* Points `values` and `lengths` to the next set. Only as often as there are sets. */
void pg_params_next(struct pg_params *p);

/* The set has been used: puts back what terminates its values, so that it can be sent again. */
void pg_params_restore(struct pg_params *p);

void pg_params_deinit(struct pg_params *p);

/* Appends all rows of `result`. Returns how many they are, or -ENOMEM with `out` unharmed. */
int pg_pack_rows(struct buf *out, const struct pg_result *result);
