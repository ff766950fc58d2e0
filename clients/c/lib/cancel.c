/* SPDX-License-Identifier: MIT */
/* What the daemon has not got is ended here; of what it has, it is told. */
#include "answer.h"
#include "ask.h"
#include "error.h"
#include "proto-fields.h"
#include "sidepool/v1/rpc.pb-c.h"
#include "table.h"

/* Ends the asking request with a CancelReply of our own. */
static uint32_t found(struct ask *a, bool yes)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__CancelReply cancel = SIDEPOOL__V1__CANCEL_REPLY__INIT;
	struct sidepool_reply *reply = reply_new(&a->sp->replies);
	size_t len;

	cancel.found = yes;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_CANCEL;
	response.cancel = &cancel;
	len = sidepool__v1__response__get_packed_size(&response);
	if (reply && reply_reserve(reply, len)) {
		sidepool__v1__response__pack(&response, reply->body.data);
		if (reply_parse(reply, len, NULL) != 0)
			reply_fail(reply, error_out_of_memory());
	} else if (reply) {
		reply_fail(reply, error_out_of_memory());
	}
	request_complete(&a->sp->requests, a->q, reply ? reply : reply_out_of_memory());
	return a->q->id;
}

uint32_t sidepool_cancel(struct sidepool *sp, uint32_t id, const struct sidepool_call *call)
{
	Sidepool__V1__Cancel message = SIDEPOOL__V1__CANCEL__INIT;
	struct request *victim;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_CANCEL, call))
		return 0;
	victim = requests_find(&sp->requests, id);
	if (a.code != 0)
		return ask_end(&a);
	if (!victim || victim == a.q || victim == sp->connection->hello ||
	    victim->state == REQUEST_DONE)
		return found(&a, false);
	if (victim->state == REQUEST_QUEUED && victim->sent == 0) {
		answer_error(sp, victim, SIDEPOOL_E_CANCELLED, SIDEPOOL_OUTCOME_NOT_SENT,
			     "the request was cancelled before it was sent");
		return found(&a, true);
	}
	a.q->connection = victim->on;
	message.request_id = id;
	return ask_message(&a, &message.base);
}

uint32_t sidepool_cancel_lease(struct sidepool *sp, const struct sidepool_lease *lease,
			       const struct sidepool_call *call)
{
	Sidepool__V1__Cancel message = SIDEPOOL__V1__CANCEL__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_CANCEL, call))
		return 0;
	if (!lease || sidepool_lease_id(lease) == 0)
		ask_fail(&a, SIDEPOOL_E_UNKNOWN_LEASE, "the lease is empty");
	else
		message.lease_id = sidepool_lease_id(lease);
	if (lease && a.code == 0 && lease->private_[5] == (uintptr_t)sp &&
	    connection_find(sp, lease->private_[4]))
		a.q->connection = lease->private_[4];
	return ask_message(&a, &message.base);
}
