/* SPDX-License-Identifier: MIT */
#pragma once
/* From the daemon's answers to a sample. */

#include "ctl/top-sample.h"
#include "sidepool.h"

/* The tables that top asks for. */
#define TOP_TABLES                                                                                 \
	(1u << SIDEPOOL_TABLE_DAEMON | 1u << SIDEPOOL_TABLE_POOLS |                                \
	 1u << SIDEPOOL_TABLE_APPLICATIONS | 1u << SIDEPOOL_TABLE_LEASES |                         \
	 1u << SIDEPOOL_TABLE_REQUESTS)

/*
 * `status` and `health` are replies without an error; they may be freed after. `before` is an earlier
 * sample, for what is told by the second, or NULL. Returns NULL without memory.
 */
struct top_sample *top_read(const struct sidepool_reply *status,
			    const struct sidepool_reply *health, const struct top_sample *before,
			    uint64_t now_us);
