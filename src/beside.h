/* SPDX-License-Identifier: MIT */
#pragma once
/* Where sockets are that nobody named: beside the one that clients connect to. */

#include <stddef.h>

struct config;

/*
 * The path of the socket called `name` (http): NAME.sock beside rpc.sock, and X-NAME.sock beside any
 * other X.sock. `inherited` is the socket that clients connect to, if it came from systemd, else -1.
 * A path that does not fit into `size` is cut off, and too long for a socket.
 */
void beside_path(char *path, size_t size, const struct config *c, int inherited, const char *name);
