/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * HTTP on listening sockets, in the loop of the daemon: GET and HEAD, one request a connection.
 * What is answered, `route` says.
 */

#include <stdbool.h>

#include <uv.h>

#include "http/text.h"

struct http_server;

struct http_answer {
	unsigned status;
	const char *type;     /* of what content */
	unsigned retry_after; /* seconds; 0: none */
	/* One of them: made for this answer, or of the program. */
	struct text text;
	const void *data;
	size_t data_bytes;
};

/* Fills in the answer for a path; `answer` is zeroed. False: there is nothing of that name. */
typedef bool (*http_route_fn)(void *userdata, const char *path, struct http_answer *answer);

/*
 * Serves `fd`, a listening socket, which is the server's from success on. `guards_host`: anybody on
 * this machine may connect, so also a browser that was lured here; only requests that name this
 * machine are answered. Returns 0 or a negative errno.
 */
int http_server_new(struct http_server **ret_server, uv_loop_t *loop, int fd, bool guards_host,
		    http_route_fn route, void *userdata);

/* Its memory is given back when the loop has run once more. */
struct http_server *http_server_free(struct http_server *s);
