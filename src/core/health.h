/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How well it goes: a level from the numbers, with the reason and an advice in a sentence each.
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/breaker.h"
#include "core/settings.h"
#include "util/macro.h"

struct core;
struct pool;

enum health_level {
	HEALTH_HEALTHY,
	HEALTH_DEGRADED,
	HEALTH_UNHEALTHY,
};

struct health_check {
	enum health_level level;
	char reason[192]; /* a sentence with the numbers */
	char advice[192]; /* a sentence; "" when healthy */
};

/* What is in use of what may be. */
void health_of_budget(const struct core_settings *s, uint32_t in_use, uint32_t budget_in_force,
		      uint32_t waiting, struct health_check *ret_check);

/* How long it takes to get a connection. */
void health_of_acquisition(const struct core_settings *s, usec acquisition_us,
			   struct health_check *ret_check);

/* Whether the database can be reached: the breaker, and whether any connection is up. */
void health_of_database(const struct breaker *b, uint32_t slots_up, usec retry_after_us, usec now,
			struct health_check *ret_check);

/* Whether the server gives what the settings ask for. */
void health_of_limits(uint32_t asked, uint32_t in_force, uint32_t would_fit,
		      struct health_check *ret_check);

/* Whether submitted writes are accepted: of `most` that may be there, `queued` are. */
void health_of_submits(uint32_t queued, uint32_t most, bool journal_fails,
		       struct health_check *ret_check);

/* The numbers of the checks above, but for the last, from the core. */
void health_check_budget(const struct core *c, usec now, struct health_check *ret_check);
void health_check_acquisition(const struct pool *p, usec now, struct health_check *ret_check);
void health_check_database(const struct pool *p, usec now, struct health_check *ret_check);
void health_check_limits(const struct pool *p, struct health_check *ret_check);

/* How long it takes to get a connection there; 0 where nobody asked lately. */
usec health_acquisition(const struct pool *p, usec now);

/* The worst of the checks of the core. */
enum health_level health_level(const struct core *c, usec now);

const char *health_level_to_string(enum health_level level);
