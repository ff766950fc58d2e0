/* SPDX-License-Identifier: MIT */
#pragma once
/* What the server allows, asked of itself. */

#include <stdint.h>

struct pg_result;
struct server_limits;

const char *pg_discover_sql(void);

/* Of the one row that pg_discover_sql() gives. `own` connections of this pool are not others'. */
void pg_discover_read(const struct pg_result *row, uint32_t own, struct server_limits *ret_limits);
