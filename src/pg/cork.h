/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * libpq before version 17 writes to the socket at every Sync. While a socket is corked it is told
 * that the socket takes nothing just now, and keeps what it has: what a turn of the loop puts on a
 * connection then leaves with one system call, and PostgreSQL is woken once for all of it.
 */

/* One socket of the calling thread at a time; until pg_uncork(). */
void pg_cork(int fd);
void pg_uncork(void);
