/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the daemon publishes: notifications of PostgreSQL, and what happens to the pools. A
 * subscriber is a second connection to the daemon; what it shall hear of is asked for on a handle.
 *
 *	sidepool_subscriber_open(url, &s);              url: sidepool_events_url(sp)
 *	sidepool_subscriber_listen(s, sp, "jobs", NULL, &reply);
 *	while (sidepool_subscriber_next(s, -1, &event) == 0) { ... sidepool_reply_free(event); }
 *
 * A subscription holds as long as the handle is connected: when that breaks, and when the
 * subscriber does, open another one and listen again.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct sidepool;
struct sidepool_call;
struct sidepool_reply;
struct sidepool_subscriber;

/*
 * Where the daemon publishes, "ipc:///run/sidepool/events.sock"; NULL before the first connection,
 * and where it does not. The handle's, until its next connection.
 */
const char *sidepool_events_url(const struct sidepool *sp);

/*
 * Connects. Does not block. Returns 0, SIDEPOOL_E_INVALID_ARGUMENT (no ipc:// URL),
 * SIDEPOOL_E_DAEMON_UNREACHABLE or SIDEPOOL_E_OUT_OF_MEMORY; `*ret_subscriber` is set on success
 * only, and is the caller's.
 */
int sidepool_subscriber_open(const char *url, struct sidepool_subscriber **ret_subscriber);

/* Takes the events whose topic begins with `prefix`. Returns 0 or SIDEPOOL_E_OUT_OF_MEMORY. */
int sidepool_subscriber_add(struct sidepool_subscriber *s, const void *prefix, size_t n);

/*
 * Listens to a channel of the handle's pool, or with "" to the events of that pool, and returns when
 * the subscriber is certain to hear of it: nothing that is notified from then on is missed
 * unawares. Blocks. Returns 0 or the code of the error; `*ret_reply` is what the daemon answered, to
 * be freed in either case. `ret_reply` may be NULL.
 */
int sidepool_subscriber_listen(struct sidepool_subscriber *s, struct sidepool *sp,
			       const char *channel, const struct sidepool_call *call,
			       struct sidepool_reply **ret_reply);

/* The socket, to be polled for POLLIN; call sidepool_subscriber_next() until it has no event. */
int sidepool_subscriber_fd(const struct sidepool_subscriber *s);

/*
 * The next event, waiting for it for `timeout_ms` (0: not at all, -1: for ever). Returns 0 and the
 * event, the caller's (sidepool_reply_free()), or NULL if none came; SIDEPOOL_E_DAEMON_LOST,
 * SIDEPOOL_E_PROTOCOL_VIOLATION: the subscriber is of no more use; SIDEPOOL_E_OUT_OF_MEMORY: that
 * event is lost, and the next one tells so.
 *
 * Result 0 of an event has one row: instance_id, sequence, pool, time_ms. Result 1 is what happened,
 * with the fields of that kind in proto/sidepool/v1/events.proto under the same names; further
 * results are the messages within it.
 */
int sidepool_subscriber_next(struct sidepool_subscriber *s, int timeout_ms,
			     struct sidepool_reply **ret_event);

/* "notification", "gap", "breaker", ...; "" for one that this library does not know. */
const char *sidepool_event_kind(const struct sidepool_reply *event);

/* "notify/main/jobs" */
const char *sidepool_event_topic(const struct sidepool_reply *event);

/*
 * How many events of the same topic were lost on the way between the last one and this. If the last
 * ones were lost and none came since, a "mark" tells: marks are only shown for that.
 */
uint64_t sidepool_event_lost(const struct sidepool_reply *event);

/* Closes it; events that the program still has stay valid. NULL is permitted. Returns NULL. */
struct sidepool_subscriber *sidepool_subscriber_close(struct sidepool_subscriber *s);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
