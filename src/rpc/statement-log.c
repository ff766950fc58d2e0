/* SPDX-License-Identifier: MIT */
/*
 * One line for a request, with the text of its first statement. Parameters are what users' data is
 * made of: they are told only where log_parameters allows it, and have to be kept before they are
 * sent, because sending overwrites them.
 */
#include "rpc/statement-log.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "pg/text.h"
#include "rpc/rpc-internal.h"
#include "rpc/watch.h"
#include "util/log.h"

enum {
	TEXT_MOST = 1000,
	PARAMETERS_MOST = 500,
	VALUE_MOST = 60,
};

static bool is_binary(const struct pg_statement *s, uint32_t i)
{
	return s->n_formats > 0 && s->formats[s->n_formats == 1 ? 0 : i] == 1;
}

/* "$1 = '42', $2 = NULL, $3 = (16 bytes)": of the first set, as far as there is room. */
static void write_parameters(char *out, size_t size, const struct pg_statement *s)
{
	const uint8_t *at = s->params;
	size_t n = 0;
	uint32_t raw;

	out[0] = '\0';
	for (uint32_t i = 0; i < s->n_params && n < size; i++) {
		int32_t length;

		memcpy(&raw, at, sizeof(raw));
		length = (int32_t)le32toh(raw);
		at += sizeof(raw);
		n += (size_t)snprintf(out + n, size - n, "%s$%u = ", i ? ", " : "", i + 1);
		if (n >= size)
			return;
		if (length < 0)
			n += (size_t)snprintf(out + n, size - n, "NULL");
		else if (is_binary(s, i))
			n += (size_t)snprintf(out + n, size - n, "(%d bytes)", length);
		else
			n += (size_t)snprintf(out + n, size - n, "'%.*s%s'",
					      MIN(length, VALUE_MOST), (const char *)at,
					      length > VALUE_MOST ? "..." : "");
		at += MAX(length, 0);
	}
}

void statement_log_keep(struct request *r)
{
	const struct config *c = r->rpc->config;
	char text[PARAMETERS_MOST];

	if (!c->log_parameters || r->n_texts == 0 ||
	    (!c->log_statements && c->slow_query_us == USEC_NEVER))
		return;
	write_parameters(text, sizeof(text), &r->statements[0]);
	r->parameters_text = arena_strndup(&r->arena, text, strlen(text));
}

static const char *sql_of(const struct request *r)
{
	if (r->n_texts > 0)
		return r->texts[0]->sql;
	return r->simple_sql ? r->simple_sql : r->kind->name;
}

void statement_log_tell(const struct request *r)
{
	const struct config *c = r->rpc->config;
	usec now, ran;
	bool slow;

	if (!c->log_statements && c->slow_query_us == USEC_NEVER)
		return;
	now = rpc_now();
	ran = usec_sub(now, r->granted);
	slow = ran >= c->slow_query_us;
	if (!slow && !c->log_statements)
		return;
	if (slow)
		watch_statement(r, sql_of(r), usec_sub(r->granted, r->received), ran);
	log_write(
		slow ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
		LOG_FIELDS(
			log_str("APPLICATION", r->client ? r->client->name : NULL),
			log_str("POOL", r->pool->config->name),
			log_int("PID", r->client ? r->client->facts.pid : 0),
			log_str("UNIT", r->client && r->client->facts.unit[0]
						? r->client->facts.unit
						: NULL),
			log_str("CALL_SITE", *r->message->call_site ? r->message->call_site : NULL),
			log_str("TRACEPARENT",
				*r->message->traceparent ? r->message->traceparent : NULL),
			log_str("SQLSTATE", r->failure.sqlstate[0] ? r->failure.sqlstate : NULL),
			log_uint("WAIT_US", usec_sub(r->granted, r->received)),
			log_uint("RUN_US", ran), log_uint("STATEMENTS", r->n_texts),
			log_str("PARAMETERS", r->parameters_text)),
		"%s %.1f ms: %.*s", slow ? "slow statement," : "statement,",
		(double)ran / USEC_PER_MS, TEXT_MOST, sql_of(r));
}
