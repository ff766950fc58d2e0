/* SPDX-License-Identifier: MIT */
#pragma once
/* What a sample's numbers mean: who is held up by what, what is bad, and how much it is by the second. */

#include "ctl/top-sample.h"

/* Fills the columns that have no field and the level of each row. `before` may be NULL. */
void top_reason(struct top_sample *s, const struct top_sample *before);

/* A check of the daemon's health becomes a trouble unless it is healthy. */
void top_reason_check(struct top_sample *s, const char *level, const char *reason,
		      const char *advice);
