/* SPDX-License-Identifier: MIT */
/*
 * Tests run in a folder of their own, so that the file's name in messages is "t.conf". Targets are judged by libpq's real
 * parser, as in the daemon: only then do its messages, which quote the target, pass through the masking.
 */
#include "config_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>

static char folder[] = "/tmp/sidepool-test-config.XXXXXX";
static size_t fds_before;

static int check_conninfo(const char *conninfo, char *ret_message, size_t n)
{
	char *message = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &message);

	(void)snprintf(ret_message, n, "%s", options ? "" : message ? message : "no memory");
	PQfreemem(message);
	PQconninfoFree(options);
	return options ? 0 : -1;
}

static void keep(void *userdata, const struct config_mistake *m)
{
	struct loaded *l = userdata;
	char *told;

	assert_return_code(asprintf(&told, "%s%s%s%s%s\n", l->told,
				    m->is_warning ? "warning: " : "", m->where,
				    *m->where ? ": " : "", m->message),
			   errno);
	free(l->told);
	l->told = told;
}

static void write_file(const char *text)
{
	FILE *f;

	(void)umask(0077);
	f = fopen("t.conf", "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

void config_fixture_load(struct loaded *ret_loaded, const char *text, char *const *environment,
			 const struct arguments *arguments)
{
	struct config_input input = {
		.arguments = arguments,
		.environment = environment,
		.default_file = "t.conf",
		.check_conninfo = check_conninfo,
		.mistake = keep,
		.userdata = ret_loaded,
	};

	*ret_loaded = (struct loaded){ .told = strdup("") };
	(void)unlink("t.conf");
	if (text)
		write_file(text);
	ret_loaded->result = config_load(&ret_loaded->config, &input);
}

void loaded_deinit(struct loaded *l)
{
	l->config = config_free(l->config);
	free(l->told);
	l->told = NULL;
}

static char *with_file_name(const char *expected)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	for (const char *p = expected; *p; p++)
		(void)fprintf(f, *p == '@' ? "t.conf:" : "%c", *p);
	assert_int_equal(fclose(f), 0);
	return text;
}

void assert_told(const char *text, const char *expected)
{
	struct loaded l;
	char *all = with_file_name(expected);

	config_fixture_load(&l, text, env_db, NULL);
	assert_string_equal(l.told, all);
	if (strstr(all, "warning: ") != all && *all)
		assert_true(l.result > 0 && !l.config);
	free(all);
	loaded_deinit(&l);
}

struct config *load_silently(const char *text, char *const *environment,
			     const struct arguments *arguments)
{
	struct loaded l;
	struct config *c;

	config_fixture_load(&l, text, environment, arguments);
	assert_string_equal(l.told, "");
	assert_int_equal(l.result, 0);
	c = steal(&l.config);
	loaded_deinit(&l);
	return c;
}

char *printed(int (*print)(FILE *f))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	assert_int_equal(print(f), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static size_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

int config_fixture_setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

int config_fixture_teardown(void **state)
{
	(void)state;
	(void)unlink("t.conf");
	return chdir("/") == 0 && rmdir(folder) == 0 && count_fds() == fds_before ? 0 : -1;
}
