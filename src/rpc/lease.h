/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A lease of a client: one task that keeps its connection, and the requests that run on it one
 * after the other.
 */

#include <stdbool.h>
#include <stddef.h>

#include "rpc/failure.h"
#include "sidepool/v1/rpc.pb-c.h"

struct buf;
struct client;
struct decision;
struct pg_task;
struct request;
struct rpc_lease;
struct xact;

/*
 * Finds out where a request runs: its pool, its deadline, the lease that it names (r->lease) or
 * takes. False: it was answered with an error, and is gone.
 */
bool lease_resolve(struct request *r);

/*
 * For a request that takes a lease: the lease, which begins to wait for a connection. False:
 * answered with an error.
 */
bool lease_attach_new(struct request *r);

/* "BEGIN" with what was asked for, in the request's arena. `options` may be NULL. */
const char *lease_begin_sql(struct request *r, const Sidepool__V1__TransactionOptions *options);

struct pg_task *lease_task(struct rpc_lease *l);
bool lease_is_held(const struct rpc_lease *l);

/* Why it is being taken away; 0: it is not. */
enum sidepool_error_code lease_close_code(const struct rpc_lease *l);

/*
 * What has to run in front of the first statement; NULL: nothing (any more). Whoever asks runs it.
 */
const char *lease_take_begin(struct rpc_lease *l);
bool lease_is_to_begin(const struct rpc_lease *l);
/*
 * It is a setting of the session, which holds from the next transaction on, not the begin of one.
 */
bool lease_begin_is_setup(const struct rpc_lease *l);

/* The transaction that is open on it. */
struct xact *lease_xact(struct rpc_lease *l);

/* Runs the request as soon as those before it are done. */
void lease_enqueue(struct rpc_lease *l, struct request *r);
void lease_dequeue(struct rpc_lease *l, struct request *r);

/* The running request is to end then. Those behind it have deadlines of their own. */
void lease_watch_deadline(struct rpc_lease *l, usec deadline);

/*
 * The running request has ended (and is about to be answered); then the next one runs, or the lease
 * ends.
 */
void lease_request_ended(struct rpc_lease *l, struct request *r);
void lease_go_on(struct rpc_lease *l);

/* Longer, from now on. */
void lease_prolong(struct rpc_lease *l, uint32_t hold_ms);

/* The fields of a Response that tell of the lease. Returns 0 or -ENOMEM. */
int lease_pack_envelope(struct rpc_lease *l, struct request *r, struct buf *out);

/* Takes it from its client, who hears `code` at the next request. */
void lease_take_away(struct rpc_lease *l, enum sidepool_error_code code);

/* What the core has decided of a lease. */
void lease_decided(const struct decision *d);

void lease_notified(struct rpc_lease *l, const char *channel, const char *payload, int backend_pid);

/* All leases of a client that is gone. */
void leases_abandon(struct client *c);
