/* SPDX-License-Identifier: MIT */
#pragma once
/* What a run came to, for people or, with --json, as one line for machines. */

#include <stdint.h>

struct options;
struct latency;

struct report {
	const char *name; /* of the workload */
	uint64_t done;
	uint64_t errors;
	uint64_t late; /* open loop: due, and not begun before the end */
	double seconds;
	const char *error; /* the first; "" */
	const struct latency *latency;
};

void report_print(const struct options *o, const struct report *r);
