/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one descriptor by which a loop waits for a handle. It is the connection's own as long as there
 * is one connection; beside connections that were left it is an epoll set of all of them.
 */

#include <stdbool.h>
#include <stddef.h>

struct connection;
struct sidepool;

enum {
	WATCH_DYING_MAX = 16, /* more than are dropped between two turns */
};

struct watch {
	int fd;                     /* the set; -1: none */
	int dying[WATCH_DYING_MAX]; /* a loop may still watch them: closed in the next turn */
	size_t n_dying;
};

void watch_init(struct watch *w);
void watch_deinit(struct watch *w);

/* From now on there is a set, with this connection in it. Returns 0 or a negative errno. */
int watch_begin(struct sidepool *sp, struct connection *c);

/* There is one connection again. */
void watch_end(struct sidepool *sp);

/* If there is a set, the connection's socket is in it from now on. Returns 0 or a negative errno. */
int watch_add(struct sidepool *sp, struct connection *c);

/* Its socket is about to be closed. */
void watch_remove(struct sidepool *sp, struct connection *c);

/* The set waits for what each connection waits for. Cheap where there is none. */
void watch_update(struct sidepool *sp);

/* What to wait for on a connection: POLLIN, and POLLOUT while something is to be sent. */
short watch_events(const struct sidepool *sp, const struct connection *c);

/* Closes it in the next turn. */
void watch_close_later(struct watch *w, int fd);

/* Closes what had to stay open until now. */
void watch_bury(struct watch *w);
