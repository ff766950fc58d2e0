/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The text that says where a database is: a URL or libpq's NAME=VALUE pairs. It is cut into its
 * parts as libpq does it, and stays text: libpq alone decides what it means.
 */

#include <stdbool.h>
#include <stddef.h>

enum target_form {
	TARGET_PAIRS,   /* NAME=VALUE ... */
	TARGET_URL,     /* postgresql://, postgres://, with +driver, with jdbc: */
	TARGET_FOREIGN, /* another scheme */
	TARGET_UNKNOWN, /* neither */
};

enum target_form target_form(const char *text);

/* The part of the text from `start` up to `end`. */
struct span {
	size_t start;
	size_t end;
};

struct target_parameter {
	struct span whole; /* "name=value", without what separates it from the next */
	struct span name;
	struct span
		value; /* as written: encoded, quoted; empty and at the end of the name where there is no "=" */
	bool has_value;
};

/* Where the parameters begin, for target_next(): after the "?" of a URL, at 0 of pairs. */
size_t target_parameters(const char *text);

/* The parameter at or after `*pos`, which moves behind it. False: there are no more. */
bool target_next(const char *text, size_t *pos, struct target_parameter *ret_parameter);

/*
 * A name or value without its percent-encoding or quotes. Owned by the caller; NULL without memory.
 */
char *target_decode(const char *text, struct span span);

bool target_has_secret(const char *text);

/*
 * Whether the password, written as it is, cuts the URL at the wrong place: libpq would take a part
 * of it for the host, the port or the database, and print it.
 */
bool target_is_torn(const char *url);
