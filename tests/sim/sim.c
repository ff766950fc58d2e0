/* SPDX-License-Identifier: MIT */
/*
 * sim [--seed N] [--steps N] [--seconds N] [--scenario NAME|all]
 *
 * Runs random schedules, one for each seed from N on, until the time is over; without --seconds one
 * schedule. With --scenario it measures instead. Ends with status 0 if nothing was violated;
 * otherwise the seed is printed, and --seed with it repeats the run.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"
#include "util/macro.h"

struct options {
	uint64_t seed;
	uint64_t steps;
	double seconds;
	const char *scenario;
};

static const struct {
	const char *name;
	bool (*run)(uint64_t seed);
} scenarios[] = {
	{ "fairness", scenario_fairness },       { "weights", scenario_weights },
	{ "neighbour", scenario_neighbour },     { "minimum", scenario_minimum },
	{ "full-server", scenario_full_server }, { "priorities", scenario_priorities },
	{ "pipelining", scenario_pipelining },   { "budget", scenario_budget },
};

static _Noreturn void usage(const char *name)
{
	fprintf(stderr,
		"usage: %s [--seed N] [--steps N] [--seconds N] [--scenario NAME|all]\nscenarios:",
		name);
	for (unsigned i = 0; i < ARRAY_LEN(scenarios); i++)
		fprintf(stderr, " %s", scenarios[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "steps", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' },
		{ "scenario", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .seed = 1, .steps = 3000 };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 's')
			o.seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			o.steps = strtoull(optarg, NULL, 0);
		else if (c == 't')
			o.seconds = strtod(optarg, NULL);
		else if (c == 'c')
			o.scenario = optarg;
		else
			usage(argv[0]);
	}
	if (optind < argc)
		usage(argv[0]);
	return o;
}

static int run_scenarios(const char *name, uint64_t seed)
{
	unsigned ran = 0, failed = 0;

	for (unsigned i = 0; i < ARRAY_LEN(scenarios); i++) {
		if (strcmp(name, "all") != 0 && strcmp(name, scenarios[i].name) != 0)
			continue;
		ran++;
		if (!scenarios[i].run(seed)) {
			failed++;
			printf("%s: NOT good enough (seed %" PRIu64 ")\n", scenarios[i].name, seed);
		}
	}
	if (ran == 0)
		fprintf(stderr, "no scenario is called %s\n", name);
	return ran == 0 || failed > 0;
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)(t.tv_sec - begin->tv_sec) + (double)(t.tv_nsec - begin->tv_nsec) / 1e9;
}

static void run_chaos(const struct options *o)
{
	double virtual_seconds = 0, told = 0;
	struct timespec begin;
	uint64_t runs = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		virtual_seconds += chaos_run(o->seed + runs++, o->steps);
		if (seconds_since(&begin) - told >= 10) {
			told = seconds_since(&begin);
			printf("sim: %" PRIu64 " schedules, %.0f virtual seconds\n", runs,
			       virtual_seconds);
			fflush(stdout);
		}
	} while (seconds_since(&begin) < o->seconds);
	printf("sim: %" PRIu64 " schedules of %" PRIu64 " steps from seed %" PRIu64
	       ", %.0f virtual seconds, nothing violated\n",
	       runs, o->steps, o->seed, virtual_seconds);
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);

	if (o.scenario)
		return run_scenarios(o.scenario, o.seed);
	run_chaos(&o);
	return 0;
}
