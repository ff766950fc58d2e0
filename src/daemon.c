/* SPDX-License-Identifier: MIT */
/*
 * Start: core, engine, requests, pools, socket; then READY. The database need not be there:
 * requests wait for it.
 *
 * Stop (SIGTERM, SIGINT, `drain`): nothing new is accepted, what waits is refused with
 * SHUTTING_DOWN, what runs is finished, up to shutdown_timeout; then it is cancelled and leases are
 * taken back; a second signal ends it at once. The loop ends when no request and no lease is left.
 *
 * A new configuration (SIGHUP, `reload`, `set`): reloading.c reads it, apply() brings it into force.
 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "busy-poll.h"
#include "config/arguments.h"
#include "config/config.h"
#include "core/breaker.h"
#include "core/core.h"
#include "core/pool.h"
#include "descriptors.h"
#include "inherited.h"
#include "minute.h"
#include "observing.h"
#include "pg/engine.h"
#include "pg/target.h"
#include "publishing.h"
#include "reloading.h"
#include "rpc/rpc.h"
#include "rpc/settle.h"
#include "service.h"
#include "sp/server.h"
#include "util/error.h"
#include "util/log.h"

enum daemon_state {
	DAEMON_RUNNING,
	DAEMON_DRAINING, /* until shutdown_timeout */
	DAEMON_ABORTING, /* cancelled, waits for the cancels to take */
	DAEMON_STOPPED,
};

enum {
	LAST_WAIT_US = 2 * USEC_PER_SEC, /* for what other threads are at, when all else is done */
};

struct daemon {
	uv_loop_t loop;
	enum daemon_state state;
	struct config *config; /* owned */
	/* owned: the one before; what came under it may still refer to it */
	struct config *retired;
	struct core *core; /* owned, as all below */
	struct pg_engine *engine;
	struct rpc *rpc;
	struct sp_server *server;
	struct pg_pool **pools;
	size_t n_pools;
	struct service service;
	struct busy_poll busy_poll;
	struct publishing publishing;
	struct observing observing;
	struct minute minute;
	uv_signal_t signals[3];
	uv_timer_t stop_timer;
	uv_check_t idle_check; /* after each turn: is there anything left to finish? */
	struct reloading reloading;
	int exit_status;
};

/* ---- configuration to settings ---- */

static struct core_settings core_settings_of(const struct config *c, uint64_t first_token)
{
	return (struct core_settings){
		.budget = c->budget,
		.queue_limit = c->queue_limit,
		.max_connecting = c->max_connecting,
		.first_token = first_token,
		.degraded_ratio = c->degraded_ratio,
		.unhealthy_ratio = c->unhealthy_ratio,
		.degraded_wait_us = c->degraded_wait_us,
	};
}

static struct sp_settings sp_settings_of(const struct config *c)
{
	struct sp_settings s = sp_settings_default();

	s.max_message_bytes = c->max_message_bytes;
	s.max_connections = descriptors_for_clients(c);
	s.max_requests = MIN(c->max_requests_per_client, 65535U);
	s.greeting_timeout_us = c->greeting_timeout_us;
	s.idle_timeout_us =
		c->timeouts.client_idle_us == USEC_NEVER ? 0 : c->timeouts.client_idle_us;
	return s;
}

/* The first line of the file. Returns 0 or a negative errno. */
static int read_password(const char *path, char *password, size_t size)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	if (!fgets(password, (int)size, f))
		password[0] = '\0';
	(void)fclose(f);
	password[strcspn(password, "\r\n")] = '\0';
	return 0;
}

