/* SPDX-License-Identifier: MIT */
/*
 * The core counts since its start; a copy of what it had counted at the last line makes the figures
 * of the time in between. What is in use, and who waits, is of the moment. The line comes where
 * something was granted or refused, where somebody holds or waits, and while anything is wrong; one
 * more tells that all is well again.
 */
#include "minute.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/health.h"
#include "core/pool.h"
#include "pg/engine.h"
#include "util/error.h"
#include "util/log.h"

struct minute_pool {
	struct pg_pool *pg;           /* borrowed */
	struct pool_stats before;     /* at the last line */
	enum health_level last_level; /* that was told */
};

struct figures {
	uint32_t active;
	uint32_t idle;
	uint32_t waiting;
	uint64_t granted;
	uint64_t refused;
	uint64_t expired;
	uint64_t connect_failures;
	uint64_t wait_p99_us;
	uint64_t run_us;
	struct health_check worst;
};

static uint64_t refused_total(const struct pool_stats *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < REFUSALS_N; i++)
		n += s->refused_total[i];
	return n;
}

static void worsen(struct health_check *worst, const struct health_check *check)
{
	if (check->level > worst->level)
		*worst = *check;
}

static void look_at_health(const struct pool *p, struct health_check *ret_worst)
{
	usec now = pg_engine_now();
	struct health_check check;

	health_check_database(p, now, ret_worst);
	health_check_acquisition(p, now, &check);
	worsen(ret_worst, &check);
	health_check_limits(p, &check);
	worsen(ret_worst, &check);
	health_check_budget(p->core, now, &check);
	worsen(ret_worst, &check);
}

static void compare(const struct pool *p, const struct pool_stats *before, struct figures *ret_f)
{
	const struct pool_stats *s = &p->stats;
	struct hist waits;

	hist_since(&s->waits, &before->waits, &waits);
	*ret_f = (struct figures){
		.active = p->n[SLOT_BUSY],
		.idle = p->n[SLOT_IDLE],
		.waiting = p->waiting,
		.granted = s->granted_total - before->granted_total,
		.refused = refused_total(s) - refused_total(before),
		.expired = s->expired_total - before->expired_total,
		.connect_failures = s->connect_failures_total - before->connect_failures_total,
		.wait_p99_us = hist_quantile(&waits, 0.99),
		.run_us = s->run_us_total - before->run_us_total,
	};
	look_at_health(p, &ret_f->worst);
}

static bool is_worth_a_line(const struct minute_pool *m, const struct figures *f)
{
	return f->granted || f->refused || f->expired || f->connect_failures || f->active ||
	       f->waiting || f->worst.level != HEALTH_HEALTHY || m->last_level != HEALTH_HEALTHY;
}

/* "850us", "3ms", "1.2s": two digits tell enough. */
static void print_time(uint64_t us, char *ret_text, size_t n)
{
	if (us < USEC_PER_MS)
		(void)snprintf(ret_text, n, "%uus", (unsigned)us);
	else if (us < USEC_PER_SEC)
		(void)snprintf(ret_text, n, "%ums", (unsigned)(us / USEC_PER_MS));
	else
		(void)snprintf(ret_text, n, "%.1fs", (double)us / USEC_PER_SEC);
}

static void write_line(const struct minute_pool *m, const struct figures *f)
{
	const struct pool_settings *s = &pg_pool_core(m->pg)->settings;
	const char *name = pg_pool_name(m->pg), *level = health_level_to_string(f->worst.level);
	bool healthy = f->worst.level == HEALTH_HEALTHY;
	char wait[16];

	print_time(f->wait_p99_us, wait, sizeof(wait));
	log_info(LOG_FIELDS(log_str("POOL", name), log_uint("ACTIVE", f->active),
			    log_uint("IDLE", f->idle), log_uint("MIN", s->min_size),
			    log_uint("MAX", s->max_size + s->max_overflow),
			    log_uint("WAITING", f->waiting), log_uint("GRANTED", f->granted),
			    log_uint("REFUSED", f->refused), log_uint("EXPIRED", f->expired),
			    log_uint("CONNECT_FAILURES", f->connect_failures),
			    log_uint("WAIT_P99_US", f->wait_p99_us), log_uint("RUN_US", f->run_us),
			    log_str("HEALTH", level)),
		 "%s: Active: %u, Min: %u, Max: %u, waiting %u, wait p99 %s (%s%s%s)", name,
		 f->active, s->min_size, s->max_size + s->max_overflow, f->waiting, wait, level,
		 healthy ? "" : ": ", healthy ? "" : f->worst.reason);
}

static void on_timer(uv_timer_t *timer)
{
	struct minute *m = container_of(timer, struct minute, timer);

	for (size_t i = 0; i < m->n_pools; i++) {
		struct minute_pool *p = &m->pools[i];
		const struct pool *core = pg_pool_core(p->pg);
		struct figures f;

		compare(core, &p->before, &f);
		if (is_worth_a_line(p, &f))
			write_line(p, &f);
		p->before = core->stats;
		p->last_level = f.worst.level;
	}
}

/* ---- life ---- */

static void start(struct minute *m)
{
	uint64_t ms = MAX(m->interval_us / USEC_PER_MS, (usec)1);

	(void)uv_timer_stop(&m->timer);
	if (m->interval_us != USEC_NEVER)
		(void)uv_timer_start(&m->timer, on_timer, ms, ms);
}

int minute_init(struct minute *m, uv_loop_t *loop, struct pg_pool *const *pools, size_t n_pools,
		usec interval_us)
{
	*m = (struct minute){ .interval_us = interval_us };
	m->pools = calloc(n_pools, sizeof(*m->pools));
	if (!m->pools)
		return err_raise(-ENOMEM);
	m->n_pools = n_pools;
	for (size_t i = 0; i < n_pools; i++)
		m->pools[i].pg = pools[i];
	(void)uv_timer_init(loop, &m->timer);
	uv_unref((uv_handle_t *)&m->timer);
	start(m);
	return 0;
}

void minute_configure(struct minute *m, usec interval_us)
{
	if (m->interval_us == interval_us)
		return;
	m->interval_us = interval_us;
	start(m);
}

void minute_deinit(struct minute *m)
{
	if (m->pools)
		uv_close((uv_handle_t *)&m->timer, NULL);
	free(m->pools);
	m->pools = NULL;
	m->n_pools = 0;
}
