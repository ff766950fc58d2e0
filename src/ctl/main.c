/* SPDX-License-Identifier: MIT */
/* Which subcommand, with which options. Subcommands are one table, and so is the help. */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/duration.h"

static const struct ctl_command commands[] = {
	{ "query", "SQL [PARAMETER...]", "run one statement, with $1 ... as given", 1, -1,
	  ctl_query, 0 },
	{ "exec", "FILE|-", "run the statements of a file on one connection", 1, 1, ctl_exec, 0 },
	{ "status", "", "the daemon and its pools", 0, 0, ctl_status, 0 },
	{ "pools", "", "the pools", 0, 0, ctl_list, SIDEPOOL_TABLE_POOLS },
	{ "apps", "", "the applications and their shares", 0, 0, ctl_list,
	  SIDEPOOL_TABLE_APPLICATIONS },
	{ "leases", "", "who holds a connection", 0, 0, ctl_list, SIDEPOOL_TABLE_LEASES },
	{ "clients", "", "the connected processes", 0, 0, ctl_list, SIDEPOOL_TABLE_CLIENTS },
	{ "listen", "CHANNEL...", "print notifications as they come", 1, -1, ctl_listen, 0 },
	{ "events", "[POOL...]", "print what happens to the pools", 0, -1, ctl_listen, 1 },
	{ "queries", "", "what waits and runs, statement by statement", 0, 0, ctl_list,
	  SIDEPOOL_TABLE_REQUESTS },
	{ "queue", "[--failed]", "what waits; submitted writes that have failed", 0, 0, ctl_queue,
	  0 },
	{ "top", "", "who holds, who waits, and why: full screen, live", 0, 0, ctl_top, 0 },
	{ "health", "", "how it is, also as exit status", 0, 0, ctl_health, 0 },
	{ "ping", "", "whether the daemon answers, and how fast", 0, 0, ctl_ping, 0 },
	{ "revoke", "LEASE", "take a lease away from its holder", 1, 1, ctl_admin,
	  SIDEPOOL_ADMIN_REVOKE_LEASE },
	{ "pause", "[POOL]", "grant no more connections", 0, 1, ctl_admin, SIDEPOOL_ADMIN_PAUSE },
	{ "resume", "[POOL]", "grant them again", 0, 1, ctl_admin, SIDEPOOL_ADMIN_RESUME },
	{ "reconnect", "[POOL]", "replace each connection when it is idle", 0, 1, ctl_admin,
	  SIDEPOOL_ADMIN_RECONNECT },
	{ "breaker", "trip|reset [POOL]", "open the breaker, or close it", 1, 2, ctl_breaker, 0 },
	{ "cancel", "REQUEST", "end a request that waits or runs (see queries)", 1, 1, ctl_admin,
	  SIDEPOOL_ADMIN_CANCEL },
	{ "kill", "--app NAME", "revoke its leases, cancel its requests; 'seed-*' is a pattern", 0,
	  0, ctl_kill, 0 },
	{ "config", "", "the configuration in force, and where it is from", 0, 0, ctl_config, 0 },
	{ "set", "NAME=VALUE", "change a setting until a restart; of --pool or --app", 1, -1,
	  ctl_set, 0 },
	{ "unset", "[NAME]", "take such a change back, or all", 0, 1, ctl_unset, 0 },
	{ "advise", "", "sizes that would do, from what was seen", 0, 0, ctl_advise, 0 },
	{ "reload", "", "read the configuration again", 0, 0, ctl_admin, SIDEPOOL_ADMIN_RELOAD },
	{ "drain", "", "stop gracefully, as on SIGTERM", 0, 0, ctl_admin, SIDEPOOL_ADMIN_DRAIN },
};

enum {
	N_COMMANDS = sizeof(commands) / sizeof(commands[0]),
};

static const char options_help[] =
	"\nOptions:\n"
	"  -s, --socket PATH    default $SIDEPOOL_SOCKET, then /run/sidepool/rpc.sock\n"
	"  -a, --app NAME       the application to be booked under\n"
	"  -p, --pool NAME      the pool; default: the application's first\n"
	"  -t, --timeout TIME   with a unit: 500ms, 10s, 2m\n"
	"  -w, --watch[=TIME]   again and again; each second, or as often as that\n"
	"      --wait           pause: until what runs has ended\n"
	"      --failed         queue: submitted writes that came to nothing\n"
	"      --csv, --json    instead of an aligned table\n"
	"  -n, --count N        listen, events: leave after N\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\nA PARAMETER that begins with '-' stands behind '--'; \\N alone is NULL.\n"
	"\nExit status:\n"
	"  0 done                       5 sent, and the answer was lost: outcome unknown\n"
	"  1 PostgreSQL refused it      6 refused by the daemon, do not try the same again\n"
	"  2 usage                      7 cannot read, write, or get memory\n"
	"  3 no daemon                 10 health: degraded\n"
	"  4 not sent, may try again   11 health: unhealthy\n";

static void help(FILE *out)
{
	fprintf(out, "Usage: sidepool COMMAND [OPTION...] [ARGUMENT...]\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		int used = fprintf(out, "  %s %s", commands[i].name, commands[i].arguments);

		fprintf(out, "%*s%s\n", used < 30 ? 30 - used : 1, "", commands[i].summary);
	}
	fputs(options_help, out);
}