static struct pg_pool_settings pool_settings_of(const struct config_pool *p, const char *password)
{
	return (struct pg_pool_settings){
		.name = p->name,
		.conninfo = p->conninfo,
		.password = password,
		.trust_functions = p->trust_functions,
		.conn = { .connect_timeout_us = p->connect_timeout_us, .max_prepared = p->max_prepared_statements },
		.core = {
			.min_size = p->min_size,
			.max_size = p->max_size,
			.max_overflow = p->max_overflow,
			.pipeline_depth = p->pipeline_depth,
			.pipeline_budget_us = p->pipeline_budget_us,
			.idle_timeout_us = p->idle_timeout_us,
			.max_lifetime_us = p->max_lifetime_us,
			.keepalive_us = p->keepalive_us,
			.backoff_min_us = p->backoff_min_us,
			.backoff_max_us = p->backoff_max_us,
			.breaker_threshold = p->breaker_threshold,
			.breaker_reset_us = p->breaker_reset_us,
		},
	};
}

/* Adds a pool (`*pool` NULL) or changes it. Returns 0, or -1 when the reason has been logged. */
static int set_pool(struct daemon *d, const struct config_pool *config, struct pg_pool **pool)
{
	char password[1024] = "", message[512] = "out of memory";
	struct pg_pool_settings settings;
	int r = 0;

	if (config->password_file[0])
		r = read_password(config->password_file, password, sizeof(password));
	if (r < 0) {
		log_error(LOG_FIELDS(log_str("POOL", config->name)),
			  "pool %s: password_file %s cannot be read: %s", config->name,
			  config->password_file, strerror(-r));
		return -1;
	}
	settings = pool_settings_of(config, password[0] ? password : NULL);
	r = *pool ? pg_engine_change_pool(d->engine, *pool, &settings, message, sizeof(message))
		  : pg_engine_add_pool(d->engine, &settings, pool, message, sizeof(message));
	explicit_bzero(password, sizeof(password));
	if (r != 0) {
		log_error(LOG_FIELDS(log_str("POOL", config->name)), "pool %s: %s", config->name,
			  message);
		return -1;
	}
	return 0;
}

/* ---- stopping ---- */

static void on_stop_timer(uv_timer_t *timer);

static void stop_loop(struct daemon *d)
{
	d->state = DAEMON_STOPPED;
	uv_stop(&d->loop);
}

static void drain(void *userdata)
{
	struct daemon *d = userdata;

	if (d->state != DAEMON_RUNNING)
		return;
	d->state = DAEMON_DRAINING;
	service_stopping(&d->service, d->config->shutdown_timeout_us +
					      2 * d->config->cancel_timeout_us + LAST_WAIT_US);
	log_notice(LOG_FIELDS(log_uint("UNFINISHED", rpc_unfinished(d->rpc))),
		   "stopping: %u requests and leases are unfinished", rpc_unfinished(d->rpc));
	sp_server_stop_listening(d->server);
	rpc_drain(d->rpc);
	(void)uv_timer_start(&d->stop_timer, on_stop_timer,
			     d->config->shutdown_timeout_us / USEC_PER_MS, 0);
}

static void on_stop_timer(uv_timer_t *timer)
{
	struct daemon *d = container_of(timer, struct daemon, stop_timer);

	if (d->state == DAEMON_ABORTING) {
		stop_loop(d);
		return;
	}
	d->state = DAEMON_ABORTING;
	log_warning(LOG_FIELDS(log_uint("UNFINISHED", rpc_unfinished(d->rpc))),
		    "shutdown_timeout is over: cancelling %u requests and leases",
		    rpc_unfinished(d->rpc));
	rpc_abort(d->rpc);
	(void)uv_timer_start(timer, on_stop_timer, 2 * d->config->cancel_timeout_us / USEC_PER_MS,
			     0);
}

static void on_idle_check(uv_check_t *check)
{
	struct daemon *d = container_of(check, struct daemon, idle_check);

	if (d->state == DAEMON_RUNNING || d->state == DAEMON_STOPPED || rpc_unfinished(d->rpc) > 0)
		return;
	sp_server_flush(d->server);
	if (sp_server_counts(d->server)->output_bytes == 0 || d->state == DAEMON_ABORTING)
		stop_loop(d);
}

/* ---- reloading ---- */

static struct pg_pool *pool_named(struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->n_pools; i++)
		if (!strcmp(pg_pool_name(d->pools[i]), name))
			return d->pools[i];
	return NULL;
}

