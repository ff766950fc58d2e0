/* SPDX-License-Identifier: MIT */
/*
 * A function that is called in a statement's text is seen there (classify.c). One that a view, a
 * trigger, a default, a constraint, a policy or an operator calls is not, and where it changes the
 * session (set_config() without `is_local`, SET, an advisory lock, dynamic SQL that might) the next
 * client would see that. So the catalog is asked for such functions, and for what calls them by
 * itself; while there is any, every statement of the pool counts as one that may have done
 * anything, and the session is reset behind it.
 *
 * The search goes by the functions' source, and errs on the safe side: what only looks like a
 * change counts, and so does every function that names one that does. C functions of extensions are
 * taken to leave the session alone.
 */
#include "pg/discover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pool.h"
#include "pg/classify.h"
#include "pg/engine-internal.h"
#include "pg/result.h"
#include "util/log.h"

enum {
	EVERY_SEC = 30,
	/* a catalog that takes long is asked for at most a hundredth of the time */
	SHARE_OF_TIME = 100,
};

/*
 * Slots that a role like ours may take: superusers may take the reserved ones as well;
 * reserved_connections came with PostgreSQL 16.
 * https://www.postgresql.org/docs/current/runtime-config-connection.html
 */
static const char limits_sql[] =
	"SELECT current_setting('max_connections')::int"
	" - CASE WHEN r.rolsuper THEN 0"
	" ELSE current_setting('superuser_reserved_connections')::int"
	" + coalesce(current_setting('reserved_connections', true)::int, 0) END,"
	" r.rolconnlimit, d.datconnlimit,"
	" (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'client backend')"
	" FROM pg_catalog.pg_roles r, pg_catalog.pg_database d"
	" WHERE r.rolname = current_user AND d.datname = current_database()";

/*
 * `changers` are the functions whose own source may change the session, `reach` those and whatever
 * names them; then what of the catalog depends on one of these, other than a function, or NULL.
 * SET LOCAL, set_config(..., true) and the SET of an UPDATE do not count. Users' objects begin at
 * OID 16384.
 * https://www.postgresql.org/docs/current/catalog-pg-depend.html
 */
static const char hidden_sql[] =
	"WITH RECURSIVE own AS ("
	" SELECT p.oid, p.proname, l.lanname, lower(CASE WHEN p.prosrc = '' AND p.prokind IN ('f', 'p')"
	" THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END) AS body"
	" FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang"
	" WHERE p.oid >= 16384 AND p.prokind <> 'a'"
	" AND NOT (l.lanname IN ('c', 'internal') AND EXISTS (SELECT FROM pg_catalog.pg_depend d"
	" WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))"
	"), reach AS ("
	" SELECT oid, proname, proname AS changer FROM own"
	" WHERE lanname NOT IN ('sql', 'plpgsql')"
	" OR regexp_replace(regexp_replace(body,"
	" E'set_config\\\\s*\\\\([^()]*,\\\\s*true\\\\s*\\\\)', '', 'g'),"
	" E'\\\\mupdate\\\\M[^;]*?\\\\mset\\\\M', '', 'g')"
	" ~ (E'set_config|setseed|advisory_(un)?lock|pg_temp|with\\\\s+hold'"
	" || E'|\\\\mset\\\\s+(session\\\\s|role\\\\M|time\\\\s+zone|names\\\\M|[\"\\\\w.]+\\\\s*(=|to\\\\M))'"
	" || E'|\\\\m(reset|temp|temporary|execute|listen|unlisten|prepare|deallocate|discard|load)\\\\M')"
	" UNION SELECT o.oid, o.proname, r.changer FROM own o"
	" JOIN reach r ON strpos(o.body, lower(r.proname)) > 0)"
	" SELECT r.changer, pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)"
	" FROM reach r LEFT JOIN pg_catalog.pg_depend d ON d.refobjid = r.oid"
	" AND d.refclassid = 'pg_catalog.pg_proc'::regclass"
	" AND d.classid <> 'pg_catalog.pg_proc'::regclass ORDER BY 2, 1 LIMIT 1";

bool pg_discover_is_due(const struct pg_pool *p, usec now)
{
	return !p->discovered ||
	       usec_sub(now, p->discovered) >=
		       MAX((usec)EVERY_SEC * USEC_PER_SEC, p->discovery_us * SHARE_OF_TIME);
}

void pg_discover_ask(struct pg_backend *b)
{
	struct pg_pool *p = b->pool;

	p->discovered = pg_engine_now();
	b->limits.max_connections = 0;
	b->hidden[0] = '\0';
	b->has_changers = false;
	b->discovering = true;
	pg_call_sync(&b->call);
	(void)pg_call_execute_text(&b->call, limits_sql, PG_TAG_LIMITS);
	pg_call_sync(&b->call);
	if (!p->trust_functions)
		(void)pg_call_execute_text(&b->call, hidden_sql, PG_TAG_HIDDEN);
	pg_call_sync(&b->call);
	if (p->engine->settings.probe_sql)
		(void)pg_call_execute_text(&b->call, p->engine->settings.probe_sql, PG_TAG_PROBE);
}

static uint32_t number(const struct pg_result *row, int column)
{
	long n = strtol(pg_result_value(row, 0, column), NULL, 10);

	return n > 0 ? (uint32_t)n : 0;
}

