/* SPDX-License-Identifier: MIT */
/*
 * A hash table with chains, whose size is fixed by the setting: at most `max` statements on as many buckets, rounded up. The
 * texts come from the program itself, so the hash need not withstand an attacker.
 */
#include "statements.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_bytes(uint64_t h, const void *data, size_t len)
{
	const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);
	const char *at = data;
	uint64_t word;

	h ^= len * multiplier;
	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		h = (h ^ word) * multiplier;
		h ^= h >> 29;
	}
	word = 0;
	if (len > 0)
		memcpy(&word, at, len);
	h = (h ^ word) * multiplier;
	return h ^ h >> 32;
}

static uint64_t hash_key(const struct statement_key *key)
{
	uint64_t h = hash_bytes(0, key->text, key->len);

	return key->n_types > 0 ? hash_bytes(h, key->types, key->n_types * sizeof(*key->types)) : h;
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

const char *statement_text(const struct statement *f)
{
	return f->data + f->n_types * sizeof(uint32_t);
}

struct statement *statement_unref(struct statement *f)
{
	if (f && --f->refs == 0) {
		columns_unref(f->columns);
		free(f);
	}
	return NULL;
}

static void drop(struct statements *s, struct statement *f)
{
	struct statement **at = bucket(s, f->hash);

	while (*at != f)
		at = &(*at)->chain;
	*at = f->chain;
	list_remove(&f->lru);
	s->count--;
	statement_unref(f);
}

void statements_deinit(struct statements *s)
{
	while (!list_empty(&s->lru))
		drop(s, (struct statement *)(void *)s->lru.next);
	free(s->buckets);
	s->buckets = NULL;
}

static bool is_key(const struct statement *f, const struct statement_key *key)
{
	size_t types = key->n_types * sizeof(*key->types);

	return f->len == key->len && f->n_types == key->n_types &&
	       (types == 0 || memcmp(f->data, key->types, types) == 0) &&
	       memcmp(f->data + types, key->text, key->len) == 0;
}

static struct statement *find(struct statements *s, const struct statement_key *key, uint64_t hash)
{
	for (struct statement *f = *bucket(s, hash); f; f = f->chain)
		if (f->hash == hash && is_key(f, key))
			return f;
	return NULL;
}

static struct statement *add(struct statements *s, const struct statement_key *key, uint64_t hash)
{
	size_t types = key->n_types * sizeof(*key->types);
	struct statement *f = malloc(sizeof(*f) + types + key->len + 1);

	if (!f)
		return NULL;
	*f = (struct statement){
		.refs = 1, .hash = hash, .len = key->len, .n_types = key->n_types
	};
	if (types > 0)
		memcpy(f->data, key->types, types);
	memcpy(f->data + types, key->text, key->len);
	f->data[types + key->len] = '\0';
	if (s->count == s->max)
		drop(s, (struct statement *)(void *)s->lru.prev);
	f->chain = *bucket(s, hash);
	*bucket(s, hash) = f;
	list_prepend(&s->lru, &f->lru);
	s->count++;
	return f;
}

struct statement *statements_get(struct statements *s, const struct statement_key *key)
{
	struct statement *f;
	uint64_t hash;

	if (s->max == 0 || key->len > STATEMENT_TEXT_MAX)
		return NULL;
	if (!s->buckets)
		s->buckets = calloc(n_buckets(s), sizeof(struct statement *));
	if (!s->buckets)
		return NULL;
	hash = hash_key(key);
	f = find(s, key, hash);
	if (!f)
		f = add(s, key, hash);
	if (!f)
		return NULL;
	if (s->lru.next != &f->lru) {
		list_remove(&f->lru);
		list_prepend(&s->lru, &f->lru);
	}
	f->refs++;
	return f;
}

void statement_forget(struct statement *f)
{
	f->id = 0;
	f->columns = columns_unref(f->columns);
}

void statements_forget_ids(struct statements *s)
{
	for (struct list *l = s->lru.next; l != &s->lru; l = l->next)
		statement_forget((struct statement *)(void *)l);
}

void statement_learn(struct statement *f, uint64_t id, struct columns *columns)
{
	if (id != 0)
		f->id = id;
	if (!columns || columns->id == 0 || f->columns == columns)
		return;
	columns_unref(f->columns);
	f->columns = columns_ref(columns);
}