static int usage(const char *what, const char *which)
{
	fprintf(stderr, "sidepool: %s%s%s\nTry: sidepool --help\n", what, which ? ": " : "",
		which ? which : "");
	return CTL_USAGE;
}

/* -1: go on; else the exit status. */
static int take_option(struct ctl *ctl, int option)
{
	char *end;

	switch (option) {
	case 's':
		ctl->socket = optarg;
		return -1;
	case 'a':
		ctl->application = optarg;
		return -1;
	case 'p':
		ctl->pool = optarg;
		return -1;
	case 't':
		if (duration_parse(optarg, &ctl->timeout_ms))
			return -1;
		return usage("--timeout needs a number with a unit (500ms, 10s, 2m), not", optarg);
	case 'w':
		ctl->watch_ms = 1000;
		if (!optarg || duration_parse(optarg, &ctl->watch_ms))
			return -1;
		return usage("--watch needs a number with a unit (500ms, 10s, 2m), not", optarg);
	case 'W':
		ctl->wait = true;
		return -1;
	case 'F':
		ctl->failed = true;
		return -1;
	case 'c':
		ctl->format = CTL_CSV;
		return -1;
	case 'j':
		ctl->format = CTL_JSON;
		return -1;
	case 'n':
		ctl->count = strtoull(optarg, &end, 10);
		if (*optarg >= '1' && *optarg <= '9' && !*end)
			return -1;
		return usage("--count needs a number from 1, not", optarg);
	case 'h':
		help(stdout);
		return CTL_OK;
	case 'V':
		printf("sidepool %s\n", sidepool_version());
		return CTL_OK;
	default:
		fprintf(stderr, "Try: sidepool --help\n");
		return CTL_USAGE;
	}
}

static int take_options(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "app", required_argument, NULL, 'a' },
		{ "pool", required_argument, NULL, 'p' },
		{ "timeout", required_argument, NULL, 't' },
		{ "watch", optional_argument, NULL, 'w' },
		{ "wait", no_argument, NULL, 'W' },
		{ "failed", no_argument, NULL, 'F' },
		{ "csv", no_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "count", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option, status;

	while ((option = getopt_long(argc, argv, "s:a:p:t:n:w::hV", options, NULL)) != -1) {
		status = take_option(ctl, option);
		if (status >= 0)
			return status;
	}
	ctl->args = argv + optind;
	ctl->n_args = argc - optind;
	return -1;
}

static int find_command(struct ctl *ctl)
{
	if (ctl->n_args == 0) {
		help(stderr);
		return CTL_USAGE;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, ctl->args[0]) == 0)
			ctl->command = &commands[i];
	if (!ctl->command)
		return usage("there is no command", ctl->args[0]);
	ctl->args++;
	ctl->n_args--;
	if (ctl->n_args < ctl->command->min_args)
		return usage("an argument is missing", ctl->command->arguments);
	if (ctl->command->max_args >= 0 && ctl->n_args > ctl->command->max_args)
		return usage("one argument too many", ctl->args[ctl->command->max_args]);
	return -1;
}

/* For these, --app and --pool are whom it is about. */
static bool is_about_others(const struct ctl *ctl)
{
	return ctl->command->run == ctl_kill || ctl->command->run == ctl_set ||
	       ctl->command->run == ctl_unset;
}

/* top says at once that the daemon is gone, and tries again by itself. */
static uint32_t reconnect_wait_of(const struct ctl *ctl)
{
	return ctl->command->run == ctl_top ? 1 : 0;
}

static int open_handle(struct ctl *ctl)
{
	bool others = is_about_others(ctl);
	int r = sidepool_open(SIDEPOOL_OPTIONS(.socket = ctl->socket,
					       .application = others ? NULL : ctl->application,
					       .client_name = "sidepool",
					       .pool = others ? NULL : ctl->pool,
					       .reconnect_wait_ms = reconnect_wait_of(ctl)),
			      &ctl->sp);

	if (r == SIDEPOOL_E_INVALID_ARGUMENT)
		return usage("--socket, --app or --pool is too long", NULL);
	return r == 0 ? -1 : CTL_TROUBLE;
}

struct sidepool_call ctl_call(const struct ctl *ctl)
{
	return (struct sidepool_call){
		.size = sizeof(struct sidepool_call),
		.deadline_ms = ctl->timeout_ms,
		.call_site = "sidepool(1)",
	};
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .format = CTL_ALIGNED };
	int status;

	setlocale(
		LC_CTYPE,
		"C.UTF-8"); /* widths; what PostgreSQL sends is UTF-8 whatever the terminal says */
	opterr = 1;
	status = take_options(&ctl, argc, argv);
	if (status < 0)
		status = find_command(&ctl);
	if (status < 0)
		status = open_handle(&ctl);
	if (status < 0)
		status = ctl.command->run(&ctl);
	sidepool_close(ctl.sp);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("sidepool: standard output");
		return status == CTL_OK ? CTL_TROUBLE : status;
	}
	return status;
}
