/* SPDX-License-Identifier: MIT */
/*
 * Statements. The one that comes again and again on no lease goes out as the id that the daemon
 * gave it. On a lease the text is always sent: if the daemon refused an id there, what was sent
 * behind it would already have run before the text could follow.
 */
#include "ask.h"
#include "columns.h"
#include "encode.h"
#include "proto-fields.h"
#include "sidepool/v1/lease.pb-c.h"
#include "sidepool/v1/rpc.pb-c.h"
#include "sidepool/v1/statement.pb-c.h"
#include "table.h"

enum {
	PARAMETERS_MAX = 65535,
};

/* Which id, and which columns, the daemon is known to know. */
static void use_cache(struct ask *a, const char *sql, const struct sidepool_params *params)
{
	struct statement_key key = { .text = sql, .len = strlen(sql) };
	struct request *q = a->q;

	if (q->connection != 0 && q->connection != a->sp->connection->number)
		return; /* a daemon that leaves: its ids are forgotten */
	if (params && params->types) {
		key.types = params->types;
		key.n_types = params->count;
	}
	q->statement = statements_get(&a->sp->statements, &key);
	if (!q->statement)
		return;
	q->by_id = q->statement->id != 0 && !a->call.lease && !a->call.acquire;
	q->known = columns_ref(q->statement->columns);
}

uint32_t sidepool_query(struct sidepool *sp, const char *sql, const struct sidepool_params *params,
			const struct sidepool_call *call)
{
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_QUERY, call))
		return 0;
	if (!sql)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "sql is NULL");
	if (params && params->count > PARAMETERS_MAX)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "more than 65535 parameters");
	if (params && params->count > 0 && !params->values)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "sidepool_params::values is NULL");
	if (!sql || a.code != 0)
		return ask_end(&a);
	a.q->chunk_bytes = a.call.chunk_bytes;
	use_cache(&a, sql, params);
	if (!encode_query(a.q, sql, params, a.call.binary, false))
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "a parameter is longer than 2 GiB");
	return ask_end(&a);
}

uint32_t sidepool_script(struct sidepool *sp, const char *sql, const struct sidepool_call *call)
{
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_QUERY, call))
		return 0;
	if (!sql)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "sql is NULL");
	if (!a.call.lease && !a.call.acquire)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT,
			 "a script needs a lease, or to acquire one");
	if (a.code != 0)
		return ask_end(&a);
	a.q->chunk_bytes = a.call.chunk_bytes;
	encode_query(a.q, sql, NULL, false, true);
	return ask_end(&a);
}

uint32_t sidepool_take_lease(struct sidepool *sp, const struct sidepool_lease_options *options,
			     const struct sidepool_call *call)
{
	static const struct sidepool_lease_options none = { .size = sizeof(none) };
	Sidepool__V1__Lease message = SIDEPOOL__V1__LEASE__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_TAKE_LEASE, call))
		return 0;
	ask_no_lease(&a);
	if (options && options->size < sizeof(*options))
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT,
			 "sidepool_lease_options::size is not set");
	else
		encode_lease_options(&a.q->frame, REQUEST_ACQUIRE, options ? options : &none);
	return ask_message(&a, &message.base);
}

/* The call with this lease instead of its own. */
static struct sidepool_call on_lease(const struct sidepool_call *call,
				     const struct sidepool_lease *lease,
				     enum sidepool_finish finish)
{
	struct sidepool_call c = { .size = sizeof(c) };

	if (call)
		memcpy(&c, call, call->size < sizeof(c) ? call->size : sizeof(c));
	c.size = call ? call->size : sizeof(c);
	c.lease = lease;
	c.finish = finish;
	return c;
}

uint32_t sidepool_release(struct sidepool *sp, const struct sidepool_lease *lease,
			  enum sidepool_finish finish, const struct sidepool_call *call)
{
	struct sidepool_call c = on_lease(call, lease, finish);
	Sidepool__V1__Release message = SIDEPOOL__V1__RELEASE__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_RELEASE, &c))
		return 0;
	if (!lease)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "lease is NULL");
	return ask_message(&a, &message.base);
}

uint32_t sidepool_renew(struct sidepool *sp, const struct sidepool_lease *lease, uint32_t hold_ms,
			const struct sidepool_call *call)
{
	struct sidepool_call c = on_lease(call, lease, SIDEPOOL_FINISH_NONE);
	Sidepool__V1__Renew message = SIDEPOOL__V1__RENEW__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_RENEW, &c))
		return 0;
	if (!lease)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "lease is NULL");
	message.hold_ms = hold_ms;
	return ask_message(&a, &message.base);
}

uint64_t sidepool_lease_id(const struct sidepool_lease *lease)
{
	return lease->private_[0];
}

uint64_t sidepool_lease_token(const struct sidepool_lease *lease)
{
	return lease->private_[1];
}

uint32_t sidepool_lease_expires_ms(const struct sidepool_lease *lease)
{
	return (uint32_t)lease->private_[2];
}

uint32_t sidepool_lease_backend_pid(const struct sidepool_lease *lease)
{
	return (uint32_t)lease->private_[3];
}

static uint32_t fetch(struct sidepool *sp, const struct sidepool_stream *stream, bool close,
		      const struct sidepool_call *call)
{
	Sidepool__V1__Fetch message = SIDEPOOL__V1__FETCH__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_FETCH, call))
		return 0;
	message.stream_id = ask_stream(&a, stream);
	message.close = close;
	return ask_message(&a, &message.base);
}

uint32_t sidepool_fetch(struct sidepool *sp, const struct sidepool_stream *stream,
			const struct sidepool_call *call)
{
	return fetch(sp, stream, false, call);
}

uint32_t sidepool_stream_close(struct sidepool *sp, const struct sidepool_stream *stream,
			       const struct sidepool_call *call)
{
	return fetch(sp, stream, true, call);
}
