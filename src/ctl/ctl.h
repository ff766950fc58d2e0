/* SPDX-License-Identifier: MIT */
#pragma once
/* The `sidepool` command: what its subcommands share. */

#include <stdbool.h>
#include <stdint.h>

#include "sidepool.h"

/* Exit statuses. They are documented in the manual page and used by scripts: a number keeps its
 * meaning. */
enum ctl_status {
	CTL_OK = 0,
	CTL_FAILED = 1, /* PostgreSQL refused the statement, or it was ended without effect */
	CTL_USAGE = 2,
	CTL_NO_DAEMON = 3,
	CTL_NOT_SENT = 4,  /* nothing was done; trying again may help */
	CTL_UNKNOWN = 5,   /* it was sent, and the answer was lost */
	CTL_REFUSED = 6,   /* nothing was done, and trying the same again does not help */
	CTL_TROUBLE = 7,   /* this program itself: it cannot read, write, or get memory */
	CTL_DEGRADED = 10, /* health only */
	CTL_UNHEALTHY = 11,
};

enum ctl_format {
	CTL_ALIGNED = 0,
	CTL_CSV,
	CTL_JSON,
};

struct ctl {
	enum ctl_format format;
	const char *socket;
	const char *application;
	const char *pool;
	uint32_t timeout_ms; /* 0: none */
	uint32_t watch_ms;   /* 0: once */
	bool failed;         /* queue: what was submitted and came to nothing */
	bool wait;           /* until what was asked for is in effect */
	uint64_t count;      /* listen, events: 0 means for ever */
	struct sidepool *sp; /* owned */
	const struct ctl_command *command;
	char **args;
	int n_args;
};

struct ctl_command {
	const char *name;
	const char *arguments;
	const char *summary;
	int min_args;
	int max_args; /* -1: any number */
	int (*run)(struct ctl *ctl);
	int detail; /* for commands that share a function */
};

int ctl_query(struct ctl *ctl);
int ctl_exec(struct ctl *ctl);
int ctl_status(struct ctl *ctl);
int ctl_list(struct ctl *ctl);  /* detail: enum sidepool_table */
int ctl_queue(struct ctl *ctl); /* what waits, or has failed */
int ctl_health(struct ctl *ctl);
int ctl_ping(struct ctl *ctl);
int ctl_listen(struct ctl *ctl); /* detail 1: events */
int ctl_admin(struct ctl *ctl);  /* detail: enum sidepool_admin */
int ctl_config(struct ctl *ctl);
int ctl_set(struct ctl *ctl);
int ctl_unset(struct ctl *ctl);
int ctl_breaker(struct ctl *ctl);
int ctl_kill(struct ctl *ctl);
int ctl_advise(struct ctl *ctl);
int ctl_top(struct ctl *ctl);

/* What the daemon says it has done, or why not. Returns the exit status. */
int ctl_admin_print(const struct sidepool_reply *reply);

/* The options that every request of the command is made with. */
struct sidepool_call ctl_call(const struct ctl *ctl);
