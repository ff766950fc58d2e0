/* SPDX-License-Identifier: MIT */
#include "core_fixture.h"

#include <stdlib.h>

const struct core_settings fixture_core_settings = {
	.budget = 10,
	.queue_limit = 100,
	.degraded_ratio = 0.8,
	.unhealthy_ratio = 0.9,
	.degraded_wait_us = 50 * MS,
};

const struct pool_settings fixture_pool_settings = {
	.max_size = 10,
	.pipeline_depth = 1,
	.pipeline_budget_us = 5 * MS,
	.idle_timeout_us = USEC_NEVER,
	.max_lifetime_us = USEC_NEVER,
	.keepalive_us = USEC_NEVER,
	.backoff_min_us = 100 * MS,
	.backoff_max_us = 10 * SEC,
	.breaker_threshold = 3,
	.breaker_reset_us = 60 * SEC,
};

const struct share_settings fixture_share = { .weight = 1 };

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

static struct {
	long countdown;
	long counted;
} faults;

static bool is_faulty(void)
{
	faults.counted++;
	return faults.countdown > 0 && --faults.countdown == 0;
}

void *__wrap_malloc(size_t n)
{
	return is_faulty() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_faulty() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return is_faulty() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return is_faulty() ? NULL : __real_reallocarray(p, n, size);
}

long fixture_fail_malloc(long n)
{
	long counted = faults.counted;

	faults.countdown = n;
	faults.counted = 0;
	return counted;
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->now = 1000 * SEC;
	assert_int_equal(core_new(&f->core, &fixture_core_settings, 42), 0);
	assert_int_equal(pool_add(f->core, &fixture_pool_settings, NULL, f->now, &f->pool), 0);
	f->app = fixture_app(f, "app", &fixture_share);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct lease *l;

	fixture_fail_malloc(0);
	while ((l = lease_next(f->core, NULL)))
		lease_end(l, f->now);
	for (unsigned i = 0; i < TICKETS_MAX; i++) {
		if (f->tickets[i].state == TICKET_GRANTED)
			fixture_finish(f, &f->tickets[i]);
		core_withdraw(f->core, &f->tickets[i], f->now);
	}
	core_free(f->core);
	free(f);
	return 0;
}

void fixture_configure(struct fixture *f, const struct pool_settings *s)
{
	pool_configure(f->pool, s, f->now);
}

struct application *fixture_app(struct fixture *f, const char *name,
				const struct share_settings *share)
{
	struct application *app;

	assert_int_equal(application_get(f->core, name, share, &app), 0);
	return app;
}

struct ticket *fixture_ticket(struct fixture *f, unsigned i, struct application *app)
{
	assert_true(i < TICKETS_MAX);
	f->tickets[i] = (struct ticket){
		.pool = f->pool, .app = app, .deadline = USEC_NEVER, .acquire_deadline = USEC_NEVER
	};
	return &f->tickets[i];
}

struct ticket *fixture_submit(struct fixture *f, unsigned i, struct application *app)
{
	struct ticket *t = fixture_ticket(f, i, app);

	core_submit(f->core, t, f->now);
	return t;
}

struct ticket *fixture_submit_shared(struct fixture *f, unsigned i, struct application *app,
				     usec expected_us)
{
	struct ticket *t = fixture_ticket(f, i, app);

	t->pipelined = true;
	t->expected_us = expected_us;
	core_submit(f->core, t, f->now);
	return t;
}

void fixture_finish(struct fixture *f, struct ticket *t)
{
	core_finish(f->core, t, f->now);
}

struct decision fixture_decide(struct fixture *f)
{
	struct decision d = { .type = DECISION_NONE };

	if (!core_decide(f->core, f->now, &d))
		d.type = DECISION_NONE;
	return d;
}

struct decision fixture_expect(struct fixture *f, enum decision_type type)
{
	struct decision d = fixture_decide(f);

	assert_int_equal(d.type, type);
	return d;
}

static void open_slot(struct fixture *f, struct slot *s)
{
	f->opened++;
	if (f->server_full)
		core_slot_failed(f->core, s, SLOT_FAILURE_SERVER_FULL, f->now);
	else
		core_slot_opened(f->core, s, f->now);
}

static void carry_out(struct fixture *f, const struct decision *d)
{
	switch (d->type) {
	case DECISION_OPEN:
		open_slot(f, d->slot);
		break;
	case DECISION_CLOSE:
		f->closed++;
		f->close_reason = d->close_reason;
		core_slot_closed(f->core, d->slot, f->now);
		break;
	case DECISION_PING:
		f->pinged++;
		core_slot_pinged(f->core, d->slot, f->now);
		break;
	case DECISION_GRANT:
		f->granted++;
		f->depth = d->depth;
		f->last_granted = d->ticket;
		break;
	case DECISION_REFUSE:
		f->refused++;
		f->last_refused = d->ticket;
		f->refusal = d->refusal;
		f->retry_after_us = d->retry_after_us;
		break;
	case DECISION_EXPIRE:
		f->expired++;
		break;
	case DECISION_GONE:
		f->gone++;
		pool_free(d->pool);
		break;
	default:
		fail_msg("unexpected decision %d", (int)d->type);
	}
}

static void settle(struct fixture *f)
{
	struct decision d;

	while ((d = fixture_decide(f)).type != DECISION_NONE)
		carry_out(f, &d);
	assert_true(core_wakeup(f->core) > f->now);
}

static void forget(struct fixture *f)
{
	f->opened = f->closed = f->pinged = f->granted = f->refused = f->expired = f->gone = 0;
	f->last_granted = f->last_refused = NULL;
}

void fixture_settle(struct fixture *f)
{
	forget(f);
	settle(f);
}

void fixture_pass(struct fixture *f, usec time)
{
	usec until = f->now + time;

	forget(f);
	settle(f);
	while (core_wakeup(f->core) <= until) {
		f->now = core_wakeup(f->core);
		settle(f);
	}
	f->now = until;
	settle(f);
}
