/* SPDX-License-Identifier: MIT */
/*
 * A hash table with chains, whose size is fixed by the setting: at most `max` statements on as many
 * buckets, rounded up. The texts come from the program itself, so the hash need not withstand an
 * attacker.
 */
#include "statements.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_text(const char *text, size_t len)
{
	const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = len * multiplier;
	uint64_t word;

	for (; len >= 8; text += 8, len -= 8) {
		memcpy(&word, text, 8);
		h = (h ^ word) * multiplier;
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, text, len);
	h = (h ^ word) * multiplier;
	return h ^ h >> 32;
}

static size_t n_buckets(const struct statements *s)
{
	size_t n = 16;

	while (n < s->max)
		n *= 2;
	return n;
}

static struct statement **bucket(struct statements *s, uint64_t hash)
{
	return &s->buckets[hash & (n_buckets(s) - 1)];
}

void statements_init(struct statements *s, size_t max)
{
	*s = (struct statements){ .max = max };
	list_init(&s->lru);
}

struct statement *statement_ref(struct statement *statement)
{
	statement->refs++;
	return statement;
}

struct statement *statement_unref(struct statement *statement)
{
	if (statement && --statement->refs == 0) {
		columns_unref(statement->columns);
		free(statement);
	}
	return NULL;
}

void statements_forget(struct statements *s, struct statement *statement)
{
	struct statement **at;

	if (!s->buckets)
		return;
	for (at = bucket(s, statement->hash); *at && *at != statement;)
		at = &(*at)->chain;
	if (!*at)
		return;
	*at = statement->chain;
	list_remove(&statement->lru);
	s->count--;
	statement_unref(statement);
}

void statements_clear(struct statements *s)
{
	while (!list_empty(&s->lru))
		statements_forget(s, (struct statement *)(void *)s->lru.next);
}

void statements_deinit(struct statements *s)
{
	statements_clear(s);
	free(s->buckets);
	s->buckets = NULL;
}

static struct statement *look_up(struct statements *s, const char *text, size_t len, uint64_t hash)
{
	struct statement *f;

	if (!s->buckets)
		return NULL;
	for (f = *bucket(s, hash); f; f = f->chain)
		if (f->hash == hash && f->len == len && memcmp(f->text, text, len) == 0)
			return f;
	return NULL;
}

struct statement *statements_find(struct statements *s, const char *text, size_t len)
{
	struct statement *f;

	if (s->count == 0 || len > STATEMENT_TEXT_MAX)
		return NULL;
	f = look_up(s, text, len, hash_text(text, len));
	if (f && s->lru.next != &f->lru) {
		list_remove(&f->lru);
		list_prepend(&s->lru, &f->lru);
	}
	return f;
}

static struct statement *add(struct statements *s, const char *text, size_t len, uint64_t hash)
{
	struct statement *f = malloc(sizeof(*f) + len + 1);

	if (!f)
		return NULL;
	*f = (struct statement){ .refs = 1, .hash = hash, .len = len };
	memcpy(f->text, text, len);
	f->text[len] = '\0';
	if (s->count == s->max)
		statements_forget(s, (struct statement *)(void *)s->lru.prev);
	f->chain = *bucket(s, hash);
	*bucket(s, hash) = f;
	list_prepend(&s->lru, &f->lru);
	s->count++;
	return f;
}

void statements_learn(struct statements *s, const char *text, size_t len, uint64_t id,
		      struct columns *columns)
{
	uint64_t hash;
	struct statement *f;

	if (s->max == 0 || len > STATEMENT_TEXT_MAX || id == 0)
		return;
	if (!s->buckets)
		s->buckets = calloc(n_buckets(s), sizeof(*s->buckets));
	if (!s->buckets)
		return;
	hash = hash_text(text, len);
	f = look_up(s, text, len, hash);
	if (!f)
		f = add(s, text, len, hash);
	if (!f)
		return;
	f->id = id;
	if (f->columns == columns)
		return;
	columns_unref(f->columns);
	f->columns = columns && columns->id != 0 ? columns_ref(columns) : NULL;
}
