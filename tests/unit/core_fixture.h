/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A core with a pool and applications under a virtual clock, whose decisions a test takes one by
 * one or has carried out.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/application.h"
#include "core/core.h"
#include "core/lease.h"
#include "core/pool.h"
#include "core/settings.h"
#include "core/ticket.h"
#include "util/macro.h"

#define MS USEC_PER_MS
#define SEC USEC_PER_SEC

enum {
	TICKETS_MAX = 64,
};

struct fixture {
	struct core *core;
	struct pool *pool;
	struct application *app;
	usec now;
	struct ticket tickets[TICKETS_MAX];
	/* What fixture_settle() came across, since it began. */
	uint32_t opened, closed, pinged, granted, refused, expired, gone;
	struct ticket *last_granted;
	struct ticket *last_refused;
	enum refusal refusal;
	usec retry_after_us;
	enum close_reason close_reason;
	unsigned depth;
	bool server_full; /* opening fails so */
};

extern const struct core_settings fixture_core_settings; /* a budget of 10, queues of 100 */
extern const struct pool_settings fixture_pool_settings; /* a size of 10 and nothing else */
extern const struct share_settings fixture_share;        /* weight 1 */

/*
 * A pool "pool" and an application "app" with the settings above; teardown frees what is left. For
 * cmocka.
 */
int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_configure(struct fixture *f, const struct pool_settings *s);
struct application *fixture_app(struct fixture *f, const char *name,
				const struct share_settings *share);

/* tickets[i] of `app` at f->pool, without deadlines; to be changed before fixture_submit(). */
struct ticket *fixture_ticket(struct fixture *f, unsigned i, struct application *app);
struct ticket *fixture_submit(struct fixture *f, unsigned i, struct application *app);
struct ticket *fixture_submit_shared(struct fixture *f, unsigned i, struct application *app,
				     usec expected_us);
void fixture_finish(struct fixture *f, struct ticket *t);

/* The next decision, DECISION_NONE if there is none. */
struct decision fixture_decide(struct fixture *f);
/* It must be of that type. */
struct decision fixture_expect(struct fixture *f, enum decision_type type);

/* Carries out all decisions at once: connects and closes take no time. Counts start anew. */
void fixture_settle(struct fixture *f);

/*
 * Lets time pass and settles whenever the core wants to be woken. Counts start anew, and run over
 * the whole time.
 */
void fixture_pass(struct fixture *f, usec time);

/*
 * The n-th allocation from now on fails; 0: none does. Returns how many there were since the last
 * call.
 */
long fixture_fail_malloc(long n);
