/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A submission as bytes: what is kept in memory until it runs, and what stands in the journal. Who
 * submitted it, how long it is to be tried, and the packed sidepool.v1.Request with the statements
 * in full.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

enum {
	SUBMIT_NAME_BYTES = 64,
};

struct submit_record {
	uint64_t id;
	uint64_t accepted_ms; /* on the wall clock, as the next */
	uint64_t expires_ms;  /* 0: never */
	uint32_t uid;
	uint32_t pid;
	char application[SUBMIT_NAME_BYTES]; /* as others are told */
	char share[SUBMIT_NAME_BYTES];       /* whose share it is run on */
	char pool[SUBMIT_NAME_BYTES];
	const void *request; /* borrowed */
	size_t request_bytes;
};

/* Appends it. Returns 0 or -ENOMEM. */
int submit_record_write(const struct submit_record *record, struct buf *out);

/* `ret_record` borrows from `bytes`. Returns 0, or 1 where it is no record. */
int submit_record_read(const uint8_t *bytes, size_t n, struct submit_record *ret_record);
