/* SPDX-License-Identifier: MIT */
#pragma once
/* Listening sockets that systemd has made for us: sd_listen_fds(3). */

#include <stddef.h>

enum {
	INHERITED_HTTP_MAX = 8,
};

struct inherited {
	int rpc; /* -1: none */
	int http[INHERITED_HTTP_MAX];
	size_t n_http;
};

/* To be called once: the environment forgets them. What is not used is told in the log. */
void inherited_take(struct inherited *ret_inherited);
