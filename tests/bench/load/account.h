/* SPDX-License-Identifier: MIT */
#pragma once
/* The question that most of the bench is made of: the balance of an account, by its key. */

#include <sidepool.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

/* The key of one by chance. */
uint32_t account_random(struct client *c);

/* Asks for an account by chance. Returns 0, or -1 where that could not be asked for. */
int account_ask(struct client *c, sidepool_reply_fn done);

/* Whether the reply has what was asked for; if there is no account, it counts as an error. */
bool account_check(struct client *c, const struct sidepool_reply *reply);
