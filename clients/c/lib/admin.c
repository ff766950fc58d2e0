/* SPDX-License-Identifier: MIT */
/* Requests about the daemon itself. */
#include "ask.h"
#include "hello.h"
#include "proto-fields.h"
#include "sidepool/v1/rpc.pb-c.h"

uint32_t sidepool_connect(struct sidepool *sp, const struct sidepool_call *call)
{
	struct ask a;
	uint32_t id;

	if (!ask_begin(&a, sp, REQUEST_HELLO, call))
		return 0;
	ask_no_lease(&a);
	id = ask_end(&a);
	if (sp->connection.state == CONNECTION_READY)
		hello_answer(sp);
	return id;
}

uint32_t sidepool_ping(struct sidepool *sp, const struct sidepool_call *call)
{
	Sidepool__V1__Ping message = SIDEPOOL__V1__PING__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_PING, call))
		return 0;
	return ask_message(&a, &message.base);
}

uint32_t sidepool_status(struct sidepool *sp, unsigned tables, const struct sidepool_call *call)
{
	static const struct {
		unsigned table;
		Sidepool__V1__StatusPart part;
	} map[] = {
		{ SIDEPOOL_TABLE_POOLS, SIDEPOOL__V1__STATUS_PART__STATUS_PART_POOLS },
		{ SIDEPOOL_TABLE_APPLICATIONS,
		  SIDEPOOL__V1__STATUS_PART__STATUS_PART_APPLICATIONS },
		{ SIDEPOOL_TABLE_LEASES, SIDEPOOL__V1__STATUS_PART__STATUS_PART_LEASES },
		{ SIDEPOOL_TABLE_CLIENTS, SIDEPOOL__V1__STATUS_PART__STATUS_PART_CLIENTS },
	};
	Sidepool__V1__StatusPart parts[sizeof(map) / sizeof(map[0])];
	Sidepool__V1__Status message = SIDEPOOL__V1__STATUS__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_STATUS, call))
		return 0;
	message.parts = parts;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (tables & 1u << map[i].table)
			parts[message.n_parts++] = map[i].part;
	return ask_message(&a, &message.base);
}

uint32_t sidepool_health(struct sidepool *sp, const struct sidepool_call *call)
{
	Sidepool__V1__Health message = SIDEPOOL__V1__HEALTH__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_HEALTH, call))
		return 0;
	return ask_message(&a, &message.base);
}

static uint32_t listen_to(struct sidepool *sp, uint32_t kind, const char *channel,
			  const struct sidepool_call *call)
{
	Sidepool__V1__Listen listen = SIDEPOOL__V1__LISTEN__INIT;
	Sidepool__V1__Unlisten unlisten = SIDEPOOL__V1__UNLISTEN__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, kind, call))
		return 0;
	if (!channel)
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "channel is NULL");
	listen.channel = unlisten.channel = (char *)(channel ? channel : "");
	return ask_message(&a, kind == REQUEST_LISTEN ? &listen.base : &unlisten.base);
}

uint32_t sidepool_listen(struct sidepool *sp, const char *channel, const struct sidepool_call *call)
{
	return listen_to(sp, REQUEST_LISTEN, channel, call);
}

uint32_t sidepool_unlisten(struct sidepool *sp, const char *channel,
			   const struct sidepool_call *call)
{
	return listen_to(sp, REQUEST_UNLISTEN, channel, call);
}

static void breaker(Sidepool__V1__Admin *m, Sidepool__V1__BreakerCommand *command, bool trip)
{
	m->action_case = SIDEPOOL__V1__ADMIN__ACTION_BREAKER;
	m->breaker = command;
	command->trip = trip;
}

static void pool(Sidepool__V1__Admin *m, Sidepool__V1__PoolCommand *command,
		 Sidepool__V1__PoolAction action)
{
	m->action_case = SIDEPOOL__V1__ADMIN__ACTION_POOL;
	m->pool = command;
	command->action = action;
}

uint32_t sidepool_admin(struct sidepool *sp, enum sidepool_admin action, const char *pool_name,
			uint64_t lease_id, const struct sidepool_call *call)
{
	Sidepool__V1__Admin m = SIDEPOOL__V1__ADMIN__INIT;
	Sidepool__V1__RevokeLease lease = SIDEPOOL__V1__REVOKE_LEASE__INIT;
	Sidepool__V1__BreakerCommand b = SIDEPOOL__V1__BREAKER_COMMAND__INIT;
	Sidepool__V1__PoolCommand p = SIDEPOOL__V1__POOL_COMMAND__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_ADMIN, call))
		return 0;
	lease.lease_id = lease_id;
	b.pool = p.pool = (char *)(pool_name ? pool_name : "");
	switch (action) {
	case SIDEPOOL_ADMIN_REVOKE_LEASE:
		m.action_case = SIDEPOOL__V1__ADMIN__ACTION_REVOKE_LEASE;
		m.revoke_lease = &lease;
		break;
	case SIDEPOOL_ADMIN_TRIP_BREAKER:
		breaker(&m, &b, true);
		break;
	case SIDEPOOL_ADMIN_RESET_BREAKER:
		breaker(&m, &b, false);
		break;
	case SIDEPOOL_ADMIN_PAUSE:
		pool(&m, &p, SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_PAUSE);
		break;
	case SIDEPOOL_ADMIN_RESUME:
		pool(&m, &p, SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_RESUME);
		break;
	case SIDEPOOL_ADMIN_RECONNECT:
		pool(&m, &p, SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_RECONNECT);
		break;
	case SIDEPOOL_ADMIN_RELOAD:
		m.action_case = SIDEPOOL__V1__ADMIN__ACTION_RELOAD;
		m.reload = true;
		break;
	case SIDEPOOL_ADMIN_DRAIN:
		m.action_case = SIDEPOOL__V1__ADMIN__ACTION_DRAIN;
		m.drain = true;
		break;
	default:
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "no such admin action");
		break;
	}
	return ask_message(&a, &m.base);
}
