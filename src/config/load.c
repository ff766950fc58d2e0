/* SPDX-License-Identifier: MIT */
/*
 * One load: all sources, then what depends on several settings, then the checks of the whole.
 * Nothing stops at a mistake, so that one run tells all of them; only the lack of memory ends it
 * early.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/arguments.h"
#include "config/loader.h"
#include "util/error.h"

static void read_files(struct loader *l)
{
	const char *named = l->input->arguments ? l->input->arguments->config : NULL;
	const struct config *before = l->input->read_before;

	if (before) {
		if (before->file)
			loader_read_text(l, before->file, before->file_text);
		return;
	}
	if (!named)
		named = loader_getenv(l, "SIDEPOOL_CONFIG");
	if (named)
		loader_read_file(l, named, true);
	else if (l->input->default_file)
		loader_read_file(l, l->input->default_file, false);
}

/*
 * The pool main is there when the file has it, when something outside the file names it, and when
 * there is no other.
 */
static void ensure_main(struct loader *l)
{
	struct config *c = l->config;
	bool is_named =
		(l->input->arguments && l->input->arguments->url) || loader_environment_has_main(l);
	struct config_pool added;
	int r;

	if (config_find_pool(c, "main") || (c->n_pools > 0 && !is_named))
		return;
	r = config_add_pool(c, "main");
	if (r < 0) {
		l->error = r;
		return;
	}
	added = c->pools[c->n_pools - 1];
	memmove(&c->pools[1], &c->pools[0], (c->n_pools - 1) * sizeof(added));
	c->pools[0] = added;
}

static void read_arguments(struct loader *l)
{
	const struct arguments *a = l->input->arguments;
	struct place socket_place = { CONFIG_SOURCE_COMMAND_LINE, false, "--socket" };
	struct place url_place = { CONFIG_SOURCE_COMMAND_LINE, false, "URL" };
	struct section section = section_of_config(l->config);

	if (a && a->socket)
		loader_set(l, &section, setting_find(SETTING_SECTION_SIDEPOOL, "socket"), a->socket,
			   &socket_place);
	if (!a || !a->url)
		return;
	section = section_of_pool(config_find_pool(l->config, "main"));
	loader_set(l, &section, setting_find(SETTING_SECTION_POOL, "url"), a->url, &url_place);
}

static void replace(struct loader *l, char **string, char *owned)
{
	if (!owned) {
		l->error = err_raise(-ENOMEM);
		return;
	}
	free(*string);
	*string = owned;
}

static void resolve_password_file(struct loader *l, struct config_pool *p)
{
	static const char *const prefixes[] = { "$CREDENTIALS_DIRECTORY/",
						"${CREDENTIALS_DIRECTORY}/" };
	const struct setting *s = setting_find(SETTING_SECTION_POOL, "password_file");
	const char *directory = loader_getenv(l, "CREDENTIALS_DIRECTORY");
	struct section section = section_of_pool(p);
	struct place place = place_of(&section, s);
	char *path;

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(p->password_file, prefixes[i], n) != 0)
			continue;
		if (directory)
			replace(l, &p->password_file,
				asprintf(&path, "%s/%s", directory, p->password_file + n) < 0
					? NULL
					: path);
		else if (l->input->arguments && l->input->arguments->action == ARGUMENTS_CHECK)
			loader_warn(l, &place,
				    "password_file: $CREDENTIALS_DIRECTORY is not set here; "
				    "systemd sets it for the service");
		else
			loader_mistake(l, &place,
				       "password_file: $CREDENTIALS_DIRECTORY is not set: is "
				       "LoadCredential= in the unit?");
		return;
	}
}

static void resolve_pool(struct loader *l, struct config_pool *p)
{
	if (p->max_size == 0)
		p->max_size = l->config->budget;
	if (p->acquire_timeout_us == CONFIG_INHERIT)
		p->acquire_timeout_us = l->config->timeouts.acquire_us;
	if (!p->pipeline)
		p->pipeline_depth = 1;
	resolve_password_file(l, p);
}

static void inherit(usec *value, usec from)
{
	if (*value == CONFIG_INHERIT)
		*value = from;
}

/* But acquire_us: a pool's own goes before the daemon's, see config_acquire_timeout(). */
static void resolve_timeouts(struct config_timeouts *t, const struct config_timeouts *from)
{
	inherit(&t->statement_us, from->statement_us);
	inherit(&t->transaction_us, from->transaction_us);
	inherit(&t->idle_transaction_us, from->idle_transaction_us);
	inherit(&t->lease_us, from->lease_us);
	inherit(&t->lease_idle_us, from->lease_idle_us);
	inherit(&t->client_idle_us, from->client_idle_us);
	inherit(&t->fetch_us, from->fetch_us);
	inherit(&t->request_us, from->request_us);
}

static void resolve(struct loader *l)
{
	struct config *c = l->config;

	for (size_t i = 0; i < c->n_pools; i++)
		resolve_pool(l, &c->pools[i]);
	for (size_t i = 0; i < c->n_applications; i++)
		resolve_timeouts(&c->applications[i].timeouts, &c->timeouts);
	resolve_timeouts(&c->other.timeouts, &c->timeouts);
}

static void load(struct loader *l)
{
	static void (*const steps[])(struct loader * l) = {
		read_files,
		ensure_main,
		loader_read_environment,
		read_arguments,
		loader_read_aliases,
		loader_apply_overrides,
		loader_resolve_targets,
		resolve,
		loader_look_up_names,
		loader_check,
	};

	for (size_t i = 0; i < ARRAY_LEN(steps) && !l->error; i++)
		steps[i](l);
}

int config_load(struct config **ret_config, const struct config_input *input)
{
	struct loader l = { .input = input };
	int r = config_new(&l.config);

	if (r < 0)
		return err_forward(r);
	load(&l);
	if (l.error || l.n_mistakes) {
		config_free(l.config);
		return l.error ? err_forward(l.error) : l.n_mistakes;
	}
	*ret_config = l.config;
	return 0;
}
