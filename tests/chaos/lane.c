/* SPDX-License-Identifier: MIT */
/*
 * A line of the log is one write() to a file that is open for appending: whoever kills this process
 * gets all of it or nothing, and lines of threads do not mix.
 */
#include "lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ACCOUNTS = 40,
};

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void lane_init(struct lane *lane, const char *path, const char *name, const char *seed)
{
	*lane = (struct lane){ .path = path };
	snprintf(lane->name, sizeof(lane->name), "%s", name);
	for (const char *p = seed; *p; p++)
		lane->state = mix(lane->state + (unsigned char)*p);
	for (const char *p = name; *p; p++)
		lane->state = mix(lane->state + (unsigned char)*p);
}

unsigned lane_below(struct lane *lane, unsigned n)
{
	lane->state += UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(mix(lane->state) % n);
}

uint32_t lane_deadline_ms(struct lane *lane)
{
	static const uint32_t deadlines[] = { 20, 200, 1000, 3000, 10000, 10000, 10000 };

	return deadlines[lane_below(lane, sizeof(deadlines) / sizeof(deadlines[0]))];
}

void say(const char *kind, const char *key, const char *words)
{
	char line[512];
	struct timespec now;
	int len;

	clock_gettime(CLOCK_MONOTONIC, &now);
	len = snprintf(line, sizeof(line), "%s\t%lld.%03ld\t%s\t%s\n", kind, (long long)now.tv_sec,
		       now.tv_nsec / 1000000, key, words);
	if (len < 0 || len >= (int)sizeof(line) || write(STDOUT_FILENO, line, (size_t)len) != len)
		abort();
}

struct transfer lane_transfer(struct lane *lane, const char *how)
{
	struct transfer t;
	unsigned from = lane_below(lane, ACCOUNTS);
	unsigned to = (from + 1 + lane_below(lane, ACCOUNTS - 1)) % ACCOUNTS;
	unsigned amount = 1 + lane_below(lane, 100);
	char words[128];

	snprintf(t.key, sizeof(t.key), "%s.%u", lane->name, lane->count++);
	snprintf(t.from, sizeof(t.from), "%u", from);
	snprintf(t.to, sizeof(t.to), "%u", to);
	snprintf(t.amount, sizeof(t.amount), "%u", amount);
	snprintf(t.minus, sizeof(t.minus), "-%u", amount);
	snprintf(words, sizeof(words), "%s\t%u\t%u\t%u", how, from, to, amount);
	say("I", t.key, words);
	return t;
}

bool lane_tell(struct lane *lane, const struct transfer *t, const struct sidepool_error *e,
	       bool committing)
{
	static const char *const kinds[] = { "?", "N", "F", "U" };
	char words[128];

	if (!e) {
		say("S", t->key, "");
		return true;
	}
	lane->told_to_wait |= sidepool_error_outcome(e) == SIDEPOOL_OUTCOME_NOT_SENT;
	snprintf(words, sizeof(words), "%s %s", sidepool_code_name(sidepool_error_code(e)),
		 sidepool_error_sqlstate(e));
	say(committing ? kinds[sidepool_error_outcome(e)] : "F", t->key, words);
	return false;
}
