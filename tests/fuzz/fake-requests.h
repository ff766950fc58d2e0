/* SPDX-License-Identifier: MIT */
#pragma once
/* Requests of all kinds, made of a few bytes of the input and what the client knows. */

struct player;
struct input;

void ask_something(struct player *c, struct input *in);

/* Between two inputs. */
void requests_reset(void);
