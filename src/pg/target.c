/* SPDX-License-Identifier: MIT */
/*
 * libpq resolves host names with a blocking getaddrinfo() inside PQconnectStart(). So that the loop
 * never waits for a name server, every name is looked up on libuv's thread pool first and handed to
 * libpq as `hostaddr` beside its `host` (which libpq still needs, for TLS and .pgpass):
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-HOSTADDR A name with
 * several addresses becomes several hosts, which libpq tries in turn, as it would have done itself.
 */
#include "pg/target.h"

#include <libpq-fe.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/error.h"
#include "util/macro.h"

enum {
	HOSTS_MAX = 32,
	OPTIONS_MAX = 64,
};

struct pg_target {
	PQconninfoOption *options; /* owned, libpq's */
	char *hosts[HOSTS_MAX];    /* owned */
	char *ports[HOSTS_MAX];    /* owned */
	size_t n_hosts;
	char *name; /* owned */
};

/* One lookup of all hosts, one after the other: lists are short, and mostly sockets and numbers. */
struct pg_resolution {
	uv_getaddrinfo_t lookup;
	struct pg_target *target; /* borrowed */
	pg_resolved_fn fn;        /* NULL once cancelled */
	void *userdata;
	size_t host;         /* the one being looked up */
	struct buf lists[3]; /* host, hostaddr, port: comma-separated */
	size_t n_found;
	char application_name[64];
	char failure[256]; /* of the last name that was not found */
};

static PQconninfoOption *find(PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (!strcmp(options->keyword, keyword))
			return options;
	return NULL;
}

static const char *value_of(const struct pg_target *t, const char *keyword)
{
	PQconninfoOption *o = find(t->options, keyword);

	return o && o->val && *o->val ? o->val : NULL;
}

static int set_value(PQconninfoOption *options, const char *keyword, const char *value)
{
	PQconninfoOption *o = find(options, keyword);
	char *copy;

	if (!o)
		return 0;
	copy = strdup(value);
	if (!copy)
		return err_raise(-ENOMEM);
	free(o->val);
	o->val = copy;
	return 0;
}

static int invalid(char *message, size_t message_bytes, const char *reason)
{
	size_t n = strcspn(reason, "\n");

	(void)snprintf(message, message_bytes, "%.*s", (int)n, reason);
	return PG_TARGET_E_INVALID;
}

/*
 * libpq reads a service file only by way of its defaults, and there the service comes from the
 * environment.
 */
static PQconninfoOption *defaults_for(const char *service)
{
	const char *set = service ? getenv("PGSERVICE") : NULL;
	char *before = set ? strdup(set) : NULL;
	PQconninfoOption *options;

	if (set && !before)
		return NULL;
	if (service)
		(void)setenv("PGSERVICE", service, 1);
	options = PQconndefaults();
	if (service && before)
		(void)setenv("PGSERVICE", before, 1);
	else if (service)
		(void)unsetenv("PGSERVICE");
	free(before);
	return options;
}

/*
 * PQconndefaults() says nothing of a service that it does not find. A connect does, before it tries
 * anything; this one could only get as far as a socket that does not exist.
 */
static int check_service(const char *service, char *message, size_t message_bytes)
{
	static const char *const keywords[] = { "service", "host", "hostaddr", "port", NULL };
	const char *const values[] = { service, "/nonexistent", "", "1", NULL };
	PGconn *conn = PQconnectStartParams(keywords, values, 0);
	int r = 0;

	if (!conn)
		return err_raise(-ENOMEM);
	if (strstr(PQerrorMessage(conn), "service"))
		r = invalid(message, message_bytes, PQerrorMessage(conn));
	PQfinish(conn);
	return r;
}

/* What the string says, over what environment and service file say. */
static int read_options(PQconninfoOption **ret_options, const char *conninfo, char *message,
			size_t message_bytes)
{
	PQconninfoOption *said, *options, *o;
	const char *service;
	char *reason = NULL;
	int r = 0;

	said = PQconninfoParse(conninfo, &reason);
	if (!said) {
		r = reason ? invalid(message, message_bytes, reason) : err_raise(-ENOMEM);
		PQfreemem(reason);
		return r;
	}
	o = find(said, "service");
	service = o && o->val && *o->val ? o->val : getenv("PGSERVICE");
	r = service ? check_service(service, message, message_bytes) : 0;
	if (r != 0) {
		PQconninfoFree(said);
		return err_forward(r);
	}
	options = defaults_for(service);
	if (!options) {
		PQconninfoFree(said);
		return invalid(
			message, message_bytes,
			"the service, or the service file, that the connection string or PGSERVICE names cannot be read");
	}
	for (o = said; o->keyword && r == 0; o++)
		if (o->val && *o->val)
			r = set_value(options, o->keyword, o->val);
	PQconninfoFree(said);
	if (r < 0) {
		PQconninfoFree(options);
		return err_forward(r);
	}
	*ret_options = options;
	return 0;
}

