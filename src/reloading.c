/* SPDX-License-Identifier: MIT */
/*
 * A load runs in a worker thread, because it may ask a user database; a broken one changes nothing.
 * What was set by hand is given to each load as its strongest source. A change by hand is a load of
 * the file as it was read last, so that it brings nothing into force but itself.
 */
#include "reloading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "config/report.h"
#include "pg/target.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/log.h"

struct reload {
	uv_work_t work;
	struct reloading *owner; /* borrowed; NULL once it is gone */
	const struct arguments *arguments;
	const struct config *in_force;     /* borrowed */
	struct config_overrides overrides; /* owned: that the load is made with */
	bool by_hand;
	/* by hand: */
	char *section, *name, *value; /* owned; of unset the value is NULL */
	uint32_t uid;
	int pid;
	char who[96];
	char where[160];

	struct config *config; /* owned: the new one */
	int mistakes;          /* or a negative errno */
	char first[512];       /* the first of them */
	struct buf told;       /* owned: what was changed, and warnings about it */
};

static struct reload *reload_free(struct reload *r)
{
	if (!r)
		return NULL;
	config_overrides_deinit(&r->overrides);
	config_free(r->config);
	buf_deinit(&r->told);
	free(r->section);
	free(r->name);
	free(r->value);
	free(r);
	return NULL;
}

/* ---- in the worker ---- */

static void tell(struct reload *r, const char *separator, const char *text)
{
	if (buf_len(&r->told) > 0)
		(void)buf_append(&r->told, separator, strlen(separator));
	(void)buf_append(&r->told, text, strlen(text));
}

/* By hand: what is wrong goes to who asked. Of warnings, those alone that the change brings. */
static void hear_by_hand(struct reload *r, const struct config_mistake *m)
{
	bool is_own = !strcmp(m->where, r->where);

	if (m->is_warning) {
		if (is_own)
			tell(r, "; ", m->message);
		return;
	}
	if (!*r->first)
		(void)snprintf(r->first, sizeof(r->first), "%s%s%s", is_own ? "" : m->where,
			       is_own || !*m->where ? "" : ": ", m->message);
}

static void hear_mistake(void *userdata, const struct config_mistake *m)
{
	struct reload *r = userdata;

	if (r->by_hand) {
		hear_by_hand(r, m);
		return;
	}
	if (!m->is_warning && !*r->first)
		(void)snprintf(r->first, sizeof(r->first), "%s%s%s", m->where,
			       *m->where ? ": " : "", m->message);
	log_write(m->is_warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, LOG_NO_FIELDS, "%s%s%s",
		  m->where, *m->where ? ": " : "", m->message);
}

static void name_the_place(struct reload *r)
{
	time_t now = time(NULL);
	struct tm broken_down;
	char when[32] = "";

	config_user_text(r->uid, r->who, sizeof(r->who));
	if (localtime_r(&now, &broken_down))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &broken_down);
	(void)snprintf(r->where, sizeof(r->where), "set by %s, at %s", r->who, when);
}

static int change_overrides(struct reload *r)
{
	name_the_place(r);
	if (r->value)
		return config_overrides_put(&r->overrides, r->section, r->name, r->value, r->where);
	(void)config_overrides_drop(&r->overrides, r->section, r->name);
	return 0;
}

static void read_config(uv_work_t *work)
{
	struct reload *r = container_of(work, struct reload, work);
	struct config_input input = {
		.arguments = r->arguments,
		.environment = environ,
		.default_file = CONFIG_DEFAULT_FILE,
		.overrides = &r->overrides,
		.read_before = r->by_hand ? r->in_force : NULL,
		.check_conninfo = pg_target_check,
		.mistake = hear_mistake,
		.userdata = r,
	};

	r->mistakes = r->by_hand ? change_overrides(r) : 0;
	if (r->mistakes == 0)
		r->mistakes = config_load(&r->config, &input);
}

/* ---- what has changed ---- */

static void log_change(void *userdata, const struct config_change *c)
{
	(void)userdata;
	log_notice(LOG_NO_FIELDS, "[%s] %s: %s -> %s%s", c->section, c->name ? c->name : "section",
		   c->before ? c->before : "(none)", c->after ? c->after : "(none)",
		   c->needs_restart ? " (after a restart)" : "");
}

/* One value may change others, as the budget does for a pool that has no max_size. */
static void tell_change(void *userdata, const struct config_change *c)
{
	struct reload *r = userdata;
	char text[512];

	(void)snprintf(text, sizeof(text), "[%s] %s: %s -> %s", c->section,
		       c->name ? c->name : "section", c->before ? c->before : "(none)",
		       c->after ? c->after : "(none)");
	log_notice(LOG_FIELDS(log_uint("UID", r->uid), log_int("PID", r->pid)), "%s: %s", r->who,
		   text);
	tell(r, "; ", text);
}

static void tell_unchanged(struct reload *r)
{
	char text[256];

	if (r->value)
		(void)snprintf(text, sizeof(text), "[%.100s] %s is %.100s already", r->section,
			       r->name, r->value);
	else
		(void)snprintf(text, sizeof(text), "nothing has changed");
	tell(r, "; ", text);
}

