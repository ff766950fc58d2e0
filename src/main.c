/* SPDX-License-Identifier: MIT */
/* sidepoold: arguments, setup, run. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "config/arguments.h"
#include "config/config.h"
#include "config/report.h"
#include "daemon.h"
#include "pg/target.h"
#include "sidepool-version.h"
#include "util/log.h"

static void print_mistake(void *userdata, const struct config_mistake *m)
{
	(void)userdata;
	(void)fprintf(stderr, "sidepoold: %s%s%s%s\n", m->where, *m->where ? ": " : "",
		      m->is_warning ? "warning: " : "", m->message);
}

static int load(struct config **ret_config, const struct arguments *arguments)
{
	struct config_input input = {
		.arguments = arguments,
		.environment = environ,
		.default_file = CONFIG_DEFAULT_FILE,
		.check_conninfo = pg_target_check,
		.mistake = print_mistake,
	};
	int r = config_load(ret_config, &input);

	if (r < 0)
		(void)fprintf(stderr, "sidepoold: out of memory\n");
	return r;
}

/*
 * A client that leaves while it is written to is no reason to die; descriptors are what connections
 * are made of.
 */
static void prepare_process(void)
{
	struct rlimit limit;

	(void)signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Name lookups and the journal block there, never on the loop. */
	(void)setenv("UV_THREADPOOL_SIZE", "16", 0);
}

static int run(const struct arguments *arguments)
{
	struct config *config;
	struct daemon *d;
	int status;

	if (load(&config, arguments) != 0)
		return EXIT_FAILURE;
	log_setup(config->log_level, config->log_format);
	prepare_process();
	if (daemon_new(&d, config, arguments) < 0) {
		config_free(config);
		return EXIT_FAILURE;
	}
	status = daemon_run(d);
	daemon_free(d);
	return status;
}

static int check(const struct arguments *arguments, int (*print)(const struct config *, FILE *))
{
	struct config *config;
	int r;

	if (load(&config, arguments) != 0)
		return EXIT_FAILURE;
	r = print ? print(config, stdout) : 0;
	if (!print)
		(void)printf("sidepoold: the configuration is fine\n");
	config_free(config);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int print_man(void)
{
	int r = config_print_man(stdout, "sidepool");

	if (r == 0)
		r = config_print_man(stdout, "pool");
	if (r == 0)
		r = config_print_man(stdout, "application");
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int act(const struct arguments *arguments)
{
	switch (arguments->action) {
	case ARGUMENTS_CHECK:
		return check(arguments, NULL);
	case ARGUMENTS_PRINT_CONFIG:
		return check(arguments, config_print);
	case ARGUMENTS_PRINT_EXAMPLE:
		return config_print_example(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	case ARGUMENTS_PRINT_MAN:
		return print_man();
	case ARGUMENTS_HELP:
		return arguments_print_help(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	case ARGUMENTS_VERSION:
		(void)printf("sidepoold %s\n", SIDEPOOL_VERSION);
		return EXIT_SUCCESS;
	case ARGUMENTS_RUN:
		break;
	}
	return run(arguments);
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	char message[256];
	int status;

	if (arguments_parse(&arguments, argc, argv, message, sizeof(message)) < 0) {
		(void)fprintf(stderr, "sidepoold: %s\n", message);
		return 2;
	}
	status = act(&arguments);
	arguments_deinit(&arguments);
	return status;
}
