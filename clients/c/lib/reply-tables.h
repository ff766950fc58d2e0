/* SPDX-License-Identifier: MIT */
#pragma once
/* The answers that are about the daemon and not about rows: each becomes tables. */

struct pb_field;
struct sidepool_reply;
struct table;

/* Other fields than those are passed over. Returns as reply_parse(). */
int reply_set_tables(struct sidepool_reply *reply, const struct pb_field *field);

/* One more; the table belongs to the reply from here on. NULL, or without memory: -ENOMEM. */
int reply_add_table(struct sidepool_reply *reply, struct table *t);
