/* SPDX-License-Identifier: MIT */
#pragma once
/* Errors and notices on standard error, and the exit status that an error means. */

#include "sidepool.h"

/* Says what failed and what to do about it; with `sql`, shows the place in it. Returns the exit
 * status: enum ctl_status. */
int complain(const struct sidepool_error *error, const char *sql);

/* What PostgreSQL said beside the result. */
void complain_notices(const struct sidepool_result *result);
