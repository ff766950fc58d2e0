/* SPDX-License-Identifier: MIT */
/*
 * Who is refused at once, instead of after waiting in vain: when the daemon or the pool is going
 * away, the deadline is over, the database cannot be reached, the queue is full, or the deadline
 * cannot be met.
 *
 * While the breaker is open, connections that are up are still used, and who finds them busy queues
 * for them: a connection that works is proof enough. Only where none is up is everybody refused. A
 * breaker that was tripped by hand refuses in any case.
 *
 * How long one would wait follows from Little's law: those who are ahead in the application's own
 * queue, times its measured mean service time, over the connections that it can expect, which are
 * its part of the pool by weight, or more if it has more. Nobody ahead means no estimate: what runs
 * may end at any moment. The estimate so errs to the short side, and refuses only what is hopeless.
 */
#include "core/core-internal.h"
#include "core/queue.h"

#define RETRY_UNKNOWN_US (100 * USEC_PER_MS)
#define RETRY_DRAINING_US USEC_PER_SEC
#define RETRY_MAX_US (60 * USEC_PER_SEC)

enum {
	SAMPLES_MIN = 4,
};

/* Connections that the application can expect to have at the pool. */
static double expected_share(const struct queue *q)
{
	const struct share_settings *s = &q->app->share;
	const struct pool *p = q->pool;
	double weights = (double)(p->active_weight - q->active_weight) + s->weight;
	double n = pool_limit(p) * s->weight / weights;

	n = MAX(n, (double)MAX(q->running, s->min));
	if (s->max)
		n = MIN(n, (double)s->max);
	return MAX(n, 1.0);
}

usec admission_estimate(const struct ticket *t)
{
	const struct queue *q = application_queue(t->app, t->pool);

	if (q->samples < SAMPLES_MIN || queue_waiting(q) == 0)
		return 0;
	return (usec)(queue_waiting(q) * q->mean_us / expected_share(q));
}

static bool is_unreachable(const struct pool *p, const struct ticket *t, usec wait, usec now,
			   usec *ret_retry_after_us)
{
	usec begins = usec_add(now, wait);
	usec ends = usec_add(begins, t->expected_us);
	usec late = MAX(usec_sub(begins, t->acquire_deadline), usec_sub(ends, t->deadline));

	if (wait == 0 || late == 0 || p->paused)
		return false;
	*ret_retry_after_us = MIN(MAX(late, USEC_PER_MS), RETRY_MAX_US);
	return true;
}

static bool is_full(const struct core *c, const struct ticket *t)
{
	const struct pool *p = t->pool;
	uint32_t limit = t->app->share.queue_limit;

	/* Will not wait at all. */
	if (p->n[SLOT_IDLE] > p->waiting && !p->paused)
		return false;
	return c->waiting >= c->settings.queue_limit || (limit && t->app->waiting >= limit);
}

static bool is_unserved(const struct pool *p)
{
	return p->breaker.tripped || (p->breaker.state != BREAKER_CLOSED && !pool_is_live(p));
}

static usec retry_when_full(usec wait)
{
	return wait ? MIN(MAX(wait, USEC_PER_MS), RETRY_MAX_US) : RETRY_UNKNOWN_US;
}

bool admission_refuses(struct core *c, const struct ticket *t, usec now, enum refusal *ret_refusal,
		       usec *ret_retry_after_us)
{
	const struct pool *p = t->pool;
	usec wait;

	if (pool_is_closing(p)) {
		*ret_refusal = REFUSE_DRAINING;
		*ret_retry_after_us = RETRY_DRAINING_US;
		return true;
	}
	if (is_unserved(p)) {
		*ret_refusal = REFUSE_BREAKER;
		*ret_retry_after_us = breaker_retry_after(&p->breaker, &p->settings, now);
		return true;
	}
	wait = admission_estimate(t);
	if (t->deadline <= now || t->acquire_deadline <= now) {
		*ret_refusal = t->deadline <= now ? REFUSE_DEADLINE : REFUSE_TIMEOUT;
		*ret_retry_after_us = retry_when_full(wait);
		return true;
	}
	if (is_full(c, t)) {
		*ret_refusal = REFUSE_QUEUE_FULL;
		*ret_retry_after_us = retry_when_full(wait);
		return true;
	}
	*ret_refusal = REFUSE_UNREACHABLE;
	return is_unreachable(p, t, wait, now, ret_retry_after_us);
}

static void refuse_queue(struct pool *p, struct queue *q, enum refusal refusal, usec retry_after_us,
			 usec now)
{
	struct ticket *t;

	while ((t = queue_head(q))) {
		queue_remove(q, t, now);
		p->waiting--;
		p->core->waiting--;
		t->app->waiting--;
		core_refuse(p->core, t, refusal, retry_after_us);
	}
}

void admission_refuse_waiting(struct pool *p, usec now)
{
	struct application *app;
	enum refusal refusal;
	usec retry_after_us;

	if (p->waiting == 0)
		return;
	if (pool_is_closing(p)) {
		refusal = REFUSE_DRAINING;
		retry_after_us = RETRY_DRAINING_US;
	} else if (is_unserved(p)) {
		refusal = REFUSE_BREAKER;
		retry_after_us = breaker_retry_after(&p->breaker, &p->settings, now);
	} else {
		return;
	}
	TAILQ_FOREACH (app, &p->core->applications, link)
		refuse_queue(p, application_queue(app, p), refusal, retry_after_us, now);
}