static void hear_limits(struct pg_backend *b, const struct pg_result *row)
{
	uint32_t all = number(row, 3), own = b->pool->n_up;

	b->limits = (struct server_limits){
		.max_connections = number(row, 0),
		.role_limit = number(row, 1),
		.database_limit = number(row, 2),
		.others = all > own ? all - own : 0,
	};
}

static void hear_hidden(struct pg_backend *b, const struct pg_result *row)
{
	const char *caller = pg_result_value(row, 0, 1);

	b->has_changers = true;
	if (*caller)
		(void)snprintf(b->hidden, sizeof(b->hidden),
			       "function %s, which is called by %s, may change the session",
			       pg_result_value(row, 0, 0), caller);
}

void pg_discover_hear(struct pg_backend *b, uint32_t tag, const struct pg_result *rows)
{
	/* A role that may not look: the limits stay unknown, the functions are in doubt. */
	if (tag == PG_TAG_LIMITS && rows)
		hear_limits(b, rows);
	else if (tag == PG_TAG_HIDDEN && rows)
		hear_hidden(b, rows);
	else if (tag == PG_TAG_HIDDEN)
		(void)snprintf(b->hidden, sizeof(b->hidden), "its functions cannot be read");
	else if (tag == PG_TAG_PROBE)
		b->pool->runs_probe = rows;
}

/* Once for each number: the limits are asked for again and again. */
static void warn_of_limits(struct pg_pool *p)
{
	uint32_t fits = pool_would_fit(p->core);
	const struct pool_settings *s = &p->core->settings;

	if (fits == p->told_to_fit)
		return;
	p->told_to_fit = fits;
	if (fits > 0)
		log_warning(LOG_FIELDS(log_str("POOL", p->name), log_uint("FITS", fits)),
			    "pool %s: max_size is %u, but the server gives no more than %u (others "
			    "hold %u of %u)",
			    p->name, s->max_size + s->max_overflow, fits,
			    p->core->discovered.others, p->core->discovered.max_connections);
}

static void set_hidden(struct pg_pool *p, const char *hidden)
{
	if (!strcmp(p->hidden, hidden))
		return;
	(void)snprintf(p->hidden, sizeof(p->hidden), "%s", hidden);
	if (*hidden)
		log_warning(
			LOG_FIELDS(log_str("POOL", p->name)),
			"pool %s: %s: every statement is followed by a reset; set_config(..., true) "
			"and SET LOCAL need none",
			p->name, hidden);
	else
		log_notice(LOG_FIELDS(log_str("POOL", p->name)),
			   "pool %s: no function changes the session out of sight any more",
			   p->name);
}

void pg_discover_done(struct pg_backend *b)
{
	struct pg_pool *p = b->pool;
	usec now = pg_engine_now();

	b->discovering = false;
	if (b->limits.max_connections > 0)
		pool_discovered(p->core, &b->limits, now);
	warn_of_limits(p);
	if (!p->discovered)
		return; /* altered meanwhile: to be asked again */
	p->discovery_us = usec_sub(now, p->discovered);
	p->has_changers = b->has_changers;
	p->in_doubt = false;
	set_hidden(p, b->hidden);
}

static bool begins(const char *tag, const char *with)
{
	return !strncmp(tag, with, strlen(with));
}

/* CREATE of anything else adds what no plan knows yet. */
static bool changes_plans(const char *tag)
{
	return begins(tag, "ALTER") || begins(tag, "DROP") || begins(tag, "CREATE VIEW") ||
	       begins(tag, "CREATE RULE") || begins(tag, "ROLLBACK");
}

/*
 * A CALL is not looked into, because programs may do nothing else; what it creates is found in
 * EVERY_SEC.
 */
static bool changes_functions(const struct pg_pool *p, const char *tag)
{
	const char *what = strchr(tag, ' ');

	if (p->trust_functions || begins(tag, "ROLLBACK"))
		return false;
	if (p->has_changers || *p->hidden || !what)
		return true;
	return begins(what, " FUNCTION") || begins(what, " PROCEDURE") ||
	       begins(what, " ROUTINE") || begins(what, " EXTENSION") || begins(what, " SCHEMA");
}

static void alter(struct pg_pool *p, bool plans, bool functions)
{
	p->schema_epoch += plans;
	if (!functions)
		return;
	p->in_doubt = true;
	p->discovered = 0;
}

void pg_discover_altered(struct pg_backend *b, const char *tag)
{
	struct pg_pool *p = b->pool;
	bool plans = changes_plans(tag), functions = changes_functions(p, tag);

	if (begins(tag, "COMMIT"))
		pg_discover_committed(b);
	if (begins(tag, "COMMIT") || (begins(tag, "ROLLBACK") && !b->altered_plans))
		return;
	/* A temporary table of its own is nobody else's. */
	if (plans && (b->touched & PG_TOUCH_TEMP) && begins(tag, "DROP TABLE")) {
		b->schema_epoch = p->schema_epoch - 1;
		plans = false;
	}
	alter(p, plans, functions);
	b->altered_plans |= plans;
	b->altered_functions |= functions;
}

void pg_discover_committed(struct pg_backend *b)
{
	alter(b->pool, b->altered_plans, b->altered_functions);
	b->altered_plans = b->altered_functions = false;
}
