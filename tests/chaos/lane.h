/* SPDX-License-Identifier: MIT */
#pragma once
/* What a thread of the ledger's client in C has: its choices, its transfers, its words for the log. */

#include <sidepool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lane {
	const char *path;
	char name[64];
	uint64_t state; /* of the choices */
	unsigned count;
	bool told_to_wait; /* the last error came at once, and the next one would too */
};

/* One transfer, as texts for parameters. */
struct transfer {
	char key[96];
	char from[16];
	char to[16];
	char amount[16];
	char minus[16];
};

void lane_init(struct lane *lane, const char *path, const char *name, const char *seed);
unsigned lane_below(struct lane *lane, unsigned n);
uint32_t lane_deadline_ms(struct lane *lane);

/* Writes one line of the log, by one write. */
void say(const char *kind, const char *key, const char *words);

/* Chooses a transfer and tells the log that it is about to be asked for. */
struct transfer lane_transfer(struct lane *lane, const char *how);

/*
 * Tells the log what became of it. `committing`: COMMIT had been asked for; before that, every
 * error means absence. Returns whether it was a success.
 */
bool lane_tell(struct lane *lane, const struct transfer *t, const struct sidepool_error *e,
	       bool committing);
