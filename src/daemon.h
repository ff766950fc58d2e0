/* SPDX-License-Identifier: MIT */
#pragma once
/* The composition root: makes all parts, ties them together, and takes them down again. */

struct arguments;
struct config;
struct daemon;

/*
 * Sets everything up and listens; `config` becomes the daemon's on success, `arguments` is borrowed
 * and outlives it (a reload reads it again). Returns 0, or -1 when the reason has been logged.
 */
int daemon_new(struct daemon **ret_daemon, struct config *config,
	       const struct arguments *arguments);

/* Runs until it is told to stop. Returns the exit status. */
int daemon_run(struct daemon *d);

struct daemon *daemon_free(struct daemon *d);
