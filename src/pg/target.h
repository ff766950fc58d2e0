/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where a pool's connections go: a connection string taken apart by libpq, completed with libpq's
 * own defaults (PG* variables, service files), and its host names resolved without blocking.
 */

#include <stddef.h>

#include <uv.h>

struct pg_target;
struct pg_resolution;

/*
 * `conninfo` is a URL or a key=value string. `password` may be NULL. Returns 0, -ENOMEM, or
 * PG_TARGET_E_INVALID with a sentence in `message`.
 */
enum {
	PG_TARGET_E_INVALID = 1,
};
int pg_target_new(struct pg_target **ret_target, const char *conninfo, const char *password,
		  char *message, size_t message_bytes);

/* Whether libpq can read it: 0, or -1 with its reason in `message`. For config_load(). */
int pg_target_check(const char *conninfo, char *message, size_t message_bytes);

/* "host:port/database as role": for people, without a secret. Lives as long as the target. */
const char *pg_target_name(const struct pg_target *t);

struct pg_target *pg_target_free(struct pg_target *t);

/*
 * Keyword and value arrays as PQconnectStartParams() takes them. Borrowed for the call. `message`
 * is set where r < 0.
 */
typedef void (*pg_resolved_fn)(void *userdata, int r, const char *message,
			       const char *const *keywords, const char *const *values);

/*
 * Looks up every host name on libuv's thread pool and calls `fn` once from the loop, never from
 * within this call. The target must outlive the resolution. Returns 0 or a negative errno, with
 * nothing started.
 */
int pg_target_resolve(struct pg_target *t, uv_loop_t *loop, const char *application_name,
		      pg_resolved_fn fn, void *userdata, struct pg_resolution **ret_resolution);

/* `fn` will not be called any more. */
struct pg_resolution *pg_resolution_cancel(struct pg_resolution *r);
