/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The file of the journal: entries, and notes that they are done. Every function blocks. A file is
 * locked against a second daemon, and readable by its owner alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"

enum {
	SUBMIT_LOG_ID_BYTES = 16,
	SUBMIT_LOG_ENTRY_MOST = 1 << 30,
};

struct submit_log {
	int fd;     /* -1: none */
	char *path; /* owned */
	uint8_t id[SUBMIT_LOG_ID_BYTES];
	uint64_t next_id; /* above all that were ever given out, as far as the file tells */
	off_t length;     /* up to here it is good */
	bool broken;      /* what stands behind `length` is not known: only a rewrite helps */
};

/* What stands in it, in order. A nonzero result ends the reading with that. */
struct submit_log_reader {
	int (*entry)(void *userdata, const uint8_t *bytes, size_t n);
	int (*done)(void *userdata, uint64_t id);
	void *userdata;
};

/*
 * Opens the file, or makes it with the id `fresh`, and reads it. A torn end, which was never
 * accepted, is cut off; what is damaged otherwise is put aside in PATH.damaged. Returns 0, or -1
 * with a sentence in `why`; what had to be cut off is told there too, with 0.
 */
int submit_log_open(struct submit_log *log, const char *path, const uint8_t *fresh,
		    const struct submit_log_reader *reader, char *why, size_t why_bytes);

/* Records, to be written with one of the next two. Return 0 or -ENOMEM. */
int submit_log_put_entry(struct buf *out, const uint8_t *bytes, size_t n);
int submit_log_put_done(struct buf *out, uint64_t id);

/*
 * Writes the records behind the others, and waits until they are on disk. Returns 0 or a negative
 * errno: then it is as before, or `broken`.
 */
int submit_log_append(struct submit_log *log, const struct buf *records);

/*
 * Puts a file with these records, and no other, in its place. Returns 0 or a negative errno: then
 * the old one is still there.
 */
int submit_log_rewrite(struct submit_log *log, uint64_t next_id, const struct buf *records);

void submit_log_close(struct submit_log *log);