static unsigned apply(void *userdata, struct config *fresh)
{
	struct daemon *d = userdata;
	struct core_settings core = core_settings_of(fresh, 0);
	struct sp_settings sp = sp_settings_of(fresh);
	usec now = pg_engine_now();
	unsigned stuck = 0;

	if (core_configure(d->core, &core, now) < 0)
		log_error(LOG_NO_FIELDS, "reload: out of memory, the old budget stays in force");
	sp_server_set_settings(d->server, &sp);
	for (size_t i = 0; i < fresh->n_pools; i++) {
		struct pg_pool *pool = pool_named(d, fresh->pools[i].name);

		if (pool && set_pool(d, &fresh->pools[i], &pool) < 0)
			stuck++;
	}
	pg_engine_configure(d->engine, fresh->cancel_timeout_us);
	publishing_configure(&d->publishing, fresh);
	minute_configure(&d->minute, fresh->stats_interval_us);
	busy_poll_set(&d->busy_poll, fresh->busy_poll_us);
	log_setup(fresh->log_level, fresh->log_format);
	rpc_reconfigure(d->rpc, fresh);
	config_free(d->retired);
	d->retired = d->config;
	d->config = fresh;
	pg_engine_kick(d->engine);
	return stuck;
}

static void on_reloaded(void *userdata, bool done, const char *sentence)
{
	struct daemon *d = userdata;

	rpc_reload_done(d->rpc, done, sentence);
	service_ready(&d->service);
}

static bool reload(void *userdata, char *why, size_t why_bytes)
{
	struct daemon *d = userdata;

	if (d->state != DAEMON_RUNNING) {
		(void)snprintf(why, why_bytes, "the daemon is stopping");
		return false;
	}
	if (!reloading_begin(&d->reloading, d->config, why, why_bytes))
		return false;
	service_reloading(&d->service);
	return true;
}

static bool change(void *userdata, const struct rpc_change *c, char *why, size_t why_bytes)
{
	struct daemon *d = userdata;
	struct reloading_change wanted = { c->section, c->name, c->value, c->uid, c->pid };

	return reloading_change(&d->reloading, d->config, &wanted, why, why_bytes);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *d = handle->data;
	char why[128];

	if (number == SIGHUP) {
		if (!reload(d, why, sizeof(why)))
			log_warning(LOG_NO_FIELDS, "reload: %s", why);
	} else if (d->state == DAEMON_RUNNING) {
		drain(d);
	} else {
		log_warning(LOG_NO_FIELDS, "a second signal: stopping at once");
		stop_loop(d);
	}
}

static void watch_signals(struct daemon *d)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		(void)uv_signal_init(&d->loop, &d->signals[i]);
		d->signals[i].data = d;
		(void)uv_signal_start(&d->signals[i], on_signal, numbers[i]);
		uv_unref((uv_handle_t *)&d->signals[i]);
	}
}

/* ---- starting ---- */

static void publish(void *userdata, const void *topic, size_t topic_bytes, const void *body,
		    size_t body_bytes)
{
	struct daemon *d = userdata;

	publishing_send(&d->publishing, topic, topic_bytes, body, body_bytes);
}

static void summarize(void *userdata, char *text, size_t size)
{
	struct daemon *d = userdata;
	struct core_numbers n;
	const struct pool *p = pg_pool_core(d->pools[0]);

	core_numbers(d->core, pg_engine_now(), &n);
	(void)snprintf(text, size, "%u/%u in use, %u waiting, breaker %s", n.in_use,
		       n.budget_in_force, n.waiting, breaker_state_to_string(p->breaker.state));
}

static int open_events(struct daemon *d, int inherited)
{
	int r = publishing_init(&d->publishing, &d->loop, d->config, inherited);

	rpc_set_events_url(d->rpc, publishing_url(&d->publishing));
	return r;
}

