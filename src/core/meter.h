/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What one application had of one pool, counted for good: unlike the application, which is
 * forgotten when its name is not needed any more, a meter stays, so that its numbers only grow. A
 * pool has METERS_MAX of them at the most; the applications that come later share one.
 */

#include <stdint.h>
#include <sys/queue.h>

#include "core/core.h"
#include "util/hist.h"

struct application;
struct pool;

enum {
	METERS_MAX = 64,
	METER_CODES_N = 100,  /* numbers of errors.def are below */
	METER_CLASSES_N = 44, /* of SQLSTATE, and the last for any other */
	METER_REFUSALS_N = REFUSE_DRAINING + 1,
	METER_REVOCATIONS_N = REVOKE_ADMIN + 1,
};

#define METER_OTHER "(other)"

struct meter {
	char *application; /* owned; METER_OTHER: of all that share it */
	uint64_t granted_total;
	uint64_t pipelined_total; /* of them, behind another on the same connection */
	uint64_t refused_total[METER_REFUSALS_N];
	uint64_t leases_total;
	uint64_t revoked_total[METER_REVOCATIONS_N];
	struct hist waits;   /* of what was granted, microseconds, as all here */
	struct hist uses;    /* from the grant until the connection was clean again */
	struct hist queries; /* what PostgreSQL took, as their owner measures it */
	uint64_t failures_total[METER_CODES_N];     /* by error code, the owner's */
	uint64_t sql_errors_total[METER_CLASSES_N]; /* by class of SQLSTATE */
	TAILQ_ENTRY(meter) link;                    /* pool::meters */
};

TAILQ_HEAD(meter_list, meter);

/* That of an application in a pool. Neither is kept alive by it. */
struct meter *meter_of(const struct application *app, const struct pool *p);

/* All of a pool: NULL gives the first, the last gives NULL. */
const struct meter *meter_next(const struct pool *p, const struct meter *after);

/* A request ended with error `code`; `sqlstate` is "" where PostgreSQL said nothing. */
void meter_fail(struct meter *m, unsigned code, const char *sqlstate);

/* "23", or "other" for the last. */
const char *meter_class(unsigned class);

/* For the core: the meter of that name, made if there is room. Returns 0 or -ENOMEM. */
int meter_get(struct pool *p, const char *application, struct meter **ret_meter);
void meters_free(struct pool *p);
