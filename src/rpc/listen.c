/* SPDX-License-Identifier: MIT */
/*
 * Listen and Unlisten. Three things hang together: a channel that PostgreSQL is asked for
 * (`listened`: one for each name in a pool, however many want it), what a client wants of it
 * (`listen`: one for each client), and the requests that wait until PostgreSQL listens. A channel
 * lives as long as anybody wants it; what a client wants lives until Unlisten, its end, or until the
 * last of the requests that asked for it first has failed.
 *
 * Nothing is delivered here: notifications are published, once for all, and each subscriber picks
 * out what it wants.
 */
#include "rpc/listen.h"

#include <stdlib.h>
#include <string.h>

#include "pg/listener.h"
#include "rpc/event.h"
#include "rpc/kinds.h"
#include "rpc/lease.h"
#include "rpc/rpc-internal.h"
#include "util/error.h"
#include "util/hash.h"

/*
 * The share of what listens goes before all others, so nobody else may have its name: what a client
 * declares is shorter than 64 bytes, and what a unit or an executable is called has no slash.
 */
#define LISTENER_NAME "sidepool/listener, for all who listen to channels of PostgreSQL's"
_Static_assert(sizeof(LISTENER_NAME) > 64, "a client could declare it");

struct listened {
	struct rpc *rpc; /* borrowed, as the next two */
	struct rpc_pool *pool;
	struct pg_channel *channel;
	struct topic topic;
	bool on;                      /* PostgreSQL listens */
	usec lost;                    /* when it last ceased to; 0: there is no gap */
	TAILQ_HEAD(, listen) listens; /* owned: at least one */
	struct request_list waiting;  /* until it is on; by request::on_stream */
	UT_hash_handle hh;            /* rpc_pool::listened */
	char name[PG_CHANNEL_NAME_MOST + 1];
};

struct listen {
	struct client *client;    /* borrowed */
	struct listened *of;      /* borrowed */
	unsigned n_waiting;       /* requests */
	bool holds;               /* one was answered */
	TAILQ_ENTRY(listen) link; /* listened::listens */
	TAILQ_ENTRY(listen) mine; /* client::listens */
};

struct listening {
	struct rpc *rpc;
	struct application *application; /* one reference: the connections are booked on it */
	uv_timer_t timer;                /* for the next deadline of a request that waits */
};

/* ---- coming and going ---- */

static void drop_listened(struct listened *d)
{
	struct rpc *rpc = d->rpc;

	pg_channel_unwant(d->channel);
	topic_deinit(&d->topic, rpc);
	HASH_DELETE(hh, d->pool->listened, d);
	free(d);
}

static void drop_listen(struct listen *l)
{
	struct listened *d = l->of;

	TAILQ_REMOVE(&d->listens, l, link);
	TAILQ_REMOVE(&l->client->listens, l, mine);
	l->client->user->listens--;
	free(l);
	if (TAILQ_EMPTY(&d->listens))
		drop_listened(d);
}

void listen_forget(struct request *r)
{
	struct listen *l = r->listens;

	if (!l)
		return;
	r->listens = NULL;
	TAILQ_REMOVE(&l->of->waiting, r, on_stream);
	if (--l->n_waiting == 0 && !l->holds)
		drop_listen(l);
}

void listens_abandon(struct client *c)
{
	struct listen *l;

	/* What it takes from l->client it takes from c. */
	while ((l = TAILQ_FIRST(&c->listens)))
		drop_listen(l); /* NOLINT(clang-analyzer-unix.Malloc) */
}

static struct listened *make_listened(struct rpc *rpc, struct rpc_pool *pool, const char *name)
{
	struct listened *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->rpc = rpc;
	d->pool = pool;
	memcpy(d->name, name, strlen(name) + 1);
	TAILQ_INIT(&d->listens);
	TAILQ_INIT(&d->waiting);
	HASH_ADD_STR(pool->listened, name, d);
	if (!hash_took(d, hh)) {
		free(d);
		return NULL;
	}
	if (pg_listener_want(pool->listener, name, d, &d->channel) < 0) {
		HASH_DELETE(hh, pool->listened, d);
		free(d);
		return NULL;
	}
	topic_init(&d->topic, rpc, "notify", pool->config->name, name);
	return d;
}

static struct listened *find_listened(const struct rpc_pool *pool, const char *name)
{
	struct listened *d;

