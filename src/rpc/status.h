/* SPDX-License-Identifier: MIT */
#pragma once
/* What the daemon says of itself, and of who holds what. */

#include "core/core.h"
#include "core/health.h"
#include "sidepool/v1/status.pb-c.h"

struct failure;
struct request;
struct rpc_lease;

/* Adds to a wait that failed: what was waited for, for how long, and who holds it. */
void status_describe_refusal(const struct request *r, struct failure *f, enum refusal why,
			     const char *reason);

Sidepool__V1__HealthLevel status_health_level(enum health_level level);

/* How it stands, but for whom it is to be blamed by. Texts are borrowed of the lease. */
void status_fill_lease(const struct rpc_lease *l, Sidepool__V1__LeaseStatus *ret_status);
