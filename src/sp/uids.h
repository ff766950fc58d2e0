/* SPDX-License-Identifier: MIT */
#pragma once
/* How many connections each user has. Few users connect to one host's daemon: an array does. */

#include <stddef.h>
#include <sys/types.h>

struct sp_uid {
	uid_t uid;
	unsigned n;
};

struct sp_uids {
	struct sp_uid *entries; /* owned */
	size_t n;
	size_t capacity;
};

/* Makes sure that the next sp_uids_add() works. Returns 0 or -ENOMEM. */
int sp_uids_reserve(struct sp_uids *u);

/* Counts one more for the user; returns how many that makes. */
unsigned sp_uids_add(struct sp_uids *u, uid_t uid);

void sp_uids_remove(struct sp_uids *u, uid_t uid);

void sp_uids_deinit(struct sp_uids *u);
