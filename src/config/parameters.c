/* SPDX-License-Identifier: MIT */
/*
 * From what the user gave as a pool's target to what libpq gets. A URL of Prisma, SQLAlchemy or
 * JDBC has parameters that libpq does not know: those that mean a setting become that setting, as
 * if it stood where the URL stands but weaker; those that mean something to libpq are written in
 * its way; those that would silently lose their meaning are refused.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"
#include "config/report.h"
#include "config/target.h"
#include "util/error.h"

struct translation {
	struct loader *loader;
	struct config_pool *pool;
	struct place place; /* of the URL */
	const char *text;   /* borrowed: the URL as given */
	FILE *out;          /* owned: the URL for libpq */
	char separator;     /* what the next parameter begins with; '\0': nothing */
	char *schema;       /* owned */
	char *options;      /* owned */
};

static void put_parameter(struct translation *t, const char *name, const char *value)
{
	(void)fprintf(t->out, "%c%s=", t->separator, name);
	for (; *value; value++)
		(void)fprintf(t->out,
			      isalnum((unsigned char)*value) || strchr("-._", *value) ? "%c"
										      : "%%%02X",
			      (unsigned char)*value);
	t->separator = '&';
}

static void set(struct translation *t, enum setting_section kind, const char *setting,
		const char *value)
{
	struct section section = kind == SETTING_SECTION_POOL
					 ? section_of_pool(t->pool)
					 : section_of_config(t->loader->config);

	loader_set(t->loader, &section, setting_find(kind, setting), value, &t->place);
}

static void take_pgbouncer(struct translation *t, const char *value)
{
	if (!strcasecmp(value, "true") || !strcmp(value, "1"))
		set(t, SETTING_SECTION_POOL, "max_prepared_statements", "0");
}

static void take_schema(struct translation *t, const char *value)
{
	free(t->schema);
	t->schema = strdup(value);
	if (!t->schema)
		t->loader->error = err_raise(-ENOMEM);
}

static void take_options(struct translation *t, const char *value)
{
	free(t->options);
	t->options = strdup(value);
	if (!t->options)
		t->loader->error = err_raise(-ENOMEM);
}

static void take_ssl(struct translation *t, const char *value)
{
	if (!strcasecmp(value, "true") || !strcmp(value, "1") || !strcmp(value, "no-verify"))
		put_parameter(t, "sslmode", "require");
	else if (!strcasecmp(value, "false") || !strcmp(value, "0"))
		put_parameter(t, "sslmode", "disable");
	else
		put_parameter(t, "sslmode", value);
}

static void take_sslaccept(struct translation *t, const char *value)
{
	if (strcmp(value, "accept_invalid_certs") != 0)
		loader_mistake(t->loader, &t->place,
			       "url: libpq has no sslaccept=strict: write sslmode=verify-full, and "
			       "sslrootcert=FILE where the "
			       "authority is not the system's");
}

static void take_sslidentity(struct translation *t, const char *value)
{
	(void)value;
	loader_mistake(t->loader, &t->place,
		       "url: libpq does not read the PKCS #12 file of sslidentity: write "
		       "sslcert=FILE and sslkey=FILE");
}

static void take_cache_size(struct translation *t, const char *value)
{
	set(t, SETTING_SECTION_POOL, "max_prepared_statements", value);
}

static void drop(struct translation *t, const char *value)
{
	(void)t;
	(void)value;
}

static const struct {
	const char *name;
	void (*take)(struct translation *t, const char *value);
} specials[] = {
	{ "schema", take_schema },           /* Prisma */
	{ "currentSchema", take_schema },    /* JDBC */
	{ "options", take_options },         /* libpq's own: schema is added to it */
	{ "pgbouncer", take_pgbouncer },     /* Prisma */
	{ "sslaccept", take_sslaccept },     /* Prisma */
	{ "sslidentity", take_sslidentity }, /* Prisma */
	{ "ssl", take_ssl },                 /* asyncpg, node-postgres, JDBC */
	{ "prepared_statement_cache_size", take_cache_size }, /* asyncpg by SQLAlchemy */
	{ "async_fallback", drop },                           /* the same: how it blocks */
};

/* Whether the parameter is a setting. */
static bool take_setting(struct translation *t, const char *name, const char *value)
{
	for (enum setting_section kind = 0; kind < SETTING_SECTION_N; kind++) {
		size_t n;
		const struct setting *table = setting_table(kind, &n);

		for (size_t i = 0; i < n; i++) {
			if (!table[i].parameter || strcmp(table[i].parameter, name) != 0)
				continue;
			if (kind == SETTING_SECTION_SIDEPOOL && strcmp(t->pool->name, "main") != 0)
				loader_mistake(t->loader, &t->place,
					       "url: %s is taken from the pool main alone: set %s "
					       "in [sidepool] or in "
					       "[application PATTERN]",
					       name, table[i].name);
			else
				set(t, kind, table[i].name, value);
			return true;
		}
	}
	return false;
}

static bool take_special(struct translation *t, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
		if (strcmp(specials[i].name, name) != 0)
			continue;
		specials[i].take(t, value);
		return true;
	}
	return false;
}

static void translate_parameter(struct translation *t, const struct target_parameter *p)
{
	char *name = target_decode(t->text, p->name), *value = target_decode(t->text, p->value);
	bool is_url = target_form(t->text) == TARGET_URL;

	if (!name || !value) {
		t->loader->error = err_raise(-ENOMEM);
	} else if (!take_setting(t, name, value) && !(is_url && take_special(t, name, value))) {
		if (t->separator)
			(void)fputc(t->separator, t->out);
		(void)fprintf(t->out, "%.*s", (int)(p->whole.end - p->whole.start),
			      t->text + p->whole.start);
		t->separator = is_url ? '&' : ' ';
	}
	free(name);
	free(value);
}

