/* SPDX-License-Identifier: MIT */
#pragma once
/* Lines of Prometheus' text format. */

#include <stddef.h>
#include <stdint.h>

#include "http/text.h"

struct hist;

/* What a line is about; a label that is NULL is left out. All is borrowed. */
struct series {
	struct text *text;
	const char *name;
	const char *pool;
	const char *application;
	const char *label, *value; /* one of its own */
};

static inline struct series series_of(struct text *text, const char *name, const char *pool)
{
	return (struct series){ .text = text, .name = name, .pool = pool };
}

/* Before the lines of a name. */
void series_family(struct text *t, const char *name, const char *type, const char *help);

void series_put(const struct series *s, uint64_t value);

/* Microseconds, told in seconds. */
void series_put_seconds(const struct series *s, uint64_t us);

/* A histogram of microseconds, told in seconds. */
void series_put_times(const struct series *s, const struct hist *h);

/* One of numbers. */
void series_put_counts(const struct series *s, const struct hist *h);
