/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdio.h>

#include "latency.h"
#include "options.h"
#include "util/macro.h"

static const struct {
	const char *name;
	double q;
} quantiles[] = {
	{ "p50", 0.5 }, { "p90", 0.9 }, { "p95", 0.95 }, { "p99", 0.99 }, { "p999", 0.999 },
};

static double us(double ns)
{
	return ns / 1000;
}

static double rate_of(const struct report *r)
{
	return r->seconds > 0 ? (double)r->done / r->seconds : 0;
}

/* Sentences of errors are ours or PostgreSQL's: quotes, and what is not printable, are left out. */
static void print_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < 0x20 || *text == '"' || *text == '\\' ? ' ' : *text);
}

static void print_json(const struct options *o, const struct report *r)
{
	printf("{\"workload\": \"%s\", \"clients\": %u, \"threads\": %u, \"seconds\": %.6f, "
	       "\"done\": %ju, \"errors\": %ju, \"late\": %ju, \"rate\": %.2f, \"error\": \"",
	       r->name, o->clients, o->threads, r->seconds, (uintmax_t)r->done,
	       (uintmax_t)r->errors, (uintmax_t)r->late, rate_of(r));
	print_text(r->error);
	printf("\", \"latency_us\": {\"mean\": %.2f, \"deviation\": %.2f, \"max\": %.2f",
	       us(latency_mean_ns(r->latency)), us(latency_deviation_ns(r->latency)),
	       us((double)r->latency->max_ns));
	for (unsigned i = 0; i < ARRAY_LEN(quantiles); i++)
		printf(", \"%s\": %.2f", quantiles[i].name,
		       us((double)latency_quantile_ns(r->latency, quantiles[i].q)));
	printf("}}\n");
}

void report_print(const struct options *o, const struct report *r)
{
	if (o->json) {
		print_json(o, r);
		return;
	}
	printf("%s: %u clients, %u threads, %.2f s\n", r->name, o->clients, o->threads, r->seconds);
	printf("%ju done, %.1f a second\n", (uintmax_t)r->done, rate_of(r));
	printf("latency in us: mean %.1f (deviation %.1f)", us(latency_mean_ns(r->latency)),
	       us(latency_deviation_ns(r->latency)));
	for (unsigned i = 0; i < ARRAY_LEN(quantiles); i++)
		printf(", %s %.1f", quantiles[i].name,
		       us((double)latency_quantile_ns(r->latency, quantiles[i].q)));
	printf(", most %.1f\n", us((double)r->latency->max_ns));
	if (r->late > 0)
		printf("%ju came due and were not begun in time\n", (uintmax_t)r->late);
	if (r->errors > 0)
		printf("%ju errors; the first: %s\n", (uintmax_t)r->errors, r->error);
}
