/* SPDX-License-Identifier: MIT */
/*
 * The configuration: told, read again, changed. The last two are the daemon's to do, and take a
 * while: the request waits, and goes on without its client where that leaves.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config/report.h"
#include "rpc/admin-internal.h"
#include "rpc/rpc-internal.h"

enum {
	WHY_BYTES = 512,
};

static void wait_for_it(struct request *r)
{
	r->state = REQUEST_WAITING;
	r->rpc->reload = r;
}

/* Logged now: who asked may be gone when it is done. */
void admin_reload(struct request *r)
{
	char why[WHY_BYTES] = "";

	if (!r->rpc->ops->reload(r->rpc->userdata, why, sizeof(why))) {
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "the old configuration stays in force: %s", why);
		return;
	}
	admin_log(r, "reloads the configuration");
	wait_for_it(r);
}

void rpc_reload_done(struct rpc *rpc, bool done, const char *sentence)
{
	struct request *r = steal(&rpc->reload);

	if (!r)
		return;
	r->state = REQUEST_ENDED;
	if (done)
		admin_reply(r, sentence);
	else
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "%s", sentence);
}

/* The daemon logs what became of it, value by value. */
static void change(struct request *r, const char *section, const char *name, const char *value)
{
	struct rpc_change wanted = { section, name, value, r->client->facts.uid,
				     (int)r->client->facts.pid };
	char why[WHY_BYTES] = "";

	if (r->rpc->ops->change(r->rpc->userdata, &wanted, why, sizeof(why)))
		wait_for_it(r);
	else
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT, "nothing was changed: %s", why);
}

void admin_set(struct request *r, const Sidepool__V1__SetSetting *m)
{
	change(r, m->section, m->name, m->value);
}

void admin_unset(struct request *r, const Sidepool__V1__UnsetSetting *m)
{
	change(r, m->section, m->name, NULL);
}

void admin_config(struct request *r)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__AdminReply reply = SIDEPOOL__V1__ADMIN_REPLY__INIT;
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	bool ok = f && config_print(r->rpc->config, f) == 0;

	ok = f && fclose(f) == 0 && ok;
	if (ok) {
		reply.message = text;
		response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_ADMIN;
		response.admin = &reply;
		request_reply(r, &response);
	} else {
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
	}
	free(text);
}
