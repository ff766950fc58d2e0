/* SPDX-License-Identifier: MIT */
#pragma once
/* Why something failed, or a notice: as the daemon's message says it, or in words of the library's
 * own. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sidepool.h"

struct table;
struct Sidepool__V1__Error;
struct Sidepool__V1__Notice;
struct Sidepool__V1__SqlError;

struct sidepool_error {
	int code;
	enum sidepool_outcome outcome;
	bool retryable;
	bool fixed; /* static: freeing it does nothing */
	const char *message;
	const char *remedy;
	char *text;                               /* owned: a message of our own */
	struct Sidepool__V1__Error *wire;         /* owned: the daemon's; or */
	struct Sidepool__V1__Notice *note;        /* owned */
	const struct Sidepool__V1__SqlError *sql; /* inside one of them */
	struct table *pool;                       /* owned */
	struct table *holders;                    /* owned */
	struct sidepool_error *next;              /* owned; sidepool_result::notices */
};

/*
 * All NULL without memory or where the bytes are not such a message: *ret_malformed tells which.
 */
struct sidepool_error *error_parse(const uint8_t *data, size_t len, bool *ret_malformed);
struct sidepool_error *error_parse_notice(const uint8_t *data, size_t len, bool *ret_malformed);

/*
 * An error of the library's own, whose remedy and retryability are those of its code in errors.def.
 * Without memory it is error_out_of_memory(), so never NULL.
 */
struct sidepool_error *error_new(int code, enum sidepool_outcome outcome, const char *format,
				 va_list args) __attribute__((format(printf, 3, 0)));

/* Those that need no memory. */
struct sidepool_error *error_out_of_memory(void);
struct sidepool_error *error_no_handle(void);
struct sidepool_error *error_closed(void);

/* With all that are linked to it. */
struct sidepool_error *error_free(struct sidepool_error *e);
