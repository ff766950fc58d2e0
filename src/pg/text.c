/* SPDX-License-Identifier: MIT */
/*
 * An entry is in both tables and in `used` for as long as it is kept; it goes when the texts exceed
 * their bound and nothing refers to it. What is still referred to may exceed the bound: requests in
 * flight are bounded elsewhere.
 *
 * The hash is FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) over text and types, keyed by the
 * seed, so that nobody can choose texts that collide; a hit is compared in full.
 */
#include "pg/text.h"

#include <stdlib.h>
#include <string.h>

#include "util/error.h"

struct pg_texts {
	struct pg_text *by_hash;
	struct pg_text *by_id;
	TAILQ_HEAD(pg_text_list, pg_text) used;
	size_t bytes;
	size_t limit_bytes;
	uint64_t random;
	uint64_t seed;
	uint32_t serial;
};

enum {
	/* the entry and its share of the tables */
	TEXT_OVERHEAD_BYTES = sizeof(struct pg_text) + 64,
	/* a new run counts for an eighth of the mean */
	RUN_SHIFT = 3,
	/* one run in so many may be as long as it likes; one in a hundred is seen */
	RUNS_PER_OUTLIER = 128,
	RUNS_KEPT = 4096, /* then half of them are forgotten */
	RUN_LEAST_US = 64,
};

