/* SPDX-License-Identifier: MIT */
#include "ctl/duration.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	YEAR_SEC = 365 * 86400,
};

bool duration_parse(const char *text, uint32_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || n == 0)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0 || n > UINT32_MAX / units[i].ms)
			continue;
		*ret_ms = (uint32_t)(n * units[i].ms);
		return true;
	}
	return false;
}

void duration_print(uint64_t us, char out[16])
{
	unsigned long long s = us / 1000000;

	if (us < 1000)
		snprintf(out, 16, "%uus", (unsigned)us);
	else if (us < 1000000)
		snprintf(out, 16, "%ums", (unsigned)(us / 1000));
	else if (s < 60)
		snprintf(out, 16, "%u.%us", (unsigned)s, (unsigned)(us / 100000 % 10));
	else if (s < 3600)
		snprintf(out, 16, "%um%02us", (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(out, 16, "%uh%02um", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	else if (s < YEAR_SEC)
		snprintf(out, 16, "%ud%02uh", (unsigned)(s / 86400), (unsigned)(s / 3600 % 24));
	else
		snprintf(out, 16, "%uy%03ud", (unsigned)(s / YEAR_SEC),
			 (unsigned)(s % YEAR_SEC / 86400));
}

void duration_print_ms(uint64_t ms, char out[16])
{
	duration_print(ms > UINT64_MAX / 1000 ? UINT64_MAX : ms * 1000, out);
}

void duration_print_short(uint64_t us, char out[16])
{
	duration_print(us, out);
	if (us / 1000000 >= YEAR_SEC * UINT64_C(10))
		snprintf(out, 16, "%uy", (unsigned)(us / 1000000 / YEAR_SEC));
}

void count_print_short(uint64_t n, char out[16])
{
	static const char units[] = "kMGTPE";
	unsigned tenths;
	size_t i = 0;

	if (n < 10000) {
		snprintf(out, 16, "%u", (unsigned)n);
		return;
	}
	for (; n >= 1000000; n /= 1000)
		i++;
	tenths = (unsigned)(n / 100);
	if (tenths < 100)
		snprintf(out, 16, "%u.%u%c", tenths / 10, tenths % 10, units[i]);
	else
		snprintf(out, 16, "%u%c", tenths / 10, units[i]);
}
