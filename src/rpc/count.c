/* SPDX-License-Identifier: MIT */
#include "rpc/count.h"

#include "core/meter.h"
#include "rpc/lease-internal.h"
#include "rpc/request.h"
#include "rpc/rpc-internal.h"

_Static_assert((int)SIDEPOOL_E_CLOSED < (int)METER_CODES_N, "METER_CODES_N");

/* The client may be gone, or have another name by now: then that is whose it is. NULL: nobody's. */
static struct meter *meter(const struct request *r)
{
	const struct application *app = r->client ? r->client->application : NULL;

	return app && r->pool ? meter_of(app, pg_pool_core(r->pool->pg)) : NULL;
}

void count_failure(const struct request *r, const struct failure *f)
{
	struct meter *m = meter(r);

	if (m && f->code && f->code != SIDEPOOL_E_CANCELLED)
		meter_fail(m, f->code, f->sqlstate);
}

void count_ran(const struct request *r)
{
	struct meter *m = meter(r);

	if (m && r->granted)
		hist_add(&m->queries, usec_sub(rpc_now(), r->granted));
	count_failure(r, &r->failure);
}
