/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The daemon itself: what it says of its state, what changes it, and its channel of notifications.
 * The functions are requests as in sidepool-request.h.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct sidepool;
struct sidepool_call;

/*
 * NOTIFY through the daemon's events socket, where sidepool_has_feature(sp, "listen"), for a
 * channel of 1 to 63 bytes, until sidepool_unlisten() or the end of the connection to the daemon.
 * Result 0 has events_url, topic, sequence. sidepool_subscriber_listen() does this and hears of it.
 */
uint32_t sidepool_listen(struct sidepool *sp, const char *channel,
			 const struct sidepool_call *call);
uint32_t sidepool_unlisten(struct sidepool *sp, const char *channel,
			   const struct sidepool_call *call);

/* Whether the daemon's loop turns: the reply has no result and no error. */
uint32_t sidepool_ping(struct sidepool *sp, const struct sidepool_call *call);

/*
 * What the daemon says of itself, as results whose columns are the fields of
 * proto/sidepool/v1/status.proto under the same names: result SIDEPOOL_TABLE_DAEMON has one row.
 * `tables` is a sum of 1u << SIDEPOOL_TABLE_...; 0 means all. With SIDEPOOL_WAITING_ONLY added the
 * requests are those that wait.
 */
enum sidepool_table {
	SIDEPOOL_TABLE_DAEMON = 0,
	SIDEPOOL_TABLE_POOLS,
	SIDEPOOL_TABLE_APPLICATIONS,
	SIDEPOOL_TABLE_LEASES,
	SIDEPOOL_TABLE_CLIENTS,
	SIDEPOOL_TABLE_WARNINGS,
	SIDEPOOL_TABLE_REQUESTS, /* those that wait or run */
	SIDEPOOL_TABLE_SUBMIT,   /* one row: the queue of what was submitted; always there */
	SIDEPOOL_TABLE_SUBMISSIONS,
	SIDEPOOL_TABLE_FAILED_SUBMISSIONS, /* the last ones, the latest first */
};

#define SIDEPOOL_WAITING_ONLY (1u << 31)

uint32_t sidepool_status(struct sidepool *sp, unsigned tables, const struct sidepool_call *call);

/*
 * Result 0: one row, "level" (healthy, degraded, unhealthy). Result 1: the checks: name, level,
 * reason, advice.
 */
uint32_t sidepool_health(struct sidepool *sp, const struct sidepool_call *call);

enum sidepool_admin {
	SIDEPOOL_ADMIN_NONE = 0,
	SIDEPOOL_ADMIN_REVOKE_LEASE, /* id: of the lease */
	SIDEPOOL_ADMIN_TRIP_BREAKER, /* what: pool, NULL: all; likewise the next four */
	SIDEPOOL_ADMIN_RESET_BREAKER,
	SIDEPOOL_ADMIN_PAUSE,
	SIDEPOOL_ADMIN_RESUME,
	SIDEPOOL_ADMIN_RECONNECT,
	SIDEPOOL_ADMIN_RELOAD,
	SIDEPOOL_ADMIN_DRAIN,
	SIDEPOOL_ADMIN_CANCEL, /* id: request_id of SIDEPOOL_TABLE_REQUESTS */
	SIDEPOOL_ADMIN_KILL,   /* what: the applications, a name or a pattern */
	SIDEPOOL_ADMIN_CONFIG, /* "message" is the configuration in force */
};

/*
 * Changes the daemon, for those whom its settings permit it (SIDEPOOL_E_PERMISSION_DENIED for all
 * others). `what` and `id` are as the action says, NULL and 0 where it says nothing. Result 0 has a
 * "message" that tells what was done.
 */
uint32_t sidepool_admin(struct sidepool *sp, enum sidepool_admin action, const char *what,
			uint64_t id, const struct sidepool_call *call);

/*
 * Changes a setting of the daemon until its restart; `value` is as in its file, NULL takes the
 * change back. `section` is "sidepool", "pool main", "application seed-*"; "" is [sidepool], or the
 * pool where there is one alone. With `value` NULL and `name` "" all changes are taken back. Replies
 * as sidepool_admin().
 */
uint32_t sidepool_set(struct sidepool *sp, const char *section, const char *name, const char *value,
		      const struct sidepool_call *call);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
