/* SPDX-License-Identifier: MIT */
#pragma once
/* Statements in the log: all of them (log_statements), or those that took long (slow_query). */

struct request;

/*
 * Before it runs, while its parameters can still be read: keeps them as text if they may be logged.
 */
void statement_log_keep(struct request *r);

/* When its call has ended. */
void statement_log_tell(const struct request *r);
