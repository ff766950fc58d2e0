/* SPDX-License-Identifier: MIT */
/*
 * Load for sidepoold through libsidepool, as pgbench is for PostgreSQL: a few threads, each with an
 * epoll, play any number of clients, each with a handle of its own. sidepool-bench --help.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "options.h"
#include "report.h"
#include "util/macro.h"
#include "worker.h"
#include "workload.h"

/* Each client is a descriptor. */
static void allow_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

/* Adds up what the threads did, into the first of them. */
static struct report sum_up(struct worker *workers, const struct options *o)
{
	struct worker *sum = &workers[0];

	for (uint32_t i = 1; i < o->threads; i++) {
		struct worker *w = &workers[i];

		latency_merge(&sum->latency, &w->latency);
		sum->last_ns = MAX(sum->last_ns, w->last_ns);
		sum->measure_ns = MIN(sum->measure_ns, w->measure_ns);
		sum->late += w->late;
		if (sum->errors == 0 && w->errors > 0)
			memcpy(sum->error, w->error, sizeof(sum->error));
		sum->errors += w->errors;
	}
	return (struct report){
		.name = o->workload->name,
		.done = sum->latency.count - sum->late,
		.errors = sum->errors,
		.late = sum->late,
		.seconds = (double)(sum->last_ns - sum->measure_ns) / 1e9,
		.error = sum->error,
		.latency = &sum->latency,
	};
}

static int run_workers(struct worker *workers, const struct options *o)
{
	pthread_barrier_t gate;
	struct report report;

	(void)pthread_barrier_init(&gate, NULL, o->threads);
	for (uint32_t i = 0; i < o->threads; i++)
		if (worker_init(&workers[i], o, i, &gate) < 0)
			return EXIT_FAILURE;
	for (uint32_t i = 1; i < o->threads; i++)
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0) {
			/* Those that run wait at the gate: there is nothing to join. */
			(void)fprintf(stderr, "sidepool-bench: no thread could be started\n");
			exit(EXIT_FAILURE);
		}
	(void)worker_main(&workers[0]);
	for (uint32_t i = 1; i < o->threads; i++)
		(void)pthread_join(workers[i].thread, NULL);
	(void)pthread_barrier_destroy(&gate);
	report = sum_up(workers, o);
	report_print(o, &report);
	return report.errors == 0 && (report.done > 0 || !o->workload->begin) ? EXIT_SUCCESS
									      : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct options o;
	struct worker *workers;
	int r = options_parse(&o, argc, argv);

	if (r != 0)
		return r > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	allow_descriptors();
	if (o.conninfo)
		return o.workload->libpq(&o);
	workers = calloc(o.threads, sizeof(*workers));
	if (!workers)
		return EXIT_FAILURE;
	r = run_workers(workers, &o);
	for (uint32_t i = 0; i < o.threads; i++)
		worker_deinit(&workers[i]);
	free(workers);
	return r;
}
