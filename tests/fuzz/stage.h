/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The daemon's surroundings, played: its clock stands until it is moved, its thread pool works when
 * it is told to, its signals come from the script, and it listens nowhere.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct config_input;
struct core;
struct rpc;

/* Whoever plays: called when the daemon begins to run. It ends with stage_signal(SIGTERM). */
void stage_play(void);

/* What the daemon made of itself. */
struct core *stage_core(void);
struct rpc *stage_rpc(void);

/* Turns the loop until nothing more is likely to come of what happened. */
void stage_turn(void);

/* Moves the clock on, and turns. */
void stage_pass(uint64_t us);

/* Lets the thread pool, and the lookups, do what they have been given; false: there was nothing. */
bool stage_work(void);

void stage_signal(int number);

/* Whether the daemon has told its loop to stop. */
bool stage_is_over(void);

/* A client's end of a new connection, or -1: the daemon takes none any more. */
int stage_connect(uid_t uid);

/* Between two inputs. */
void stage_reset(void);
