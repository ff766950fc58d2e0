/* SPDX-License-Identifier: MIT */
#pragma once
/* A listening Unix socket: bound by us, or inherited. Plain system calls, no loop. */

#include <stdbool.h>
#include <sys/types.h>

struct sp_address;

struct sp_bound {
	int fd;     /* owned; -1: none */
	char *path; /* owned; NULL: nothing to unlink */
	dev_t dev;  /* what we bound there: the file is removed only while it is still that */
	ino_t ino;
};

#define SP_BOUND_NULL                                                                              \
	(struct sp_bound)                                                                          \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* See sp_server_listen(). */
int sp_bound_init(struct sp_bound *ret_bound, const struct sp_address *address);

/* See sp_server_adopt(). */
int sp_bound_init_inherited(struct sp_bound *ret_bound, int fd);

/* Removes the file, so that nobody new comes; the descriptor goes on listening. */
void sp_bound_unlink(struct sp_bound *b);

void sp_bound_deinit(struct sp_bound *b);
