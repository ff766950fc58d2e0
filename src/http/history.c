/* SPDX-License-Identifier: MIT */
#include "http/history.h"

#include <errno.h>
#include <stdlib.h>

#include "core/pool.h"
#include "pg/engine.h"
#include "util/error.h"

static uint64_t refused(const struct pool *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < REFUSALS_N; i++)
		n += p->stats.refused_total[i];
	return n;
}

/* `before` is the same pool's last one, or all zeroes. */
static void take(const struct pool *p, const struct history_sample *before,
		 struct history_sample *s)
{
	uint64_t granted = p->stats.granted_total - before->granted_total;
	uint64_t waited = p->stats.wait_us_total - before->wait_us_total;

	*s = (struct history_sample){
		.open = p->n[SLOT_IDLE] + p->n[SLOT_PINGING] + p->n[SLOT_BUSY],
		.in_use = p->n[SLOT_BUSY],
		.waiting = p->waiting,
		.limit = pool_limit(p),
		.granted_total = p->stats.granted_total,
		.wait_us_total = p->stats.wait_us_total,
		.refused_total = refused(p),
		.granted = (uint32_t)granted,
		.wait_us = (uint32_t)MIN(granted ? waited / granted : 0, UINT32_MAX),
	};
	s->refused = (uint32_t)(s->refused_total - before->refused_total);
}

static void on_timer(uv_timer_t *timer)
{
	static const struct history_sample none;
	struct history *h = container_of(timer, struct history, timer);

	for (size_t i = 0; i < h->n_pools; i++)
		take(pg_pool_core(h->pools[i]), h->n ? history_at(h, h->n - 1, i) : &none,
		     &h->samples[h->next * h->n_pools + i]);
	h->next = (h->next + 1) % HISTORY_SAMPLES;
	h->n = MIN(h->n + 1, (size_t)HISTORY_SAMPLES);
}

int history_init(struct history *h, uv_loop_t *loop, struct pg_pool *const *pools, size_t n_pools)
{
	*h = (struct history){ .pools = pools, .n_pools = n_pools };
	h->samples = calloc(HISTORY_SAMPLES * n_pools, sizeof(*h->samples));
	if (!h->samples)
		return err_raise(-ENOMEM);
	(void)uv_timer_init(loop, &h->timer);
	uv_unref((uv_handle_t *)&h->timer);
	(void)uv_timer_start(&h->timer, on_timer, 0, HISTORY_STEP_MS);
	return 0;
}

const struct history_sample *history_at(const struct history *h, size_t i, size_t pool)
{
	size_t at = (h->next + HISTORY_SAMPLES - h->n + i) % HISTORY_SAMPLES;

	return &h->samples[at * h->n_pools + pool];
}

void history_deinit(struct history *h)
{
	if (h->timer.loop && !uv_is_closing((uv_handle_t *)&h->timer))
		uv_close((uv_handle_t *)&h->timer, NULL);
	free(h->samples);
	h->samples = NULL;
}
