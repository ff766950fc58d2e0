/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Clients of the daemon, by the bytes of the wire. What they ask is written down, and every answer
 * is held to it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sidepool/v1/rpc.pb-c.h"

enum {
	CLIENTS_N = 4,
	ASKED_MOST = 64, /* by one client, and not answered yet */
	NO_WRITE = -1,
};

struct asked {
	uint32_t id; /* 0: none */
	int write;   /* the number in its INSERT, where its outcome is to be looked at */
};

struct player {
	int fd; /* -1: none */
	uint32_t last_id;
	bool greeted;
	bool may_be_closed; /* by client_idle_timeout, or because it reads too little */
	bool broken;        /* it sent what is no message: anything may become of it */
	struct asked asked[ASKED_MOST];
	unsigned n_asked;
	uint64_t lease_id, token, stream_id, statement_id; /* as told last */
	uint8_t *in;                                       /* owned */
	size_t in_bytes, in_capacity;
};

extern struct player clients[CLIENTS_N];

/* Connects and greets, where it is not connected. */
void client_connect(struct player *c, unsigned uid);
void client_leave(struct player *c);

/* Asks; `write` as in struct asked. `keep` bytes of it are not sent: the client never ends it. */
void client_ask(struct player *c, const Sidepool__V1__Request *request, int write, size_t keep);

/* Anything, as it is, or as the body of a request. */
void client_send_raw(struct player *c, const uint8_t *bytes, size_t n);
void client_send_body(struct player *c, const uint8_t *body, size_t n);

/* Takes in what has come, for all clients. Returns whether there was any. */
bool clients_read(void);

/* Whether anybody waits for an answer who ought to have one. */
bool clients_wait(void);

/* What was told of the writes has to agree with what became of them. */
void clients_check_writes(void);

void clients_reset(void);
