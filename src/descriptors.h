/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How many clients the process has descriptors for. Each is one, and clients may want more than
 * there are; so that they never take those of PostgreSQL's connections, the rest wait.
 */

struct config;

/* At most max_clients; fewer, with a warning, where RLIMIT_NOFILE has no room for them. */
unsigned descriptors_for_clients(const struct config *c);
