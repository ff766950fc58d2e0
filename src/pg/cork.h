/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What libpq is told of its socket, where the truth would cost time.
 *
 * libpq before version 17 writes to the socket at every Sync. While a socket is corked it is told
 * that the socket takes nothing just now, and keeps what it has: what a turn of the loop puts on a
 * connection then leaves with one system call, and PostgreSQL is woken once for all of it.
 *
 * And whenever a socket has taken a part, libpq moves the rest to the front of its buffer: a
 * parameter of 15 MB is moved a hundred times, and each time everybody waits for it. What a socket
 * takes of much is not told until it has taken all.
 *
 * libpq does not tell how much it has read either. Rows come faster than it has room for them: what
 * filled its room is likely to be followed by more.
 */

#include <stdbool.h>

/* One socket of the calling thread at a time; until pg_uncork(). */
void pg_cork(int fd);
void pg_uncork(void);

/*
 * One socket of the calling thread at a time, -1: none. What is sent to it must begin, at the next
 * time, with what was not taken before, as libpq's does.
 */
void pg_send_whole(int fd);

/* Whether what the calling thread received last was as much as it had room for. */
bool pg_recv_filled(void);