int pg_texts_new(struct pg_texts **ret_texts, size_t limit_bytes, uint64_t seed)
{
	struct pg_texts *t = calloc(1, sizeof(*t));

	if (!t)
		return err_raise(-ENOMEM);
	TAILQ_INIT(&t->used);
	t->limit_bytes = limit_bytes;
	t->seed = seed;
	t->random = seed;
	*ret_texts = t;
	return 0;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(struct pg_texts *t)
{
	uint64_t z = (t->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t fnv(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (; n > 0; n--)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t hash_of(const struct pg_texts *t, const char *sql, size_t sql_bytes,
			const uint32_t *types, uint32_t n_types)
{
	uint64_t h = fnv(UINT64_C(0xcbf29ce484222325) ^ t->seed, sql, sql_bytes);

	return fnv(h, types, n_types * sizeof(*types));
}

static size_t cost_of(const struct pg_text *t)
{
	return TEXT_OVERHEAD_BYTES + t->sql_bytes + t->n_types * sizeof(*t->types);
}

static void drop(struct pg_texts *texts, struct pg_text *t)
{
	HASH_DELETE(by_hash, texts->by_hash, t);
	HASH_DELETE(by_id, texts->by_id, t);
	TAILQ_REMOVE(&texts->used, t, link);
	texts->bytes -= cost_of(t);
	free(t->sql);
	free(t->types);
	free(t);
}

static void shrink(struct pg_texts *texts)
{
	struct pg_text *t, *before;

	for (t = TAILQ_LAST(&texts->used, pg_text_list); t && texts->bytes > texts->limit_bytes;
	     t = before) {
		before = TAILQ_PREV(t, pg_text_list, link);
		if (t->refs == 0)
			drop(texts, t);
	}
}

static bool add_to_tables(struct pg_texts *texts, struct pg_text *t)
{
	HASH_ADD(by_hash, texts->by_hash, hash, sizeof(t->hash), t);
	if (!hash_took(t, by_hash))
		return false;
	HASH_ADD(by_id, texts->by_id, id, sizeof(t->id), t);
	if (hash_took(t, by_id))
		return true;
	HASH_DELETE(by_hash, texts->by_hash, t);
	return false;
}

static int add(struct pg_texts *texts, const char *sql, size_t sql_bytes, const uint32_t *types,
	       uint32_t n_types, uint64_t hash, struct pg_text **ret_text)
{
	struct pg_text *t = calloc(1, sizeof(*t));

	if (!t)
		return err_raise(-ENOMEM);
	t->sql = strndup(sql, sql_bytes);
	t->types = malloc(n_types * sizeof(*types) + 1);
	if (!t->sql || !t->types) {
		free(t->sql);
		free(t->types);
		free(t);
		return err_raise(-ENOMEM);
	}
	if (n_types > 0)
		memcpy(t->types, types, n_types * sizeof(*types));
	t->sql_bytes = sql_bytes;
	t->n_types = n_types;
	t->hash = hash;
	t->class = pg_classify(sql, sql_bytes);
	t->serial = ++texts->serial;
	do
		t->id = next_random(texts);
	while (t->id == 0);
	if (!add_to_tables(texts, t)) {
		free(t->sql);
		free(t->types);
		free(t);
		return err_raise(-ENOMEM);
	}
	TAILQ_INSERT_HEAD(&texts->used, t, link);
	texts->bytes += cost_of(t);
	*ret_text = t;
	return 0;
}

static bool matches(const struct pg_text *t, const char *sql, size_t sql_bytes,
		    const uint32_t *types, uint32_t n_types)
{
	return t->sql_bytes == sql_bytes && t->n_types == n_types &&
	       !memcmp(t->sql, sql, sql_bytes) &&
	       (n_types == 0 || !memcmp(t->types, types, n_types * sizeof(*types)));
}

static struct pg_text *use(struct pg_texts *texts, struct pg_text *t)
{
	if (t != TAILQ_FIRST(&texts->used)) {
		TAILQ_REMOVE(&texts->used, t, link);
		TAILQ_INSERT_HEAD(&texts->used, t, link);
	}
	t->uses++;
	return pg_text_ref(t);
}

int pg_texts_get(struct pg_texts *texts, const char *sql, size_t sql_bytes, const uint32_t *types,
		 uint32_t n_types, struct pg_text **ret_text)
{
	uint64_t hash = hash_of(texts, sql, sql_bytes, types, n_types);
	struct pg_text *t;
	int r;

	HASH_FIND(by_hash, texts->by_hash, &hash, sizeof(hash), t);
	/* A collision under a secret seed is chance: the newcomer takes the place. */
	if (t && !matches(t, sql, sql_bytes, types, n_types)) {
		if (t->refs > 0)
			hash = next_random(texts); /* found by its id alone */
		else
			drop(texts, t);
		t = NULL;
	}
	if (!t) {
		r = add(texts, sql, sql_bytes, types, n_types, hash, &t);
		if (r < 0)
			return err_forward(r);
	}
	*ret_text = use(texts, t);
	if (texts->bytes > texts->limit_bytes)
		shrink(texts);
	return 0;
}

struct pg_text *pg_texts_by_id(struct pg_texts *texts, uint64_t id)
{
	struct pg_text *t;

	HASH_FIND(by_id, texts->by_id, &id, sizeof(id), t);
	return t ? use(texts, t) : NULL;
}

struct pg_text *pg_text_ref(struct pg_text *t)
{
	if (t)
		t->refs++;
	return t;
}

struct pg_text *pg_text_unref(struct pg_text *t)
{
	if (t)
		t->refs--;
	return NULL;
}

static void halve(struct pg_text *t)
{
	t->n_runs = 0;
	for (unsigned i = 0; i < PG_TEXT_RUNS; i++) {
		t->runs[i] = t->runs[i] >> 1;
		t->n_runs = (uint16_t)(t->n_runs + t->runs[i]);
	}
}

static void count(struct pg_text *t, usec run_us)
{
	unsigned bucket = 0, above = 0, i;

	while (bucket < PG_TEXT_RUNS - 1 && run_us > (usec)RUN_LEAST_US << bucket)
		bucket++;
	t->runs[bucket]++;
	if (++t->n_runs >= RUNS_KEPT)
		halve(t);
	for (i = PG_TEXT_RUNS - 1; i > 0; i--) {
		above += t->runs[i];
		if (above > t->n_runs / RUNS_PER_OUTLIER)
			break;
	}
	t->high_us = (usec)RUN_LEAST_US << i;
}

void pg_text_ran(struct pg_text *t, usec run_us, size_t result_bytes)
{
	usec off;

	t->max_result_bytes = MAX(t->max_result_bytes, (uint64_t)result_bytes);
	run_us = MAX(run_us, (usec)1);
	count(t, run_us);
	if (t->mean_us == 0) {
		t->mean_us = run_us;
		t->spread_us = run_us / 2;
		return;
	}
	off = run_us > t->mean_us ? run_us - t->mean_us : t->mean_us - run_us;
	t->mean_us = MAX(t->mean_us - (t->mean_us >> RUN_SHIFT) + (run_us >> RUN_SHIFT), (usec)1);
	t->spread_us = t->spread_us - (t->spread_us >> RUN_SHIFT) + (off >> RUN_SHIFT);
}

usec pg_text_expected_us(const struct pg_text *t)
{
	return t->mean_us == 0 ? 0 : t->mean_us + 2 * t->spread_us;
}

bool pg_text_is_short(const struct pg_text *t, usec most_us)
{
	return t->high_us / 2 < most_us;
}

struct pg_texts *pg_texts_free(struct pg_texts *texts)
{
	struct pg_text *t;

	if (!texts)
		return NULL;
	while ((t = TAILQ_FIRST(&texts->used)))
		drop(texts, t);
	free(texts);
	return NULL;
}
