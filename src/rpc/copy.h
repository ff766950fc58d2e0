/* SPDX-License-Identifier: MIT */
#pragma once
/* What a connection has to say to a request that copies. */

#include <stdbool.h>
#include <stddef.h>

struct pg_result;
struct request;

/* `ready`: the formats are known. Else a piece of a COPY TO STDOUT. */
void copy_on_data(struct request *r, const struct pg_result *ready, const char *data, size_t n);

/*
 * The request shall end: in the middle of a COPY FROM STDIN PostgreSQL listens to nobody but its
 * client, a cancel is not heard.
 */
void copy_stop(struct request *r);

/* Whether it is a CopyIn: its stream takes data and gives none. */
bool copy_is_in(const struct request *r);