/* `-c search_path="Name"`, with blanks and backslashes as the server's option parser wants them. */
static int add_schema(struct translation *t)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return err_raise(-ENOMEM);
	(void)fprintf(f, "%s%s-c search_path=\"", t->options ? t->options : "",
		      t->options ? " " : "");
	for (const char *p = t->schema; *p; p++)
		(void)fprintf(f,
			      *p == '"'                                  ? "\"\""
			      : isspace((unsigned char)*p) || *p == '\\' ? "\\%c"
									 : "%c",
			      *p);
	(void)fputc('"', f);
	if (fclose(f) != 0 || !text) {
		free(text);
		return err_raise(-ENOMEM);
	}
	free(t->options);
	t->options = text;
	return 0;
}

/* Without "jdbc:" and "+driver": libpq knows two schemes. */
static void put_base(struct translation *t)
{
	const char *rest = strstr(t->text, "://");
	size_t end = target_parameters(t->text), start = (size_t)(rest - t->text);

	(void)fprintf(t->out, "postgresql%.*s",
		      (int)(end - start - (end > 0 && t->text[end - 1] == '?')), rest);
	t->separator = '?';
}

static void translate_all(struct translation *t)
{
	size_t pos = target_parameters(t->text);
	struct target_parameter p;
	int r = 0;

	if (target_form(t->text) == TARGET_URL)
		put_base(t);
	while (target_next(t->text, &pos, &p))
		translate_parameter(t, &p);
	if (t->schema)
		r = add_schema(t);
	if (t->options)
		put_parameter(t, "options", t->options);
	if (r < 0)
		t->loader->error = r;
	free(t->schema);
	free(t->options);
}

static void translate(struct loader *l, struct config_pool *pool, const struct place *place)
{
	size_t n;
	char *conninfo = NULL;
	struct translation t = { .loader = l, .pool = pool, .place = *place, .text = pool->url };

	t.place.in_url = true;
	t.out = open_memstream(&conninfo, &n);
	if (!t.out) {
		l->error = err_raise(-ENOMEM);
		return;
	}
	translate_all(&t);
	if (fclose(t.out) != 0 || !conninfo)
		l->error = err_raise(-ENOMEM);
	pool->conninfo = conninfo;
}

static void check_by_libpq(struct loader *l, const struct config_pool *p, const struct place *place)
{
	char message[512] = "", *shown, *end;

	if (!l->input->check_conninfo || l->error ||
	    l->input->check_conninfo(p->conninfo, message, sizeof(message)) == 0)
		return;
	for (end = message + strlen(message); end > message && isspace((unsigned char)end[-1]);
	     end--)
		end[-1] = '\0';
	shown = config_mask_message(message, p->conninfo);
	if (shown)
		loader_mistake(l, place, "url: %s", shown);
	else
		l->error = err_raise(-ENOMEM);
	free(shown);
}

static void refuse_scheme(struct loader *l, const char *url, const struct place *place)
{
	size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	if (!strncmp(url + n, "://", 3))
		loader_mistake(l, place,
			       "url: it begins with %.*s://: write postgresql://USER@HOST/DATABASE",
			       (int)n, url);
	else
		loader_mistake(l, place,
			       "url: it begins with another scheme: write "
			       "postgresql://USER@HOST/DATABASE");
}

static void resolve(struct loader *l, struct config_pool *pool, const struct place *place)
{
	switch (target_form(pool->url)) {
	case TARGET_FOREIGN:
		refuse_scheme(l, pool->url, place);
		return;
	case TARGET_UNKNOWN:
		loader_mistake(l, place,
			       "url: it is neither a URL nor NAME=VALUE pairs: write "
			       "postgresql://USER@HOST/DATABASE");
		return;
	case TARGET_URL:
		if (!target_is_torn(pool->url))
			break;
		loader_mistake(l, place,
			       "url: it does not come apart into user, password, host, port and "
			       "database: in a password, "
			       "write @ as %%40, / as %%2F, : as %%3A and ? as %%3F");
		return;
	case TARGET_PAIRS:
		break;
	}
	translate(l, pool, place);
	check_by_libpq(l, pool, place);
}

/* libpq's variables that say where to connect, or as whom. */
static bool has_libpq_variables(const struct loader *l)
{
	static const char *const names[] = { "PGHOST",     "PGHOSTADDR", "PGPORT",
					     "PGDATABASE", "PGUSER",     "PGSERVICE" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (loader_getenv(l, names[i]))
			return true;
	return false;
}

/* No URL: libpq finds the database by itself, if anything tells it. */
static void leave_to_libpq(struct loader *l, struct config_pool *pool)
{
	if (!strcmp(pool->name, "main") && has_libpq_variables(l)) {
		pool->conninfo = strdup("");
		if (!pool->conninfo)
			l->error = err_raise(-ENOMEM);
	} else if (!strcmp(pool->name, "main")) {
		loader_mistake(
			l, NULL,
			"there is no database: give a URL (sidepoold "
			"postgresql://USER@HOST/DATABASE), or set url in "
			"[pool main], or $DATABASE_URL, or libpq's PGHOST, PGDATABASE, PGSERVICE");
	} else {
		loader_mistake(l, NULL, "[pool %s] has no database: set url in it", pool->name);
	}
}

void loader_resolve_targets(struct loader *l)
{
	for (size_t i = 0; i < l->config->n_pools && !l->error; i++) {
		struct config_pool *pool = &l->config->pools[i];
		struct section section = section_of_pool(pool);
		struct place place = place_of(&section, setting_find(SETTING_SECTION_POOL, "url"));

		if (*pool->url)
			resolve(l, pool, &place);
		else
			leave_to_libpq(l, pool);
	}
}
