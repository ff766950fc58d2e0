/* SPDX-License-Identifier: MIT */
/*
 * The bounds of histograms are round numbers, as queries over many daemons want them, and ours are
 * kept finer: a bound counts the whole bucket that it lies in, which is at most an eighth too high.
 */
#include "http/series.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/hist.h"

static void put_label(const struct series *s, const char *name, const char *value, bool *follows)
{
	if (!value)
		return;
	text_put(s->text, "%s%s=\"", *follows ? "," : "{", name);
	text_escape(s->text, TEXT_LABEL, value);
	text_put(s->text, "\"");
	*follows = true;
}

static void put_head(const struct series *s, const char *suffix, const char *le)
{
	bool follows = false;

	text_put(s->text, "%s%s", s->name, suffix);
	put_label(s, "pool", s->pool, &follows);
	put_label(s, "application", s->application, &follows);
	put_label(s, s->label, s->value, &follows);
	put_label(s, "le", le, &follows);
	text_put(s->text, follows ? "} " : " ");
}

void series_family(struct text *t, const char *name, const char *type, const char *help)
{
	text_put(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void series_put(const struct series *s, uint64_t value)
{
	put_head(s, "", NULL);
	text_put(s->text, "%" PRIu64 "\n", value);
}

void series_put_seconds(const struct series *s, uint64_t us)
{
	put_head(s, "", NULL);
	text_put(s->text, "%.3f\n", (double)us / 1e6);
}

static void put_bucket(const struct series *s, const char *le, uint64_t n)
{
	put_head(s, "_bucket", le);
	text_put(s->text, "%" PRIu64 "\n", n);
}

static void put_count(const struct series *s, const struct hist *h)
{
	put_bucket(s, "+Inf", h->count);
	put_head(s, "_count", NULL);
	text_put(s->text, "%" PRIu64 "\n", h->count);
}

void series_put_times(const struct series *s, const struct hist *h)
{
	static const uint32_t bounds[] = {
		100,    250,    500,    1000,    2500,    5000,    10000,    25000,    50000,
		100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000
	};
	char le[16];

	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		(void)snprintf(le, sizeof(le), "%g", bounds[i] / 1e6);
		put_bucket(s, le, hist_count_to(h, bounds[i]));
	}
	put_count(s, h);
	put_head(s, "_sum", NULL);
	text_put(s->text, "%.6f\n", (double)h->sum / 1e6);
}

void series_put_counts(const struct series *s, const struct hist *h)
{
	char le[16];

	for (unsigned bound = 1; bound <= 128; bound *= 2) {
		(void)snprintf(le, sizeof(le), "%u", bound);
		put_bucket(s, le, hist_count_to(h, bound));
	}
	put_count(s, h);
	put_head(s, "_sum", NULL);
	text_put(s->text, "%" PRIu64 "\n", h->sum);
}
