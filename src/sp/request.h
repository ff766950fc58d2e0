/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who asked: the ids in front of a request's body, from the device next to us to the one who made
 * the request. The answer carries them back unchanged, which is how it finds its way. A plain
 * value: copy it, keep it, compare it.
 */

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	SP_HOPS_MAX = 8,                        /* devices that a request may have passed */
	SP_REQUEST_WORDS_MAX = SP_HOPS_MAX + 1, /* their hop ids and the request id */
};

#define SP_REQUEST_ID_BIT UINT32_C(0x80000000) /* set in the request id, clear in a hop id */

struct sp_request {
	uint32_t n_words;                     /* 1 to SP_REQUEST_WORDS_MAX; 0: no request */
	uint32_t words[SP_REQUEST_WORDS_MAX]; /* big-endian; the last one is the request id */
};

/* The request id in host order, for log lines. */
static inline uint32_t sp_request_id(const struct sp_request *r)
{
	return r->n_words ? ntohl(r->words[r->n_words - 1]) : 0;
}

static inline size_t sp_request_bytes(const struct sp_request *r)
{
	return r->n_words * sizeof(r->words[0]);
}

static inline bool sp_request_equal(const struct sp_request *a, const struct sp_request *b)
{
	return a->n_words == b->n_words && memcmp(a->words, b->words, sp_request_bytes(a)) == 0;
}