/* Splits at commas; an empty part is kept, libpq gives it a meaning. */
static int split(const char *list, char **parts, size_t *ret_n)
{
	size_t n = 0, len;

	do {
		len = strcspn(list, ",");
		if (n == HOSTS_MAX)
			return PG_TARGET_E_INVALID;
		parts[n] = strndup(list, len);
		if (!parts[n])
			return err_raise(-ENOMEM);
		n++;
		list += len;
	} while (*list++ == ',');
	*ret_n = n;
	return 0;
}

static int split_hosts(struct pg_target *t, char *message, size_t message_bytes)
{
	const char *host = value_of(t, "host"), *port = value_of(t, "port");
	size_t n_ports = 0;
	int r;

	if (!host)
		return 0;
	r = split(host, t->hosts, &t->n_hosts);
	if (r == 0)
		r = split(port ? port : "5432", t->ports, &n_ports);
	if (r > 0)
		return invalid(message, message_bytes, "there are more than 32 hosts or ports");
	if (r < 0)
		return err_forward(r);
	if (n_ports != 1 && n_ports != t->n_hosts)
		return invalid(message, message_bytes,
			       "there must be one port, or as many as hosts");
	for (size_t i = n_ports; i < t->n_hosts; i++) {
		t->ports[i] = strdup(t->ports[0]);
		if (!t->ports[i])
			return err_raise(-ENOMEM);
	}
	return 0;
}

static int make_name(struct pg_target *t)
{
	const char *host = value_of(t, "host"), *address = value_of(t, "hostaddr");
	const char *database = value_of(t, "dbname"), *user = value_of(t, "user"),
		   *port = value_of(t, "port");

	if (asprintf(&t->name, "%s:%s/%s as %s",
		     host      ? host
		     : address ? address
			       : "local socket",
		     port ? port : "5432",
		     database ? database
		     : user   ? user
			      : "",
		     user ? user : "") < 0) {
		t->name = NULL;
		return err_raise(-ENOMEM);
	}
	return 0;
}

/* Fills in what every connection of ours has in common. */
static int complete(struct pg_target *t, const char *password)
{
	int r = 0;

	if (password)
		r = set_value(t->options, "password", password);
	if (r == 0)
		r = set_value(t->options, "client_encoding", "UTF8");
	if (r == 0 && !value_of(t, "dbname") && value_of(t, "user"))
		r = set_value(t->options, "dbname", value_of(t, "user"));
	return err_forward(r);
}

int pg_target_new(struct pg_target **ret_target, const char *conninfo, const char *password,
		  char *message, size_t message_bytes)
{
	struct pg_target *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_raise(-ENOMEM);
	r = read_options(&t->options, conninfo, message, message_bytes);
	if (r == 0)
		r = complete(t, password);
	if (r == 0)
		r = split_hosts(t, message, message_bytes);
	if (r == 0)
		r = make_name(t);
	if (r != 0) {
		pg_target_free(t);
		return err_forward(r);
	}
	*ret_target = t;
	return 0;
}

int pg_target_check(const char *conninfo, char *message, size_t message_bytes)
{
	struct pg_target *t;
	int r = pg_target_new(&t, conninfo, NULL, message, message_bytes);

	if (r < 0)
		(void)snprintf(message, message_bytes, "out of memory");
	if (r != 0)
		return -1;
	pg_target_free(t);
	return 0;
}

const char *pg_target_name(const struct pg_target *t)
{
	return t->name;
}

struct pg_target *pg_target_free(struct pg_target *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < HOSTS_MAX; i++) {
		free(t->hosts[i]);
		free(t->ports[i]);
	}
	PQconninfoFree(t->options);
	free(t->name);
	free(t);
	return NULL;
}

static void free_resolution(struct pg_resolution *res)
{
	for (size_t i = 0; i < ARRAY_LEN(res->lists); i++)
		buf_deinit(&res->lists[i]);
	free(res);
}

static int add_to_list(struct buf *list, const char *value, bool first)
{
	int r = first ? 0 : buf_append(list, ",", 1);

	return err_forward(r < 0 ? r : buf_append(list, value, strlen(value)));
}

static int add_address(struct pg_resolution *res, const char *address)
{
	bool first = res->n_found == 0;
	int r;

	r = add_to_list(&res->lists[0], res->target->hosts[res->host], first);
	if (r == 0)
		r = add_to_list(&res->lists[1], address, first);
	if (r == 0)
		r = add_to_list(&res->lists[2], res->target->ports[res->host], first);
	if (r == 0)
		res->n_found++;
	return err_forward(r);
}

