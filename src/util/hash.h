/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * uthash, which by itself ends the program where there is no memory. Told not to, HASH_ADD() leaves the
 * element out instead, and its handle without a table.
 */

#define HASH_NONFATAL_OOM 1

#include <stdbool.h>
#include <uthash.h>

/* To be asked after each HASH_ADD(); `handle` is the member that it was added by. */
#define hash_took(element, handle) ((element)->handle.tbl != NULL)