	HASH_FIND_STR(pool->listened, name, d);
	return d;
}

static struct listen *find_listen(const struct client *c, const struct listened *d)
{
	struct listen *l;

	TAILQ_FOREACH (l, &c->listens, mine)
		if (l->of == d)
			return l;
	return NULL;
}

static struct listen *make_listen(struct client *c, struct listened *d)
{
	struct listen *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->client = c;
	l->of = d;
	c->user->listens++;
	TAILQ_INSERT_TAIL(&d->listens, l, link);
	TAILQ_INSERT_TAIL(&c->listens, l, mine);
	return l;
}

/* ---- answers ---- */

static void answer(struct request *r, const struct topic *topic, size_t n, uint64_t sequence)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__ListenReply m = SIDEPOOL__V1__LISTEN_REPLY__INIT;

	m.events_url = (char *)r->rpc->events_url;
	m.topic = (ProtobufCBinaryData){ .data = (uint8_t *)topic->name, .len = n };
	m.sequence = sequence;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_LISTEN;
	response.listen = &m;
	request_reply(r, &response);
}

/* The channel's pointer may be gone after it: the answer may have ended the client. */
static void answer_waiting(struct listened *d)
{
	struct request *r;
	struct listen *l;

	while ((r = TAILQ_FIRST(&d->waiting))) {
		l = r->listens;
		l->holds = true;
		listen_forget(r);
		answer(r, &d->topic, d->topic.n, d->topic.sequence);
	}
}

/* Takes the request from where it waits, which may be the end of the channel. */
static void take_back(struct request *r)
{
	listen_forget(r);
	r->state = REQUEST_ENDED;
}

/* ---- what PostgreSQL says ---- */

static void publish_gap(struct listened *d, bool over, const char *reason)
{
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__Gap gap = SIDEPOOL__V1__GAP__INIT;

	gap.over = over;
	gap.reason = (char *)reason;
	gap.lasted_ms = over ? usec_sub(rpc_now(), d->lost) / USEC_PER_MS : 0;
	event.kind_case = SIDEPOOL__V1__EVENT__KIND_GAP;
	event.gap = &gap;
	topic_publish(&d->topic, d->rpc, d->pool->config->name, &event);
}

static void on_listening(struct pg_channel *c)
{
	struct listened *d = c->owner;

	d->on = true;
	if (d->lost)
		publish_gap(d, true, "the channel is listened to again");
	d->lost = 0;
	if (TAILQ_EMPTY(&d->waiting))
		return;
	answer_waiting(d);
	topic_mark(&d->topic, d->rpc, d->pool->config->name);
}

static void on_lost(struct pg_channel *c, const char *reason)
{
	struct listened *d = c->owner;

	d->on = false;
	d->lost = rpc_now();
	publish_gap(d, false, reason);
}

static void on_failed(struct pg_channel *c, const struct pg_result *error)
{
	struct listened *d = c->owner;
	struct failure f = { .code = 0 };
	struct request *r, *next;

	for (r = TAILQ_FIRST(&d->waiting); r; r = next) {
		next = TAILQ_NEXT(r, on_stream);
		failure_set_sql(&f, error);
		take_back(r);
		request_fail_with(r, &f);
		failure_deinit(&f);
		f = (struct failure){ .code = 0 };
	}
}

static void refuse(struct request *r, enum refusal why, usec retry_after_us, const char *reason)
{
	take_back(r);
	request_set_refusal(r, why, retry_after_us, reason);
	request_answer(r);
}

static void on_refused(struct pg_channel *c, enum refusal why, usec retry_after_us,
		       const char *reason)
{
	struct listened *d = c->owner;
	struct request *r, *next;

	for (r = TAILQ_FIRST(&d->waiting); r; r = next) {
		next = TAILQ_NEXT(r, on_stream);
		refuse(r, why, retry_after_us, reason);
	}
}

static void on_heard(struct pg_channel *c, const char *payload, int backend_pid)
{
	struct listened *d = c->owner;
	Sidepool__V1__Event event = SIDEPOOL__V1__EVENT__INIT;
	Sidepool__V1__Notification n = SIDEPOOL__V1__NOTIFICATION__INIT;

	n.channel = d->name;
	n.payload = (char *)payload;
	n.backend_pid = (uint32_t)backend_pid;
	event.kind_case = SIDEPOOL__V1__EVENT__KIND_NOTIFICATION;
	event.notification = &n;
	topic_publish(&d->topic, d->rpc, d->pool->config->name, &event);
}

