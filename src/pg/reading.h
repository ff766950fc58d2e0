/* SPDX-License-Identifier: MIT */
#pragma once
/* By which settings a connection reads constants, with which its prepared statements go: prepared.c. */

struct pg_conn;

/*
 * Before a statement: looks by which settings constants are read, since prepared statements go with
 * those.
 */
void pg_conn_look_how_it_reads(struct pg_conn *conn);
/* What was sent may change these; until it is answered nothing is prepared, and none used. */
void pg_conn_may_read_otherwise(struct pg_conn *conn);
