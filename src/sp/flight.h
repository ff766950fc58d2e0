/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The requests of one connection that are not answered yet: a set, so that a repeated one is
 * recognised in O(1).
 */

#include <stddef.h>
#include <stdint.h>

#include "sp/request.h"

struct sp_pool;

enum {
	SP_FLIGHT_OK,
	SP_FLIGHT_E_DUPLICATE, /* it is in the set already */
	SP_FLIGHT_E_UNKNOWN,   /* it is not in the set */
};

struct sp_flight {
	struct sp_request *slots; /* owned, from the pool; NULL while the set is empty */
	size_t slots_bytes;
	uint32_t mask; /* number of slots - 1 */
	uint32_t n;
	uint64_t seed; /* so that a peer cannot choose ids that collide */
};

void sp_flight_init(struct sp_flight *f, uint64_t seed);

/* Returns 0, SP_FLIGHT_E_DUPLICATE or -ENOMEM. */
int sp_flight_add(struct sp_flight *f, struct sp_pool *pool, const struct sp_request *request);

/* Returns 0 or SP_FLIGHT_E_UNKNOWN. */
int sp_flight_remove(struct sp_flight *f, struct sp_pool *pool, const struct sp_request *request);

void sp_flight_deinit(struct sp_flight *f, struct sp_pool *pool);