static const struct pg_listener_ops listener_ops = {
	.listening = on_listening,
	.failed = on_failed,
	.refused = on_refused,
	.heard = on_heard,
	.lost = on_lost,
};

/* ---- waiting ---- */

static usec wait_until(const struct request *r)
{
	usec most = config_acquire_timeout(r->pool->config, r->client->config);

	return MIN(r->deadline, usec_add(r->received, most));
}

static void on_timer(uv_timer_t *timer);

/* Listens that wait are few: they wait for a connection that is not there yet. */
static void watch_deadlines(struct rpc *rpc, usec now)
{
	const struct listened *d, *next;
	const struct request *r;
	usec first = USEC_NEVER;

	for (size_t i = 0; i < rpc->n_pools; i++)
		HASH_ITER (hh, rpc->pools[i].listened, d, next)
			TAILQ_FOREACH (r, &d->waiting, on_stream)
				first = MIN(first, wait_until(r));
	if (first != USEC_NEVER)
		(void)uv_timer_start(&rpc->listening->timer, on_timer,
				     usec_sub(first, now) / USEC_PER_MS + 1, 0);
}

static void expire(struct listened *d, usec now)
{
	const char *reason = pg_pool_failure(d->pool->pg);
	struct request *r, *next;

	for (r = TAILQ_FIRST(&d->waiting); r; r = next) {
		next = TAILQ_NEXT(r, on_stream);
		if (wait_until(r) <= now)
			refuse(r, r->deadline <= now ? REFUSE_DEADLINE : REFUSE_TIMEOUT, 0,
			       *reason ? reason : NULL);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct rpc *rpc = container_of(timer, struct listening, timer)->rpc;
	struct listened *d, *next;
	usec now = rpc_now();

	for (size_t i = 0; i < rpc->n_pools; i++)
		HASH_ITER (hh, rpc->pools[i].listened, d, next)
			expire(d, now);
	watch_deadlines(rpc, now);
}

static void wait_for(struct request *r, struct listen *l)
{
	r->state = REQUEST_WAITING;
	r->listens = l;
	l->n_waiting++;
	TAILQ_INSERT_TAIL(&l->of->waiting, r, on_stream);
	watch_deadlines(r->rpc, rpc_now());
}

/* ---- the requests ---- */

/* The pools whose listener has a connection, or wants one. */
static unsigned count_listening(const struct rpc *rpc)
{
	unsigned n = 0;

	for (size_t i = 0; i < rpc->n_pools; i++)
		n += pg_listener_wanted(rpc->pools[i].listener) > 0;
	return n;
}

/* Listening takes a connection for good: somebody must be able to work besides. */
static bool check_room(struct request *r)
{
	const struct pool *p = pg_pool_core(r->pool->pg);
	struct core_numbers n;

	if (pg_listener_wanted(r->pool->listener) > 0)
		return true;
	core_numbers(r->rpc->core, rpc_now(), &n);
	if (pool_limit(p) < 2)
		request_fail(r, SIDEPOOL_E_UNSUPPORTED,
			     "pool %s may have %u connection, and listening would take it from all "
			     "others: give it two",
			     r->pool->config->name, pool_limit(p));
	else if (count_listening(r->rpc) + 2 > n.budget)
		request_fail(r, SIDEPOOL_E_UNSUPPORTED,
			     "the budget is %u, and listening in pool %s too would leave no "
			     "connection to work with: raise it",
			     n.budget, r->pool->config->name);
	else
		return true;
	return false;
}

static bool check_limit(struct request *r)
{
	const struct rpc_user *u = r->client->user;
	uint32_t most = r->rpc->config->max_listens_per_uid;

	if (u->listens < most)
		return true;
	request_fail(r, SIDEPOOL_E_TOO_MANY_REQUESTS,
		     "uid %u listens to %u channels, and max_listens_per_uid is %u", u->uid,
		     u->listens, most);
	return false;
}

static bool check(struct request *r, const char *channel)
{
	const Sidepool__V1__Request *m = r->message;

	if (!r->rpc->events_url)
		request_fail(
			r, SIDEPOOL_E_UNSUPPORTED,
			"this daemon publishes nothing: see events_socket, or LISTEN on a lease");
	else if (m->lease || m->acquire)
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "Listen is for no lease: send LISTEN as a statement to hear it there");
	else if (strlen(channel) > PG_CHANNEL_NAME_MOST)
		request_fail(r, SIDEPOOL_E_INVALID_ARGUMENT,
			     "the name of a channel has at most %d bytes", PG_CHANNEL_NAME_MOST);
	else
		return lease_resolve(r);
	return false;
}

