/* SPDX-License-Identifier: MIT */
/*
 * The statement cache of one connection. A text is prepared when it comes for the second time (to
 * the daemon, not to the connection); the least recently used one makes room. A Parse that is still
 * under way is used by the call that sent it only: another call behind it would be told that the
 * statement does not exist if the Parse failed.
 *
 * A constant is read when its statement is parsed, and stays what it was then: '12:00'::timestamptz
 * by TimeZone, '1/2/2026'::date by DateStyle. So a prepared statement goes with the settings of its
 * Parse, and makes room for another where a lease has set others.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pg/conn-internal.h"
#include "pg/reading.h"
#include "pg/text.h"
#include "util/error.h"
#include "util/macro.h"

enum {
	USES_BEFORE_PREPARE = 2,
};

struct pg_prepared {
	struct pg_text *text; /* one reference */
	struct pg_call *call; /* borrowed while pending: whose Parse it is */
	enum pg_prepared_state state;
	uint32_t reading; /* pg_conn::reading as it was at the Parse */
	bool dropped;     /* pending, and to be forgotten when the answer comes */
	char name[PG_PREPARED_NAME_BYTES];
	UT_hash_handle hh;
	TAILQ_ENTRY(pg_prepared) link; /* pg_conn::by_use */
};

static struct pg_prepared *find(struct pg_conn *conn, struct pg_text *text)
{
	struct pg_prepared *p;

	HASH_FIND_PTR(conn->prepared, &text, p);
	return p;
}

static void unlink_prepared(struct pg_conn *conn, struct pg_prepared *p)
{
	HASH_DEL(conn->prepared, p);
	TAILQ_REMOVE(&conn->by_use, p, link);
	conn->n_prepared--;
}

static void free_prepared(struct pg_prepared *p)
{
	pg_text_unref(p->text);
	free(p);
}

static void deallocate(struct pg_conn *conn, const char *name)
{
	char sql[PG_PREPARED_NAME_BYTES + 16];

	(void)snprintf(sql, sizeof(sql), "DEALLOCATE %s", name);
	if (PQsendQueryParams(conn->pq, sql, 0, NULL, NULL, NULL, NULL, 0))
		(void)pg_answers_push(conn, (struct pg_answer){ .kind = PG_ANSWER_FORGET });
}

static void evict(struct pg_conn *conn, struct pg_prepared *p)
{
	unlink_prepared(conn, p);
	deallocate(conn, p->name);
	free_prepared(p);
}

static void evict_oldest(struct pg_conn *conn)
{
	struct pg_prepared *p = TAILQ_LAST(&conn->by_use, pg_prepared_list);

	while (p && p->state == PG_PREPARED_PENDING)
		p = TAILQ_PREV(p, pg_prepared_list, link);
	if (p)
		evict(conn, p);
}

static struct pg_prepared *add(struct pg_conn *conn, struct pg_text *text, struct pg_call *call)
{
	struct pg_prepared *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->text = text;
	p->call = call;
	p->reading = conn->reading;
	/* Never the same twice: a DEALLOCATE behind a failed statement is not run. */
	(void)snprintf(p->name, sizeof(p->name), "s%u_%u", text->serial, conn->n_named++);
	HASH_ADD_PTR(conn->prepared, text, p);
	if (!hash_took(p, hh)) {
		free(p);
		return NULL;
	}
	(void)pg_text_ref(text);
	TAILQ_INSERT_HEAD(&conn->by_use, p, link);
	conn->n_prepared++;
	return p;
}

