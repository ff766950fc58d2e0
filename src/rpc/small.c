/* SPDX-License-Identifier: MIT */
/* The requests that are answered on the spot and need nothing: Ping, Cancel. */
#include "core/lease.h"
#include "rpc/client.h"
#include "rpc/kinds.h"
#include "rpc/lease-internal.h"
#include "rpc/rpc-internal.h"

void ping_handle(struct request *r)
{
	request_reply(r, NULL);
}

static struct request *find_request(const struct client *c, uint32_t id)
{
	struct request *r;

	TAILQ_FOREACH (r, &c->requests, link)
		if (sp_request_id(&r->id) == id)
			return r;
	return NULL;
}

void cancel_handle(struct request *r)
{
	const Sidepool__V1__Cancel *m = r->message->cancel;
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__CancelReply reply = SIDEPOOL__V1__CANCEL_REPLY__INIT;
	struct request *target = m->request_id ? find_request(r->client, m->request_id) : NULL;
	struct lease *core = m->lease_id ? lease_find(r->rpc->core, m->lease_id) : NULL;
	struct rpc_lease *l = core ? core->owner : NULL;

	if (l && l->client == r->client)
		target = l->running;
	if (target == r)
		target = NULL;
	reply.found = target != NULL;
	if (target)
		request_cancel(target);
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_CANCEL;
	response.cancel = &reply;
	request_reply(r, &response);
}