/* For those who want to know when they hear events. */
static void answer_events(struct request *r)
{
	struct rpc_pool *pool = r->pool;
	struct rpc *rpc = r->rpc;

	answer(r, &pool->marks, pool->marks.n - sizeof("mark"), 0);
	topic_mark(&pool->marks, rpc, pool->config->name);
}

static void listen_to(struct request *r, const char *channel)
{
	struct listened *d = find_listened(r->pool, channel);
	struct listen *l = d ? find_listen(r->client, d) : NULL;
	struct rpc *rpc = r->rpc;

	if (!l && (!check_limit(r) || !check_room(r)))
		return;
	if (!d)
		d = make_listened(rpc, r->pool, channel);
	if (d && !l)
		l = make_listen(r->client, d);
	if (!l) {
		if (d && TAILQ_EMPTY(&d->listens))
			drop_listened(d);
		request_fail(r, SIDEPOOL_E_OUT_OF_MEMORY, NULL);
		return;
	}
	if (!d->on) {
		wait_for(r, l);
		return;
	}
	l->holds = true;
	answer(r, &d->topic, d->topic.n, d->topic.sequence);
	topic_mark(&d->topic, rpc, d->pool->config->name);
}

void listen_handle(struct request *r)
{
	const char *channel = r->message->listen->channel;

	if (!check(r, channel))
		return;
	if (r->rpc->draining)
		request_fail_draining(r);
	else if (!*channel)
		answer_events(r);
	else
		listen_to(r, channel);
}

/* Its own Listens that wait still are told that they were called off. */
static void call_off(struct listen *l)
{
	struct request *r, *next;

	l->holds = true; /* it is dropped below, not with the last of them */
	for (r = TAILQ_FIRST(&l->of->waiting); r; r = next) {
		next = TAILQ_NEXT(r, on_stream);
		if (r->listens == l)
			request_cancel(r);
	}
	drop_listen(l);
}

void unlisten_handle(struct request *r)
{
	const char *channel = r->message->unlisten->channel;
	struct listened *d;
	struct listen *l;

	if (!check(r, channel))
		return;
	d = find_listened(r->pool, channel);
	l = d ? find_listen(r->client, d) : NULL;
	if (l)
		call_off(l);
	request_reply(r, NULL);
}

/* ---- life ---- */

int listening_init(struct rpc *rpc)
{
	static const struct share_settings share = { .weight = 1, .priority = PRIORITY_MAX };
	struct listening *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_raise(-ENOMEM);
	r = application_get(rpc->core, LISTENER_NAME, &share, &g->application);
	if (r != 0) {
		free(g);
		return err_fold(r);
	}
	g->rpc = rpc;
	(void)uv_timer_init(rpc->loop, &g->timer);
	uv_unref((uv_handle_t *)&g->timer);
	rpc->listening = g;
	return 0;
}

int listening_add_pool(struct rpc *rpc, struct rpc_pool *pool)
{
	topic_init(&pool->marks, rpc, "event", pg_pool_name(pool->pg), "mark");
	return err_forward(pg_listener_new(&pool->listener, rpc->engine, pool->pg,
					   rpc->listening->application, &listener_ops));
}

void listening_stop(struct rpc *rpc)
{
	(void)uv_timer_stop(&rpc->listening->timer);
	for (size_t i = 0; i < rpc->n_pools; i++)
		if (rpc->pools[i].listener)
			pg_listener_stop(rpc->pools[i].listener);
}

static void on_closed(uv_handle_t *timer)
{
	free(container_of((uv_timer_t *)timer, struct listening, timer));
}

void listening_deinit(struct rpc *rpc)
{
	for (size_t i = 0; i < rpc->n_pools; i++)
		rpc->pools[i].listener = pg_listener_free(rpc->pools[i].listener);
	if (!rpc->listening)
		return;
	application_unref(rpc->listening->application);
	uv_close((uv_handle_t *)&rpc->listening->timer, on_closed);
	rpc->listening = NULL;
}
