/* SPDX-License-Identifier: MIT */
#pragma once
/* What the daemon says of itself, and of who holds what. */

#include "core/core.h"

struct failure;
struct request;

/* Adds to a wait that failed: what was waited for, for how long, and who holds it. */
void status_describe_refusal(const struct request *r, struct failure *f, enum refusal why,
			     const char *reason);
