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
	if (sp->connection->state == CONNECTION_READY)
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
		{ SIDEPOOL_TABLE_REQUESTS, SIDEPOOL__V1__STATUS_PART__STATUS_PART_REQUESTS },
		{ SIDEPOOL_TABLE_SUBMISSIONS, SIDEPOOL__V1__STATUS_PART__STATUS_PART_SUBMISSIONS },
		{ SIDEPOOL_TABLE_FAILED_SUBMISSIONS,
		  SIDEPOOL__V1__STATUS_PART__STATUS_PART_FAILED_SUBMISSIONS },
	};
	Sidepool__V1__StatusPart parts[sizeof(map) / sizeof(map[0])];
	Sidepool__V1__Status message = SIDEPOOL__V1__STATUS__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_STATUS, call))
		return 0;
	message.parts = parts;
	message.waiting_only = (tables & SIDEPOOL_WAITING_ONLY) != 0;
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

static bool set_action(Sidepool__V1__Admin *m, enum sidepool_admin action)
{
	switch (action) {
	case SIDEPOOL_ADMIN_REVOKE_LEASE:
		m->action_case = SIDEPOOL__V1__ADMIN__ACTION_REVOKE_LEASE;
		return true;
	case SIDEPOOL_ADMIN_RELOAD:
		m->action_case = SIDEPOOL__V1__ADMIN__ACTION_RELOAD;
		m->reload = true;
		return true;
	case SIDEPOOL_ADMIN_DRAIN:
		m->action_case = SIDEPOOL__V1__ADMIN__ACTION_DRAIN;
		m->drain = true;
		return true;
	case SIDEPOOL_ADMIN_CANCEL:
		m->action_case = SIDEPOOL__V1__ADMIN__ACTION_CANCEL;
		return true;
	case SIDEPOOL_ADMIN_KILL:
		m->action_case = SIDEPOOL__V1__ADMIN__ACTION_KILL;
		return true;
	case SIDEPOOL_ADMIN_CONFIG:
		m->action_case = SIDEPOOL__V1__ADMIN__ACTION_CONFIG;
		m->config = true;
		return true;
	default:
		return false;
	}
}

static bool set_breaker(Sidepool__V1__Admin *m, Sidepool__V1__BreakerCommand *command,
			enum sidepool_admin action)
{
	if (action != SIDEPOOL_ADMIN_TRIP_BREAKER && action != SIDEPOOL_ADMIN_RESET_BREAKER)
		return false;
	m->action_case = SIDEPOOL__V1__ADMIN__ACTION_BREAKER;
	m->breaker = command;
	command->trip = action == SIDEPOOL_ADMIN_TRIP_BREAKER;
	return true;
}

static bool set_pool(Sidepool__V1__Admin *m, Sidepool__V1__PoolCommand *command,
		     enum sidepool_admin action)
{
	static const Sidepool__V1__PoolAction actions[] = {
		[SIDEPOOL_ADMIN_PAUSE] = SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_PAUSE,
		[SIDEPOOL_ADMIN_RESUME] = SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_RESUME,
		[SIDEPOOL_ADMIN_RECONNECT] = SIDEPOOL__V1__POOL_ACTION__POOL_ACTION_RECONNECT,
	};

	if ((size_t)action >= sizeof(actions) / sizeof(actions[0]) || !actions[action])
		return false;
	m->action_case = SIDEPOOL__V1__ADMIN__ACTION_POOL;
	m->pool = command;
	command->action = actions[action];
	return true;
}

uint32_t sidepool_admin(struct sidepool *sp, enum sidepool_admin action, const char *what,
			uint64_t id, const struct sidepool_call *call)
{
	Sidepool__V1__Admin m = SIDEPOOL__V1__ADMIN__INIT;
	Sidepool__V1__RevokeLease lease = SIDEPOOL__V1__REVOKE_LEASE__INIT;
	Sidepool__V1__BreakerCommand breaker = SIDEPOOL__V1__BREAKER_COMMAND__INIT;
	Sidepool__V1__PoolCommand pool = SIDEPOOL__V1__POOL_COMMAND__INIT;
	Sidepool__V1__CancelRequest cancel = SIDEPOOL__V1__CANCEL_REQUEST__INIT;
	Sidepool__V1__KillApplication kill = SIDEPOOL__V1__KILL_APPLICATION__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_ADMIN, call))
		return 0;
	lease.lease_id = cancel.request_id = id;
	breaker.pool = pool.pool = kill.pattern = (char *)(what ? what : "");
	if (!set_action(&m, action) && !set_breaker(&m, &breaker, action) &&
	    !set_pool(&m, &pool, action))
		ask_fail(&a, SIDEPOOL_E_INVALID_ARGUMENT, "no such admin action");
	if (action == SIDEPOOL_ADMIN_REVOKE_LEASE)
		m.revoke_lease = &lease;
	else if (action == SIDEPOOL_ADMIN_CANCEL)
		m.cancel = &cancel;
	else if (action == SIDEPOOL_ADMIN_KILL)
		m.kill = &kill;
	return ask_message(&a, &m.base);
}

uint32_t sidepool_set(struct sidepool *sp, const char *section, const char *name, const char *value,
		      const struct sidepool_call *call)
{
	Sidepool__V1__Admin m = SIDEPOOL__V1__ADMIN__INIT;
	Sidepool__V1__SetSetting set = SIDEPOOL__V1__SET_SETTING__INIT;
	Sidepool__V1__UnsetSetting unset = SIDEPOOL__V1__UNSET_SETTING__INIT;
	struct ask a;

	if (!ask_begin(&a, sp, REQUEST_ADMIN, call))
		return 0;
	set.section = unset.section = (char *)(section ? section : "");
	set.name = unset.name = (char *)(name ? name : "");
	set.value = (char *)(value ? value : "");
	m.action_case = value ? SIDEPOOL__V1__ADMIN__ACTION_SET : SIDEPOOL__V1__ADMIN__ACTION_UNSET;
	if (value)
		m.set = &set;
	else
		m.unset = &unset;
	return ask_message(&a, &m.base);
}
