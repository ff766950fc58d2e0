/* SPDX-License-Identifier: MIT */
#include "rpc/shown.h"

#include "rpc/lease-internal.h"
#include "rpc/rpc-internal.h"
#include "rpc/status.h"
#include "rpc/submit.h"

void shown_leases(const struct rpc *rpc,
		  void (*fn)(void *userdata, const struct shown_lease *lease), void *userdata)
{
	const struct client *c;
	const struct rpc_lease *l;
	Sidepool__V1__LeaseStatus m;

	TAILQ_FOREACH (c, &rpc->clients, link) {
		TAILQ_FOREACH (l, &c->leases, link) {
			if (!l->held)
				continue;
			status_fill_lease(l, &m);
			fn(userdata, &(struct shown_lease){
					     .pool = m.pool,
					     .application = m.application,
					     .unit = m.unit,
					     .call_site = m.call_site,
					     .state = m.state,
					     .pid = m.pid,
					     .held_ms = m.held_ms,
					     .state_ms = m.state_ms,
				     });
		}
	}
}

const struct submit_counts *shown_submits(const struct rpc *rpc, size_t pool)
{
	return &rpc->pools[pool].submits;
}
