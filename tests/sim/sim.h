/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One random schedule of so many steps; returns the virtual seconds that it took. */
double chaos_run(uint64_t seed, uint64_t steps);

/* Each prints its figures and says whether they are good enough. */
bool scenario_fairness(uint64_t seed);
bool scenario_weights(uint64_t seed);
bool scenario_neighbour(uint64_t seed);
bool scenario_minimum(uint64_t seed);
bool scenario_full_server(uint64_t seed);
bool scenario_priorities(uint64_t seed);
bool scenario_pipelining(uint64_t seed);
bool scenario_budget(uint64_t seed);
