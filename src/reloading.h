/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A new configuration while the daemon runs: read again (SIGHUP, `sidepool reload`), or with a
 * setting changed by hand (`sidepool set`). One at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "config/overrides.h"

struct arguments;
struct config;
struct reload;

struct reloading_ops {
	/* Brings it into force; it is the callee's now. Returns how many pools would not take it. */
	unsigned (*apply)(void *userdata, struct config *fresh);
	/* It is over. `sentence` says what was done, or why nothing was. */
	void (*done)(void *userdata, bool done, const char *sentence);
};

struct reloading {
	uv_loop_t *loop;                   /* borrowed, as all here */
	const struct arguments *arguments; /* of the command line */
	const struct reloading_ops *ops;
	void *userdata;
	struct config_overrides overrides; /* owned: in force */
	struct reload *under_way;          /* borrowed: frees itself; NULL: none */
};

/* A change by hand, and by whom. */
struct reloading_change {
	const char
		*section;  /* borrowed for the call, as all here; "": see config_override_find() */
	const char *name;  /* unset: "" for all */
	const char *value; /* NULL: unset */
	uint32_t uid;
	int pid;
};

/*
 * Each begins it, and `done` follows, never from within the call; false: refused, with the reason in
 * `why`. `in_force` is borrowed until it is done.
 */
bool reloading_begin(struct reloading *l, const struct config *in_force, char *why, size_t n);
bool reloading_change(struct reloading *l, const struct config *in_force,
		      const struct reloading_change *change, char *why, size_t n);

/* What is under way is heard of no more. */
void reloading_deinit(struct reloading *l);
