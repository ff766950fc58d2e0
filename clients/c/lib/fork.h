/* SPDX-License-Identifier: MIT */
#pragma once
/* Tells a process from its children without a system call. */

#include <stdint.h>

/* A number that is the same for the life of a process and another one in each child. Never 0; 0
 * means that it cannot be known. */
uint32_t fork_generation(void);
