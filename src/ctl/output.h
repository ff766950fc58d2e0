/* SPDX-License-Identifier: MIT */
#pragma once
/* Rows on standard output as they come: aligned, CSV or JSON. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ctl/ctl.h"

struct output {
	enum ctl_format format;
	FILE *out;
	bool begun;
	size_t rows;
	size_t n_columns;
	size_t *widths; /* owned; aligned only */
	bool *right;    /* owned */
};

/*
 * Prints the rows of `result`, and the head before the first. The aligned table takes its widths
 * from the first chunk alone, so that nothing is held back: a wider value further down pushes its
 * line out of shape. Returns false without memory.
 */
bool output_rows(struct output *o, const struct sidepool_result *result);

/* The foot: "(3 rows)". A statement without columns shows its tag instead. */
void output_end(struct output *o, const char *tag);

/* One value as JSON: numbers, booleans and json as they are, everything else as a string. */
void output_json_value(FILE *out, const struct sidepool_result *result, size_t row, size_t column);

void output_json_text(FILE *out, const char *text);

/* One row as a JSON object. */
void output_json_row(FILE *out, const struct sidepool_result *result, size_t row);

/* Whether values of that type OID are numbers. */
bool output_is_number(uint32_t type);
