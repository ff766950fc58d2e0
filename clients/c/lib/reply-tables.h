/* SPDX-License-Identifier: MIT */
#pragma once
/* The answers that are about the daemon and not about rows: each becomes tables. */

struct pb_field;
struct sidepool_reply;

/* Other fields than those are passed over. Returns as reply_parse(). */
int reply_set_tables(struct sidepool_reply *reply, const struct pb_field *field);