static int open_http(struct daemon *d, const struct inherited *inherited)
{
	struct observing_input input = {
		.loop = &d->loop,
		.config = d->config,
		.inherited = inherited,
		.core = d->core,
		.rpc = d->rpc,
		.server = d->server,
		.pools = d->pools,
		.n_pools = d->n_pools,
	};

	return observing_init(&d->observing, &input);
}

static int listen_somewhere(struct daemon *d)
{
	const struct config *c = d->config;
	struct sp_address address = {
		.path = c->socket,
		.mode = (mode_t)c->socket_mode,
		.owner = (uid_t)c->socket_uid,
		.group = (gid_t)c->socket_gid,
	};
	struct inherited inherited;
	int fd, r;

	inherited_take(&inherited);
	fd = inherited.rpc;

	r = fd >= 0 ? sp_server_adopt(d->server, fd) : sp_server_listen(d->server, &address);
	if (r > 0)
		log_error(LOG_NO_FIELDS, "the socket %s cannot be used: %s",
			  fd >= 0 ? "from systemd" : c->socket,
			  sp_error_to_string((enum sp_error)r));
	else if (r < 0)
		log_error(LOG_NO_FIELDS, "the socket %s cannot be used: %s", c->socket,
			  strerror(-r));
	else
		log_notice(LOG_FIELDS(log_str("SOCKET", fd >= 0 ? "systemd" : c->socket)),
			   "listening on %s", fd >= 0 ? "the socket from systemd" : c->socket);
	return r == 0 && open_events(d, fd) == 0 ? open_http(d, &inherited) : -1;
}

static int cannot_start(int r)
{
	log_error(LOG_NO_FIELDS, "cannot start: %s", strerror(-r));
	return -1;
}

static int add_pools(struct daemon *d)
{
	int r;

	d->pools = calloc(d->config->n_pools, sizeof(struct pg_pool *));
	if (!d->pools)
		return cannot_start(-ENOMEM);
	for (size_t i = 0; i < d->config->n_pools; i++) {
		if (set_pool(d, &d->config->pools[i], &d->pools[i]) < 0)
			return -1;
		d->n_pools++;
	}
	r = rpc_set_pools(d->rpc, d->pools, d->n_pools);
	if (r == -1)
		return -1; /* the reason was logged */
	if (r == 0)
		r = minute_init(&d->minute, &d->loop, d->pools, d->n_pools,
				d->config->stats_interval_us);
	return r < 0 ? cannot_start(r) : 0;
}

static int make_parts(struct daemon *d)
{
	static const struct pg_engine_ops engine_ops = { .lease = rpc_on_lease,
							 .notify = rpc_on_notify,
							 .decided = rpc_on_decided };
	static const struct rpc_ops rpc_ops = {
		.reload = reload, .change = change, .drain = drain, .publish = publish
	};
	struct pg_engine_settings engine = { .cancel_timeout_us = d->config->cancel_timeout_us,
					     .probe_sql = settle_sql() };
	struct core_settings core =
		core_settings_of(d->config, (uint64_t)time(NULL) * USEC_PER_SEC);
	struct sp_settings sp = sp_settings_of(d->config);
	struct rpc_input input = {
		.loop = &d->loop,
		.config = d->config,
		.ops = &rpc_ops,
		.userdata = d,
	};
	uint64_t seeds[3];
	int r;

	if (getrandom(seeds, sizeof(seeds), 0) != sizeof(seeds))
		return err_raise(-EIO);
	input.seed = seeds[0];
	input.instance_id = seeds[1] | 1;
	r = core_new(&d->core, &core, seeds[2]);
	if (r < 0)
		return err_forward(r);
	input.core = d->core;
	r = rpc_new(&d->rpc, &input);
	if (r == 0)
		r = pg_engine_new(&d->engine, &d->loop, d->core, &engine, &engine_ops, d->rpc);
	if (r == 0)
		r = sp_server_new(&d->server, &d->loop, &sp, rpc_sp_ops(), d->rpc);
	if (r == 0) {
		rpc_set_engine(d->rpc, d->engine);
		rpc_set_server(d->rpc, d->server);
	}
	return err_forward(r);
}

