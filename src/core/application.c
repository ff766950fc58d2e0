/* SPDX-License-Identifier: MIT */
/*
 * The table of applications. Each has a queue at every pool from the start, so that a ticket never
 * has to allocate one.
 *
 * Invariants: app->queues[p->index] exists for every application and every pool; an application
 * that is not held, has nothing granted and nothing waiting may be forgotten at any time.
 */
#include "core/application.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/core-internal.h"
#include "core/queue.h"
#include "util/error.h"

static uint32_t bucket_of(const char *name)
{
	uint32_t h = UINT32_C(2166136261); /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * UINT32_C(16777619);
	return h % APPLICATION_BUCKETS;
}

int application_add_queue(struct application *app, struct pool *p)
{
	struct queue **queues;
	int r;

	if (p->index >= app->n_queues) {
		queues = reallocarray(app->queues, p->index + 1, sizeof(struct queue *));
		if (!queues)
			return err_raise(-ENOMEM);
		for (uint32_t i = app->n_queues; i <= p->index; i++)
			queues[i] = NULL;
		app->queues = queues;
		app->n_queues = p->index + 1;
	}
	r = queue_new(&app->queues[p->index], app, p);
	return r < 0 ? err_forward(r) : 0;
}

void application_drop_queue(struct application *app, const struct pool *p)
{
	if (p->index < app->n_queues)
		app->queues[p->index] = queue_free(app->queues[p->index]);
}

static void set_share(struct application *app, const struct share_settings *share)
{
	app->share = *share;
	app->share.weight = MAX(share->weight, 1U);
	app->share.priority = MIN(MAX(share->priority, PRIORITY_MIN), PRIORITY_MAX);
}

struct application *application_free(struct application *app)
{
	if (!app)
		return NULL;
	for (uint32_t i = 0; i < app->n_queues; i++)
		queue_free(app->queues[i]);
	free(app->queues);
	free(app->name);
	free(app);
	return NULL;
}

static void drop(struct application **app)
{
	application_free(*app);
}

static int make(struct core *c, const char *name, const struct share_settings *share,
		struct application **ret_app)
{
	cleanup(drop) struct application *app = calloc(1, sizeof(*app));
	struct pool *p;
	int r;

	if (!app)
		return err_raise(-ENOMEM);
	app->core = c;
	app->name = strdup(name);
	if (!app->name) /* drop() frees it: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		return err_raise(-ENOMEM);
	set_share(app, share);
	TAILQ_FOREACH (p, &c->pools, link) {
		r = application_add_queue(app, p);
		if (r < 0)
			return err_forward(r);
	}
	*ret_app = steal(&app);
	return 0;
}

static void enter(struct core *c, struct application *app)
{
	struct application **bucket = &c->buckets[bucket_of(app->name)];

	app->next_in_bucket = *bucket;
	*bucket = app;
	TAILQ_INSERT_TAIL(&c->applications, app, link);
	c->n_applications++;
}

static void forget(struct core *c, struct application *app)
{
	struct application **at = &c->buckets[bucket_of(app->name)];

	while (*at != app)
		at = &(*at)->next_in_bucket;
	*at = app->next_in_bucket;
	TAILQ_REMOVE(&c->applications, app, link);
	c->n_applications--;
	application_free(app);
}

/* The one that has been out of use for longest; NULL if all are in use. */
static struct application *oldest_unused(const struct core *c)
{
	struct application *app, *oldest = NULL;

	TAILQ_FOREACH (app, &c->applications, link) {
		if (app->refs > 0 || app->granted > 0 || app->waiting > 0)
			continue;
		if (!oldest || app->last_used < oldest->last_used)
			oldest = app;
	}
	return oldest;
}

static uint32_t most(const struct core *c)
{
	return c->settings.max_applications ? c->settings.max_applications : APPLICATIONS_DEFAULT;
}

int application_get(struct core *c, const char *name, const struct share_settings *share,
		    struct application **ret_app)
{
	struct application *app = application_find(c, name), *oldest = NULL;
	int r;

	if (app) {
		*ret_app = application_ref(app);
		return 0;
	}
	if (c->n_applications >= most(c)) {
		oldest = oldest_unused(c);
		if (!oldest)
			return APPLICATION_E_LIMIT;
	}
	r = make(c, name, share, &app);
	if (r < 0)
		return err_forward(r);
	if (oldest)
		forget(c, oldest);
	enter(c, app);
	*ret_app = application_ref(app);
	return 0;
}

struct application *application_find(const struct core *c, const char *name)
{
	struct application *app = c->buckets[bucket_of(name)];

	while (app && strcmp(app->name, name) != 0)
		app = app->next_in_bucket;
	return app;
}

struct application *application_ref(struct application *app)
{
	app->refs++;
	return app;
}

static void refile_queues(struct application *app, usec now)
{
	for (uint32_t i = 0; i < app->n_queues; i++)
		if (app->queues[i])
			queue_refile(app->queues[i], now);
}

void application_configure(struct application *app, const struct share_settings *share, usec now)
{
	for (uint32_t i = 0; i < app->n_queues; i++)
		if (app->queues[i])
			queue_settle(app->queues[i], now);
	set_share(app, share);
	refile_queues(app, now);
}

/*
 * The queues are filed by whether the maximum and the minimum are reached: only crossing one of
 * them moves them.
 */
void application_granted(struct application *app, int change, usec now)
{
	bool was_full = app->share.max && app->granted >= app->share.max;

	app->granted += (uint32_t)change;
	if (was_full != (app->share.max && app->granted >= app->share.max))
		refile_queues(app, now);
}

void application_headed(struct application *app, int change, usec now)
{
	bool was_entitled = app->in_use < app->share.min;

	app->in_use += (uint32_t)change;
	if (was_entitled != (app->in_use < app->share.min))
		refile_queues(app, now);
}

usec application_oldest(const struct application *app)
{
	usec oldest = USEC_NEVER;

	for (uint32_t i = 0; i < app->n_queues; i++)
		if (app->queues[i] && queue_waiting(app->queues[i]))
			oldest = MIN(oldest, queue_head(app->queues[i])->submitted);
	return oldest;
}

const struct application *application_waiting_most(const struct pool *p, uint32_t *ret_n)
{
	const struct application *app, *found = NULL;
	uint32_t n;

	*ret_n = 0;
	TAILQ_FOREACH (app, &p->core->applications, link) {
		if (p->index >= app->n_queues || !app->queues[p->index])
			continue;
		n = queue_waiting(app->queues[p->index]);
		if (n > *ret_n) {
			*ret_n = n;
			found = app;
		}
	}
	return found;
}

struct application *application_next(const struct core *c, const struct application *after)
{
	return after ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&c->applications);
}

struct application *application_unref(struct application *app)
{
	if (!app)
		return NULL;
	assert(app->refs > 0);
	app->refs--;
	app->last_used = ++app->core->generation;
	return NULL;
}
