/* SPDX-License-Identifier: MIT */
/*
 * The statement cache of one connection. A text is prepared when it comes for the second time (to
 * the daemon, not to the connection); the least recently used one makes room. A Parse that is still
 * under way is used by the call that sent it only: another call behind it would be told that the
 * statement does not exist if the Parse failed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pg/conn-internal.h"
#include "pg/text.h"
#include "util/error.h"

enum {
	USES_BEFORE_PREPARE = 2,
	NAME_BYTES = 24,
};

struct pg_prepared {
	struct pg_text *text; /* one reference */
	struct pg_call *call; /* borrowed while pending: whose Parse it is */
	enum pg_prepared_state state;
	bool dropped; /* pending, and to be forgotten when the answer comes */
	char name[NAME_BYTES];
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
	char sql[NAME_BYTES + 16];

	(void)snprintf(sql, sizeof(sql), "DEALLOCATE %s", name);
	if (PQsendQueryParams(conn->pq, sql, 0, NULL, NULL, NULL, NULL, 0))
		(void)pg_answers_push(conn, (struct pg_answer){ .kind = PG_ANSWER_FORGET });
}

static void evict_oldest(struct pg_conn *conn)
{
	struct pg_prepared *p = TAILQ_LAST(&conn->by_use, pg_prepared_list);

	while (p && p->state == PG_PREPARED_PENDING)
		p = TAILQ_PREV(p, pg_prepared_list, link);
	if (!p)
		return;
	unlink_prepared(conn, p);
	deallocate(conn, p->name);
	free_prepared(p);
}

static struct pg_prepared *add(struct pg_conn *conn, struct pg_text *text, struct pg_call *call)
{
	struct pg_prepared *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->text = text;
	p->call = call;
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

const char *pg_prepared_for(struct pg_conn *conn, struct pg_text *text, struct pg_call *call,
			    uint32_t tag)
{
	struct pg_prepared *p = find(conn, text);

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
