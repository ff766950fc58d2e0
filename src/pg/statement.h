/* SPDX-License-Identifier: MIT */
#pragma once
/* What is run on a connection. */

#include <stddef.h>
#include <stdint.h>

struct pg_text;

/* One statement with its parameters. Everything is borrowed for the call that takes it. */
struct pg_statement {
	struct pg_text *text;
	uint32_t n_params;
	const uint32_t *formats; /* n_formats: 0 (all text), 1 (for all) or n_params */
	uint32_t n_formats;
	/* packed rows, overwritten; one more byte behind them is ours as well */
	uint8_t *params;
	size_t params_bytes;
	uint32_t n_sets;
	int result_format;
};
