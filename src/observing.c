/* SPDX-License-Identifier: MIT */
/*
 * As with the events: a socket that was asked for must be there, or the daemon does not start; the
 * one that is made by default may fail to.
 */
#include "observing.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "beside.h"
#include "config/config.h"
#include "config/loopback.h"
#include "rpc/shown.h"
#include "rpc/submit.h"
#include "sp/server.h"
#include "util/log.h"

enum {
	BACKLOG = 64,
};

/* ---- what it shows ---- */

struct passing {
	site_lease_fn fn;
	void *userdata;
};

static void pass(void *userdata, const struct shown_lease *l)
{
	const struct passing *p = userdata;

	p->fn(p->userdata, &(struct site_lease){
				   .pool = l->pool,
				   .application = l->application,
				   .unit = l->unit,
				   .call_site = l->call_site,
				   .state = l->state,
				   .pid = l->pid,
				   .held_ms = l->held_ms,
				   .state_ms = l->state_ms,
			   });
}

static void leases(void *owner, site_lease_fn fn, void *userdata)
{
	const struct observing *o = owner;

	shown_leases(o->rpc, pass, &(struct passing){ fn, userdata });
}

static void submits(void *owner, size_t pool, struct site_submits *ret_submits)
{
	const struct observing *o = owner;
	const struct submit_counts *n = shown_submits(o->rpc, pool);

	*ret_submits = (struct site_submits){
		.waiting = n->waiting,
		.running = n->running,
		.bytes = n->bytes,
		.accepted_total = n->accepted_total,
		.refused_total = n->refused_total,
		.recovered_total = n->recovered_total,
		.done_total = n->done_total,
		.failed_total = n->failed_total,
		.unknown_total = n->unknown_total,
		.retries_total = n->retries_total,
	};
}

static void submit_queue(void *owner, struct site_submit_queue *ret_queue)
{
	const struct observing *o = owner;
	struct submit_counts n;

	submits_count(o->rpc, &n);
	*ret_queue = (struct site_submit_queue){ .max_size = n.max_size,
						 .max_bytes = n.max_bytes,
						 .queued = n.waiting + n.running,
						 .oldest_us = n.oldest_us,
						 .journal_bytes = n.journal_bytes,
						 .journal_fails = n.journal_fails };
}

/* ---- where ---- */

static int serve(struct observing *o, uv_loop_t *loop, int fd, bool guards_host)
{
	int r = http_server_new(&o->servers[o->n_servers], loop, fd, guards_host, site_route,
				&o->site);

	if (r < 0)
		return r;
	o->n_servers++;
	return 0;
}

static int complain(bool is_error, const char *where, const char *why)
{
	log_write(is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, LOG_NO_FIELDS,
		  "the HTTP socket %s cannot be used: %s%s", where, why,
		  is_error ? "" : "; there is no HTTP on it. Set http_socket");
	return is_error ? -1 : 0;
}

/* Whoever may connect to it by its address, and not by a file's permissions. */
static bool is_network(int fd)
{
	int domain = AF_UNIX;
	socklen_t n = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 || domain != AF_UNIX;
}

static int serve_inherited(struct observing *o, const struct observing_input *in)
{
	for (size_t i = 0; i < in->inherited->n_http; i++) {
		int fd = in->inherited->http[i];
		int r = serve(o, in->loop, fd, is_network(fd));

		if (r < 0)
			return complain(true, "from systemd", strerror(-r));
	}
	return 0;
}

static int serve_path(struct observing *o, const struct observing_input *in)
{
	const struct config *c = in->config;
	bool automatic = !strcmp(c->http_socket, "auto");
	char path[SP_PATH_MAX + 2];
	struct sp_address address = {
		.path = path,
		.mode = (mode_t)c->socket_mode,
		.owner = (uid_t)c->socket_uid,
		.group = (gid_t)c->socket_gid,
	};
	int r;

	if (automatic)
		beside_path(path, sizeof(path), c, in->inherited->rpc, "http");
	else
		(void)snprintf(path, sizeof(path), "%s", c->http_socket);
	r = sp_bound_init(&o->bound, &address);
	if (r > 0)
		return complain(!automatic, path, sp_error_to_string((enum sp_error)r));
	if (r == 0)
		r = serve(o, in->loop, o->bound.fd, false);
	o->bound.fd = -1; /* the server's; where there is none, libmicrohttpd may have closed it */
	if (r == 0)
		return 0;
	sp_bound_unlink(&o->bound); /* or who connects would wait for nobody */
	return complain(!automatic, path, strerror(-r));
}

static int bind_loopback(const char *text, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t len;
	int one = 1, fd;

	if (!loopback_parse(text, &address, &len))
		return -EINVAL;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0) {
		int error = errno;

		(void)close(fd);
		return -error;
	}
	*ret_fd = fd;
	return 0;
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	socklen_t n = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	/* both kinds have it in the same place, and getsockname() has set it: NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
	return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

static int serve_loopback(struct observing *o, const struct observing_input *in)
{
	const char *where = in->config->http_listen;
	int fd = -1, r = bind_loopback(where, &fd);
	unsigned port = r == 0 ? port_of(fd) : 0;

	if (r == 0)
		r = serve(o, in->loop, fd, true);
	if (r < 0)
		return complain(true, where, strerror(-r));
	log_notice(LOG_FIELDS(log_uint("PORT", port)), "HTTP on %s, port %u", where, port);
	return 0;
}

int observing_init(struct observing *o, const struct observing_input *in)
{
	*o = (struct observing){
		.rpc = in->rpc,
		.bound = SP_BOUND_NULL,
		.site = { .core = in->core,
			  .leases = leases,
			  .submits = submits,
			  .submit_queue = submit_queue,
			  .owner = o,
			  .server = in->server,
			  .pools = in->pools,
			  .n_pools = in->n_pools },
	};
	if (history_init(&o->site.history, in->loop, in->pools, in->n_pools) < 0)
		return complain(true, "", "out of memory");
	if (serve_inherited(o, in) < 0)
		return -1;
	if (in->inherited->n_http == 0 && strcmp(in->config->http_socket, "off") != 0 &&
	    serve_path(o, in) < 0)
		return -1;
	return *in->config->http_listen ? serve_loopback(o, in) : 0;
}

void observing_deinit(struct observing *o)
{
	for (size_t i = 0; i < o->n_servers; i++)
		o->servers[i] = http_server_free(o->servers[i]);
	o->n_servers = 0;
	if (o->rpc)
		sp_bound_deinit(&o->bound);
	history_deinit(&o->site.history);
}