static struct pg_prepared *prepare(struct pg_conn *conn, struct pg_text *text, struct pg_call *call,
				   uint32_t tag)
{
	struct pg_prepared *p;

	if (text->uses < USES_BEFORE_PREPARE || conn->settings.max_prepared == 0 ||
	    text->class.several)
		return NULL;
	if (conn->n_prepared >= conn->settings.max_prepared)
		evict_oldest(conn);
	p = add(conn, text, call);
	if (!p)
		return NULL;
	if (!PQsendPrepare(conn->pq, p->name, text->sql, (int)text->n_types, text->types) ||
	    pg_answers_push(conn, (struct pg_answer){ .kind = PG_ANSWER_PREPARE,
						      .call = call,
						      .tag = tag,
						      .prepared = p }) < 0) {
		unlink_prepared(conn, p);
		free_prepared(p);
		return NULL;
	}
	return p;
}

static uint32_t hash_of_settings(const struct pg_conn *conn)
{
	static const char *const names[] = { "TimeZone", "DateStyle", "IntervalStyle",
					     "standard_conforming_strings", "client_encoding" };
	uint32_t hash = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = PQparameterStatus(conn->pq, names[i]);

		for (const char *c = value ? value : ""; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 16777619U;
		hash = (hash ^ 0xffU) * 16777619U;
	}
	return hash ? hash : 1;
}

void pg_conn_look_how_it_reads(struct pg_conn *conn)
{
	if (conn->reading != 0 && !conn->reading_may_differ)
		return;
	if (conn->reading == 0)
		conn->reading_first = hash_of_settings(conn);
	conn->reading = hash_of_settings(conn);
	/* A transaction may end without a statement of the client's. */
	if (!conn->reading_may_change && conn->reading == conn->reading_first)
		conn->reading_may_differ = false;
}

void pg_conn_may_read_otherwise(struct pg_conn *conn)
{
	conn->reading_may_differ = conn->reading_may_change = true;
}

const char *pg_prepared_for(struct pg_conn *conn, struct pg_text *text, struct pg_call *call,
			    uint32_t tag)
{
	struct pg_prepared *p = find(conn, text);

	if (conn->reading_may_change)
		return NULL;
	if (p && p->reading != conn->reading) {
		if (p->state == PG_PREPARED_PENDING)
			return NULL;
		evict(conn, p);
		p = NULL;
	}
	if (!p)
		p = prepare(conn, text, call, tag);
	if (!p || (p->state == PG_PREPARED_PENDING && p->call != call))
		return NULL;
	if (p != TAILQ_FIRST(&conn->by_use)) {
		TAILQ_REMOVE(&conn->by_use, p, link);
		TAILQ_INSERT_HEAD(&conn->by_use, p, link);
	}
	return p->name;
}

void pg_prepared_done(struct pg_conn *conn, struct pg_prepared *p, bool ok)
{
	p->call = NULL;
	p->state = PG_PREPARED_READY;
	if (p->dropped) {
		free_prepared(p);
		return;
	}
	if (ok)
		return;
	unlink_prepared(conn, p);
	free_prepared(p);
}

void pg_conn_forget_prepared(struct pg_conn *conn)
{
	struct pg_prepared *p, *next;

	for (p = TAILQ_FIRST(&conn->by_use); p; p = next) {
		next = TAILQ_NEXT(p, link);
		unlink_prepared(conn, p);
		if (p->state == PG_PREPARED_PENDING)
			p->dropped = true;
		else
			free_prepared(p);
	}
}

void pg_conn_unprepare(struct pg_conn *conn, struct pg_text *text)
{
	struct pg_prepared *p = find(conn, text);

	if (!p || p->state == PG_PREPARED_PENDING)
		return;
	unlink_prepared(conn, p);
	deallocate(conn, p->name);
	free_prepared(p);
}

void pg_conn_unprepare_all(struct pg_conn *conn)
{
	struct pg_prepared *p, *next;

	for (p = TAILQ_FIRST(&conn->by_use); p; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->state == PG_PREPARED_READY)
			pg_conn_unprepare(conn, p->text);
	}
}

void pg_prepared_deinit(struct pg_conn *conn)
{
	struct pg_prepared *p;

	while ((p = TAILQ_FIRST(&conn->by_use))) {
		unlink_prepared(conn, p);
		free_prepared(p);
	}
}
