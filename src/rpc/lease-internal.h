/* SPDX-License-Identifier: MIT */
#pragma once
/* A lease as the files of it know it: lease.c its life, lease-reply.c what is told of it. */

#include "core/lease.h"
#include "pg/parameters.h"
#include "rpc/rpc-internal.h"
#include "rpc/settle.h"
#include "util/buf.h"

enum {
	LEASE_SQL_BYTES = 128,
	LEASE_BLAME_BYTES = 512,
};

struct rpc_lease {
	struct rpc *rpc; /* borrowed */
	/* borrowed: we are in client::leases; NULL once it is gone, or the lease is over */
	struct client *client;
	struct rpc_pool *pool; /* borrowed */
	struct lease core;
	struct lease_settings settings;
	struct pg_task task;
	struct request_list queue; /* by request::on_lease */
	struct request *running;   /* borrowed */
	usec deadline;             /* of the running request; USEC_NEVER: none */
	bool held;                 /* granted, and not closed */
	bool closing;              /* closed when the running request has ended */
	bool closed;
	enum sidepool_error_code close_code; /* why; 0: its client wanted it so */
	bool to_begin;                       /* begin_sql is to be run */
	bool session_setup; /* begin_sql is a setting of the session, no transaction */
	char begin_sql[LEASE_SQL_BYTES];
	struct xact xact; /* the transaction that is open, once it has written */
	char application[64];
	char call_site[256];
	/* complete `notifications` fields, to be told with the next answer */
	struct buf notifications;
	struct pg_parameters told; /* settings as the client knows them */
	TAILQ_ENTRY(rpc_lease) link;
};

void lease_close(struct rpc_lease *l);

/* Who holds it, from where, since when, and who waits: a sentence's length. */
void lease_blame(const struct rpc_lease *l, char *text, size_t size);

/* "running", "idle", "idle in transaction". */
const char *lease_state_text(const struct rpc_lease *l);
