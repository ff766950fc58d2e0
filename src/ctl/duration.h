/* SPDX-License-Identifier: MIT */
#pragma once
/* Lengths of time as people write them, and numbers that have to be short. */

#include <stdbool.h>
#include <stdint.h>

/* "250ms", "30s", "2m", "1h": a number without a unit is refused. Sets milliseconds on success,
 * from 1 on. */
bool duration_parse(const char *text, uint32_t *ret_ms);

/* Short, for tables: "850us", "85ms", "4.2s", "3m05s", "2h07m", "9d03h", "2y104d". `out` has room
 * for 16 bytes. */
void duration_print(uint64_t us, char out[16]);
void duration_print_ms(uint64_t ms, char out[16]);

/* The same in at most 7 columns: ten years and more are years alone. */
void duration_print_short(uint64_t us, char out[16]);

/* In at most 4 columns: "9999", "12k", "4.7M". */
void count_print_short(uint64_t n, char out[16]);
