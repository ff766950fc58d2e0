/* SPDX-License-Identifier: MIT */
#pragma once
/* What the daemon tells over HTTP of how it stands: nothing here changes anything. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "core/health.h"
#include "http/history.h"
#include "http/server.h"
#include "util/macro.h"

struct core;
struct pg_pool;
struct sp_server;

/* A lease, as it is shown. Strings are borrowed for the call. */
struct site_lease {
	const char *pool, *application, *unit, *call_site, *state;
	uint32_t pid;
	uint64_t held_ms, state_ms;
};
typedef void (*site_lease_fn)(void *userdata, const struct site_lease *lease);

/* Submitted writes of a pool. */
struct site_submits {
	uint32_t waiting, running;
	uint64_t bytes; /* of both */
	uint64_t accepted_total, refused_total, recovered_total;
	uint64_t done_total, failed_total, unknown_total;
	uint64_t retries_total;
};

/* What of them is not a pool's. */
struct site_submit_queue {
	uint64_t max_size, max_bytes;
	uint32_t queued;    /* waiting and running, also of pools that are configured no more */
	uint64_t oldest_us; /* how long the oldest is there; 0: none */
	uint64_t journal_bytes;
	bool journal_fails;
};

struct site {
	struct core *core; /* borrowed, as all here: outlives us */
	/* Calls `fn` for each lease that is held. */
	void (*leases)(void *owner, site_lease_fn fn, void *userdata);
	void (*submits)(void *owner, size_t pool, struct site_submits *ret_submits);
	void (*submit_queue)(void *owner, struct site_submit_queue *ret_queue);
	void *owner;
	const struct sp_server *server;
	struct pg_pool *const *pools;
	size_t n_pools;
	struct history history;
};

/* Its answers, for http_server_new(); userdata is the site. */
bool site_route(void *userdata, const char *path, struct http_answer *answer);

/* health.c */
enum health_level health_of_site(const struct site *site, usec now); /* the worst of all checks */
void health_check_submits(const struct site *site, struct health_check *ret_check);
void health_answer_full(const struct site *site, struct http_answer *answer);
void health_answer_ready(const struct site *site, struct http_answer *answer);
void health_answer_live(const struct site *site, struct http_answer *answer);

/* metrics.c, and of it applications.c and submits.c */
void metrics_answer(const struct site *site, struct http_answer *answer);
void metrics_put_applications(const struct site *site, struct text *t);
void metrics_put_submits(const struct site *site, struct text *t);

/* status.c */
void status_answer(const struct site *site, struct http_answer *answer);
