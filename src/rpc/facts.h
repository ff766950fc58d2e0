/* SPDX-License-Identifier: MIT */
#pragma once
/* What the kernel says of a process: the proof of who asks. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

enum {
	FACTS_GROUPS_MAX = 64,
	FACTS_KNOWN = 16,
};

struct facts {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	/* "api.service", a login's "user-1000.slice", a container's short id; "": none */
	char unit[64];
	char executable
		[128]; /* path; "": not known, as for another user's process without the right to look */
	gid_t groups[FACTS_GROUPS_MAX];
	size_t n_groups;
};

/*
 * What was read of the last few processes, by pid: one that connects for each of its queries is not
 * looked up each time. Zeroed at first.
 */
struct facts_known {
	struct facts facts[FACTS_KNOWN];
	usec until[FACTS_KNOWN]; /* when they are too old to be believed */
};

/*
 * Reads /proc, which never blocks on a disk or a network, or takes what it read there less than a
 * tenth of a second before `now`. What cannot be read stays empty. The groups are the caller's to
 * fill in.
 */
void facts_read(struct facts *ret_facts, struct facts_known *known, usec now, uid_t uid, gid_t gid,
		pid_t pid);

/* The unit that the text of a /proc/PID/cgroup names. */
void facts_unit(const char *cgroup, char *unit, size_t size);

/*
 * A name for a process that declared none: its unit without suffix, else its executable without
 * folder, else "pid 4121".
 */
void facts_name(const struct facts *f, char *name, size_t size);