static const struct reloading_ops reloading_ops = { .apply = apply, .done = on_reloaded };

int daemon_new(struct daemon **ret_daemon, struct config *config, const struct arguments *arguments)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int r = d ? uv_loop_init(&d->loop) : UV_ENOMEM;

	if (r < 0) {
		free(d);
		return cannot_start(r);
	}
	d->config = config;
	d->reloading =
		(struct reloading){ &d->loop, arguments, &reloading_ops, d, .under_way = NULL };
	(void)uv_timer_init(&d->loop, &d->stop_timer);
	(void)uv_check_init(&d->loop, &d->idle_check);
	(void)uv_check_start(&d->idle_check, on_idle_check);
	watch_signals(d);
	service_init(&d->service, &d->loop, summarize, d);
	r = make_parts(d);
	busy_poll_init(&d->busy_poll, &d->loop, d->server, r == 0 ? config->busy_poll_us : 0);
	if (r < 0)
		(void)cannot_start(r);
	if (r == 0 && add_pools(d) == 0 && listen_somewhere(d) == 0) {
		*ret_daemon = d;
		return 0;
	}
	d->config = NULL;
	daemon_free(d);
	return -1;
}

int daemon_run(struct daemon *d)
{
	service_ready(&d->service);
	while (d->state != DAEMON_STOPPED)
		(void)uv_run(&d->loop, UV_RUN_DEFAULT);
	log_notice(LOG_NO_FIELDS, "stopped");
	return d->exit_status;
}

/*
 * A signal more, once the watchers are gone, would end the process by its default before it has
 * tidied up. Ignored, not blocked: libuv and libnng have threads that would take it.
 */
static void close_signals(struct daemon *d)
{
	int number;

	for (size_t i = 0; i < ARRAY_LEN(d->signals); i++) {
		number = d->signals[i].signum;
		uv_close((uv_handle_t *)&d->signals[i], NULL);
		(void)signal(number, SIG_IGN);
	}
}

static void close_own(struct daemon *d)
{
	close_signals(d);
	uv_close((uv_handle_t *)&d->stop_timer, NULL);
	uv_close((uv_handle_t *)&d->idle_check, NULL);
	service_deinit(&d->service);
	busy_poll_deinit(&d->busy_poll);
	publishing_deinit(&d->publishing);
	observing_deinit(&d->observing);
	minute_deinit(&d->minute);
	reloading_deinit(&d->reloading);
}

static void on_last_wait(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/*
 * What was closed is gone after a turn or two. But a cancel request and the look-up of a host last for
 * as long as nobody answers; where they have a thread (libpq before 17) libuv waits for it even in
 * exit().
 */
static void run_out(struct daemon *d)
{
	uv_timer_t last;

	uv_update_time(&d->loop);
	(void)uv_timer_init(&d->loop, &last);
	(void)uv_timer_start(&last, on_last_wait, LAST_WAIT_US / USEC_PER_MS, 0);
	uv_unref((uv_handle_t *)&last);
	(void)uv_run(&d->loop, UV_RUN_DEFAULT);
	if (uv_loop_alive(&d->loop)) {
		log_warning(
			LOG_NO_FIELDS,
			"leaving while a cancel request, or the look-up of a host, has no answer");
		_exit(d->exit_status);
	}
	uv_close((uv_handle_t *)&last, NULL);
	(void)uv_run(&d->loop, UV_RUN_DEFAULT);
}

struct daemon *daemon_free(struct daemon *d)
{
	if (!d)
		return NULL;
	d->server = sp_server_free(d->server);
	rpc_stop(d->rpc);
	d->engine = pg_engine_free(d->engine);
	close_own(d);
	run_out(d);
	d->rpc = rpc_free(d->rpc);
	(void)uv_run(&d->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&d->loop);
	d->core = core_free(d->core);
	free(d->pools);
	config_free(d->retired);
	config_free(d->config);
	free(d);
	return NULL;
}
