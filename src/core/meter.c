/* SPDX-License-Identifier: MIT */
#include "core/meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/core-internal.h"
#include "core/queue.h"
#include "util/error.h"

/* https://www.postgresql.org/docs/current/errcodes-appendix.html */
static const char classes[METER_CLASSES_N - 1][3] = {
	"01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22", "23",
	"24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40",
	"42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX", "00",
};

const char *meter_class(unsigned class)
{
	return class < ARRAY_LEN(classes) ? classes[class] : "other";
}

static struct meter *find(const struct pool *p, const char *application)
{
	struct meter *m;

	TAILQ_FOREACH (m, &p->meters, link)
		if (!strcmp(m->application, application))
			return m;
	return NULL;
}

int meter_get(struct pool *p, const char *application, struct meter **ret_meter)
{
	struct meter *m = find(p, application);

	if (!m && p->n_meters >= METERS_MAX - 1) {
		application = METER_OTHER;
		m = find(p, application);
	}
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (m)
			m->application = strdup(application);
		if (!m || !m->application) {
			free(m);
			return err_raise(-ENOMEM);
		}
		TAILQ_INSERT_TAIL(&p->meters, m, link);
		p->n_meters++;
	}
	*ret_meter = m;
	return 0;
}

void meters_free(struct pool *p)
{
	struct meter *m;

	while ((m = TAILQ_FIRST(&p->meters))) {
		TAILQ_REMOVE(&p->meters, m, link);
		free(m->application);
		free(m);
	}
	p->n_meters = 0;
}

struct meter *meter_of(const struct application *app, const struct pool *p)
{
	return application_queue(app, p)->meter;
}

const struct meter *meter_next(const struct pool *p, const struct meter *after)
{
	return after ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&p->meters);
}

void meter_fail(struct meter *m, unsigned code, const char *sqlstate)
{
	unsigned class = 0;

	m->failures_total[MIN(code, METER_CODES_N - 1U)]++;
	if (!*sqlstate)
		return;
	while (class < ARRAY_LEN(classes) && strncmp(sqlstate, classes[class], 2) != 0)
		class ++;
	m->sql_errors_total[class]++;
}
