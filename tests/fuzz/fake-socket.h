/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * libpq without a server: what it connects to is one end of a pair of sockets, and the target has
 * the other. Names are looked up by nobody, so that no thread is started.
 */

#include <stdbool.h>

/* The server's end of the last connect, or -1. Whoever takes it closes it. */
int fake_socket_take(void);

/* Lookups that were begun end now. Whether there were any. */
bool fake_lookups_end(void);
