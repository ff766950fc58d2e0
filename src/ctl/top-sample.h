/* SPDX-License-Identifier: MIT */
#pragma once
/* What `sidepool top` knows of the daemon at one moment: five tables and what is wrong. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum top_section {
	TOP_POOLS = 0,
	TOP_APPLICATIONS,
	TOP_LEASES,
	TOP_RUNNING,
	TOP_WAITING,
	TOP_SECTION_N,
};

enum top_kind {
	TOP_TEXT = 0,
	TOP_NUMBER,
	TOP_MS, /* a length of time in milliseconds */
	TOP_US,
	TOP_RATE, /* tenths a second */
	TOP_PAIR, /* a text that stands to the right and is sorted by its number */
};

enum top_level {
	TOP_GOOD = 0,
	TOP_WARN,
	TOP_BAD,
};

enum {
	TOP_COLUMNS_MAX = 20,
	TOP_HIDDEN = 9, /* a column that is never shown, for what is made of it */
};

struct top_column {
	const char *head;
	const char *field; /* of status.proto; NULL: top_reason() makes it */
	enum top_kind kind;
	unsigned drop; /* where it is narrow the highest go first; 0 stays */
};

struct top_cell {
	const char *text; /* owned by the sample; never NULL, no control characters */
	uint64_t number;
};

struct top_row {
	struct top_cell cells[TOP_COLUMNS_MAX];
	enum top_level level;
};

struct top_table {
	const struct top_column *columns;
	size_t n_columns;
	struct top_row *rows; /* owned */
	size_t n_rows;
	size_t capacity;
};

/* Something that is not as it should be, in a sentence, worst first. */
struct top_trouble {
	const char *text;
	enum top_level level;
};

struct top_sample {
	struct top_table tables[TOP_SECTION_N];
	struct top_trouble troubles[16];
	size_t n_troubles;
	const char *level; /* "healthy" ... */
	const char *version;
	uint64_t uptime_ms, connections, budget, clients;
	bool draining;
	uint64_t taken_us; /* on the caller's monotonic clock */
	bool out_of_memory;
	struct top_block *blocks; /* owned: the texts */
};

/* NULL without memory. */
struct top_sample *top_sample_new(uint64_t taken_us);
struct top_sample *top_sample_free(struct top_sample *s);

/* A copy that may be shown: white space is one blank, other control characters are \xNN. Without memory "". */
const char *top_sample_text(struct top_sample *s, const char *text);

/* A row of empty cells, valid until the next; NULL without memory. */
struct top_row *top_sample_row(struct top_sample *s, enum top_section section);

/* The text, and the number that it is, of the column of that field. */
void top_sample_set(struct top_sample *s, enum top_section section, struct top_row *row,
		    const char *field, const char *text);

/* The sentence finds its place by its level; what is beyond the room for them is left out. */
void top_sample_trouble(struct top_sample *s, enum top_level level, const char *text);

/* The cell of the column that has this field (of status.proto) or head; an empty one if there is none. */
const struct top_cell *top_cell(const struct top_table *t, const struct top_row *row,
				const char *name);

/* Of every sample the same. The first column's head is the section's name. */
const struct top_column *top_section_columns(enum top_section section, size_t *ret_n);