/* What a reload does not take back, for who expects it to. */
static void tell_overrides(struct reload *r)
{
	char text[256];

	tell(r, "", "reloaded the configuration");
	for (size_t i = 0; i < r->overrides.n; i++) {
		(void)snprintf(text, sizeof(text), "%s[%.100s] %s",
			       i ? "" : "still as set by hand: ", r->overrides.items[i].section,
			       r->overrides.items[i].name);
		tell(r, i ? ", " : "; ", text);
	}
}

static void describe(struct reload *r)
{
	struct buf warnings = r->told;

	if (!r->by_hand) {
		(void)config_diff(r->in_force, r->config, log_change, NULL);
		tell_overrides(r);
		return;
	}
	r->told = BUF_NULL;
	if (config_diff(r->in_force, r->config, tell_change, r) == 0)
		tell_unchanged(r);
	if (buf_len(&warnings) > 0 && buf_append(&warnings, "", 1) == 0)
		tell(r, "; ", (const char *)buf_at(&warnings));
	buf_deinit(&warnings);
}

/* ---- its end ---- */

static void finish(struct reload *r, struct reloading *l, bool done)
{
	(void)buf_append(&r->told, "", 1);
	l->ops->done(l->userdata, done,
		     buf_len(&r->told) > 1 ? (const char *)buf_at(&r->told) : "out of memory");
}

static void refuse(struct reload *r, struct reloading *l)
{
	if (!r->by_hand)
		log_error(LOG_NO_FIELDS, "reload: the old configuration stays in force");
	buf_deinit(&r->told);
	tell(r, "",
	     r->by_hand ? "nothing was changed: " : "the old configuration stays in force: ");
	tell(r, "", *r->first ? r->first : "out of memory");
	finish(r, l, false);
}

static void bring(struct reload *r, struct reloading *l)
{
	unsigned stuck;

	describe(r);
	config_overrides_deinit(&l->overrides);
	l->overrides = r->overrides;
	r->overrides = CONFIG_OVERRIDES_NULL;
	stuck = l->ops->apply(l->userdata, steal(&r->config));
	if (stuck > 0)
		tell(r, "; ", "a pool could not take it and stays as it was: see the log");
	finish(r, l, stuck == 0);
}

static void on_config_read(uv_work_t *work, int status)
{
	struct reload *r = container_of(work, struct reload, work);
	struct reloading *l = r->owner;

	if (l) {
		l->under_way = NULL;
		if (status == 0 && r->mistakes == 0)
			bring(r, l);
		else
			refuse(r, l);
	}
	reload_free(r);
}

/* ---- its beginning ---- */

static bool complain(char *why, size_t n, const char *what)
{
	(void)snprintf(why, n, "%s", what);
	return false;
}

static struct reload *reload_new(struct reloading *l, const struct config *in_force)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->told = BUF_NULL;
	r->owner = l;
	r->arguments = l->arguments;
	r->in_force = in_force;
	if (config_overrides_copy(&l->overrides, &r->overrides) < 0)
		return reload_free(r);
	return r;
}

static bool start(struct reloading *l, struct reload *r, char *why, size_t n)
{
	if (uv_queue_work(l->loop, &r->work, read_config, on_config_read) < 0) {
		reload_free(r);
		return complain(why, n, "no thread could be started");
	}
	l->under_way = r;
	return true;
}

bool reloading_begin(struct reloading *l, const struct config *in_force, char *why, size_t n)
{
	struct reload *r;

	if (l->under_way)
		return complain(why, n, "a reload is under way");
	r = reload_new(l, in_force);
	return r ? start(l, r, why, n) : complain(why, n, "out of memory");
}

/* A line of the file cannot have what would be two in `sidepool config`. */
static bool is_one_line(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < ' ')
			return false;
	return true;
}

/* Returns whether the change can be tried; takes the section's title from the configuration. */
static bool find(struct reload *r, const struct reloading_change *c, char *why, size_t n)
{
	if (c->value && !is_one_line(c->value))
		return complain(why, n, "a value is one line of text");
	if (!c->value && !*c->name)
		r->section = strdup("");
	else if (config_override_find(r->in_force, c->section, c->name, &r->section, why, n) > 0)
		return false;
	r->name = strdup(c->name);
	r->value = c->value ? strdup(c->value) : NULL;
	if (!r->section || !r->name || (c->value && !r->value))
		return complain(why, n, "out of memory");
	return true;
}

bool reloading_change(struct reloading *l, const struct config *in_force,
		      const struct reloading_change *change, char *why, size_t n)
{
	struct reload *r;

	if (l->under_way)
		return complain(why, n, "a reload is under way, try again");
	r = reload_new(l, in_force);
	if (!r)
		return complain(why, n, "out of memory");
	r->by_hand = true;
	r->uid = change->uid;
	r->pid = change->pid;
	if (!find(r, change, why, n)) {
		reload_free(r);
		return false;
	}
	return start(l, r, why, n);
}

void reloading_deinit(struct reloading *l)
{
	if (l->under_way)
		l->under_way->owner = NULL;
	config_overrides_deinit(&l->overrides);
}
