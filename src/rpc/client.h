/* SPDX-License-Identifier: MIT */
#pragma once
/* A connected process: who it is, and what it has open. */

#include <stddef.h>
#include <stdint.h>

struct client;
struct config_facts;
struct rpc;
struct sp_conn;
struct sp_request;

/* For sp_ops; userdata is the rpc. */
void client_on_open(struct sp_conn *conn, void *userdata);
void client_on_message(struct sp_conn *conn, const struct sp_request *id, uint8_t *body, size_t len,
		       void *userdata);
void client_on_drained(struct sp_conn *conn, void *userdata);
void client_on_close(struct sp_conn *conn, void *userdata);

/* It says what it is called: at most 63 bytes. */
void client_declare(struct client *c, const char *application_name);

/* Finds its section and its share again, after the configuration has changed. */
void client_match(struct client *c);

void client_facts(const struct client *c, struct config_facts *ret_facts);
