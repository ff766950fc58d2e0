/* SPDX-License-Identifier: MIT */
#pragma once
/* What requests are counted by: core/meter.h. */

struct failure;
struct request;

/* Its call has ended: how long it ran, and what it failed of. */
void count_ran(const struct request *r);

/* It failed, or a statement of it did; one that its client has cancelled has not. */
void count_failure(const struct request *r, const struct failure *f);