static const char *override_of(const struct pg_resolution *res, const char *keyword)
{
	static const char *const names[] = { "host", "hostaddr", "port" };

	if (!strcmp(keyword, "application_name"))
		return res->application_name;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(keyword, names[i]) && res->n_found > 0)
			return (const char *)buf_at(&res->lists[i]);
	return NULL;
}

static int finish_lists(struct pg_resolution *res)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(res->lists) && r == 0; i++)
		r = buf_append(&res->lists[i], "", 1);
	return err_forward(r);
}

static void hand_over(struct pg_resolution *res)
{
	const char *keywords[OPTIONS_MAX + 1], *values[OPTIONS_MAX + 1];
	size_t n = 0;

	if (res->target->n_hosts > 0 && res->n_found == 0) {
		res->fn(res->userdata, -EHOSTUNREACH, res->failure, NULL, NULL);
		return;
	}
	for (PQconninfoOption *o = res->target->options; o->keyword && n < OPTIONS_MAX; o++) {
		const char *value = override_of(res, o->keyword);

		if (!value)
			value = o->val;
		if (!value || !*value)
			continue;
		keywords[n] = o->keyword;
		values[n++] = value;
	}
	keywords[n] = values[n] = NULL;
	res->fn(res->userdata, 0, NULL, keywords, values);
}

static void look_up_next(struct pg_resolution *res);

static void end_resolution(struct pg_resolution *res)
{
	int r = finish_lists(res);

	if (res->fn && r < 0)
		res->fn(res->userdata, r, "out of memory", NULL, NULL);
	else if (res->fn)
		hand_over(res);
	free_resolution(res);
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
	struct pg_resolution *res = container_of(lookup, struct pg_resolution, lookup);
	char address[NI_MAXHOST];
	int r = 0;

	if (!res->fn) { /* cancelled: the target may be gone */
		uv_freeaddrinfo(found);
		free_resolution(res);
		return;
	}
	if (status < 0)
		(void)snprintf(res->failure, sizeof(res->failure),
			       "the host name \"%s\" cannot be resolved: %s",
			       res->target->hosts[res->host], uv_strerror(status));
	for (struct addrinfo *a = found; status == 0 && a && r == 0; a = a->ai_next)
		if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address), NULL, 0,
				NI_NUMERICHOST) == 0)
			r = add_address(res, address);
	uv_freeaddrinfo(found);
	if (r < 0)
		(void)snprintf(res->failure, sizeof(res->failure), "out of memory");
	res->host++;
	look_up_next(res);
}

/* A folder of a Unix socket, an abstract one, or "" for libpq's default. */
static bool is_socket(const char *host)
{
	return !*host || *host == '/' || *host == '@';
}

static void on_nothing_to_look_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
	(void)status;
	uv_freeaddrinfo(found);
	end_resolution(container_of(lookup, struct pg_resolution, lookup));
}

/*
 * Looks up the next name; sockets need none, and the end comes through the loop even where there
 * was no name at all.
 */
static void look_up_next(struct pg_resolution *res)
{
	static const struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST,
						 .ai_socktype = SOCK_STREAM };
	static const struct addrinfo stream = { .ai_socktype = SOCK_STREAM };
	struct pg_target *t = res->target;
	bool given = value_of(t, "hostaddr") != NULL;

	for (; !given && res->host < t->n_hosts; res->host++) {
		if (is_socket(t->hosts[res->host])) {
			(void)add_address(res, "");
			continue;
		}
		if (uv_getaddrinfo(res->lookup.loop, &res->lookup, on_looked_up,
				   t->hosts[res->host], t->ports[res->host], &stream) == 0)
			return;
	}
	if (uv_getaddrinfo(res->lookup.loop, &res->lookup, on_nothing_to_look_up, "127.0.0.1", "1",
			   &numeric) < 0)
		end_resolution(res);
}

int pg_target_resolve(struct pg_target *t, uv_loop_t *loop, const char *application_name,
		      pg_resolved_fn fn, void *userdata, struct pg_resolution **ret_resolution)
{
	struct pg_resolution *res = calloc(1, sizeof(*res));

	if (!res)
		return err_raise(-ENOMEM);
	res->lookup.loop = loop;
	res->target = t;
	res->fn = fn;
	res->userdata = userdata;
	(void)snprintf(res->application_name, sizeof(res->application_name), "%s",
		       application_name);
	*ret_resolution = res;
	look_up_next(res);
	return 0;
}

struct pg_resolution *pg_resolution_cancel(struct pg_resolution *res)
{
	/*
	 * The lookup itself cannot always be stopped; it frees the resolution when it comes back.
	 */
	if (res)
		res->fn = NULL;
	return NULL;
}
