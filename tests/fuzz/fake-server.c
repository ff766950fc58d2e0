/* SPDX-License-Identifier: MIT */
/*
 * What is asked waits in `asked` until the script has it answered; results then wait in `told`, and
 * the connection's descriptor is readable while there are any that were not taken in. As libpq
 * does, the results of a statement end with a NULL, a Sync is a result of its own, and after an
 * error everything up to the next Sync comes back as aborted.
 *
 * The server keeps what a transaction has written apart until it commits: at the Sync, or by
 * COMMIT. Only "INSERT n." writes; the dot tells it from a longer number that was cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake-pq-internal.h"
#include "fuzz.h"

unsigned fake_writes[FAKE_WRITES_N], fake_seen[FAKE_WRITES_N];

void fake_forget_writes(void)
{
	memset(fake_writes, 0, sizeof(fake_writes));
	memset(fake_seen, 0, sizeof(fake_seen));
}

static void raise_fd(struct pg_conn *c)
{
	uint64_t one = 1;

	if (!c->raised)
		check(write(c->fd, &one, sizeof(one)) == sizeof(one));
	c->raised = true;
}

PGresult *fake_result_new(ExecStatusType status, const char *tag)
{
	PGresult *r = calloc(1, sizeof(*r));

	check(r);
	r->status = status;
	(void)snprintf(r->tag, sizeof(r->tag), "%s", tag);
	(void)snprintf(r->value, sizeof(r->value), "1");
	fake_counts.results++;
	return r;
}

struct told *fake_tell(struct pg_conn *c, PGresult *result)
{
	struct told *t = calloc(1, sizeof(*t));

	check(t);
	t->result = result;
	TAILQ_INSERT_TAIL(&c->told, t, link);
	raise_fd(c);
	return t;
}

static PGresult *error_new(const char *sqlstate, const char *severity, const char *message)
{
	PGresult *r = fake_result_new(PGRES_FATAL_ERROR, "");

	r->sqlstate = sqlstate;
	r->severity = severity;
	r->message = message;
	return r;
}

static void roll_back(struct pg_conn *c)
{
	memset(c->pending, 0, sizeof(c->pending));
	c->transaction = PQTRANS_IDLE;
	c->read_only = false;
}

static void commit(struct pg_conn *c)
{
	for (unsigned i = 0; i < FAKE_WRITES_N; i++)
		fake_writes[i] += c->pending[i];
	roll_back(c);
}

static bool begins(const char *sql, const char *with)
{
	return !strncmp(sql, with, strlen(with));
}

/* What a statement does to its session. Returns its tag, or NULL: it has rows. */
static const char *carry_out(struct pg_conn *c, const char *sql)
{
	unsigned n;
	char dot;

	if (begins(sql, "BEGIN")) {
		c->transaction = PQTRANS_INTRANS;
		c->read_only = begins(sql, "BEGIN READ ONLY");
	} else if (begins(sql, "COMMIT"))
		commit(c);
	else if (begins(sql, "ROLLBACK"))
		roll_back(c);
	else if (sscanf(sql, "INSERT %u%c", &n, &dot) == 2 && dot == '.' && n < FAKE_WRITES_N) {
		fake_seen[n]++;
		c->pending[n]++;
		return "INSERT 0 1";
	} else if (begins(sql, "SELECT") || begins(sql, "WITH")) {
		return NULL;
	}
	return begins(sql, "BEGIN")      ? "BEGIN"
	       : begins(sql, "COMMIT")   ? "COMMIT"
	       : begins(sql, "ROLLBACK") ? "ROLLBACK"
	       : begins(sql, "SET")      ? "SET"
					 : "DO";
}

static void set_columns(PGresult *r, const char *sql)
{
	r->n_columns = begins(sql, "SELECT current_setting") ? 4
		       : begins(sql, "WITH")                 ? 2
		       : begins(sql, "SELECT pg_catalog")    ? 3
							     : 1;
	if (begins(sql, "SELECT current_setting"))
		(void)snprintf(r->value, sizeof(r->value), "100");
	if (begins(sql, "SELECT count"))
		(void)snprintf(r->value, sizeof(r->value), "0");
}

static void tell_rows(struct pg_conn *c, const char *sql, unsigned n)
{
	PGresult *r;

	if (begins(sql, "WITH"))
		n = n > 12; /* functions that change the session: seldom */
	else if (!begins(sql, "SELECT n"))
		n = 1;
	for (unsigned i = 0; i < n; i++) {
		r = fake_result_new(PGRES_SINGLE_TUPLE, "");
		set_columns(r, sql);
		r->n_rows = 1;
		(void)fake_tell(c, r);
	}
	r = fake_result_new(PGRES_TUPLES_OK, "SELECT 1");
	set_columns(r, sql);
	(void)fake_tell(c, r);
}

static void fail_with(struct pg_conn *c, PGresult *error)
{
	(void)fake_tell(c, error);
	memset(c->pending, 0, sizeof(c->pending));
	if (c->transaction != PQTRANS_IDLE)
		c->transaction = PQTRANS_INERROR;
	c->cancelled = false;
}

void fake_fail(struct pg_conn *c, bool is_fatal, unsigned n)
{
	static const char *const states[] = {
		"22012", "57014", "40001", "0A000", "25P02", "53100"
	};

	fail_with(c, is_fatal ? error_new("57P01", "FATAL", "terminating connection")
			      : error_new(c->cancelled ? "57014" : states[n % 6], "ERROR",
					  n % 6 == 3 ? "cached plan must not change result type"
						     : "it failed"));
}

static void lose(struct pg_conn *c)
{
	c->lost = true;
	raise_fd(c);
}

void fake_question_free(struct pg_conn *c, struct question *q)
{
	TAILQ_REMOVE(&c->asked, q, link);
	free(q->rest);
	free(q);
}

/* A COPY waits for its data, or hands some out. Returns whether it was one. */
static bool start_copy(struct pg_conn *c, struct question *q, const char *sql)
{
	struct told *t;

	if (!begins(sql, "COPY"))
		return false;
	if (strstr(sql, "FROM")) {
		(void)fake_tell(c, fake_result_new(PGRES_COPY_IN, ""));
		q->kind = ASKED_COPY_IN;
		c->in_copy_in = true;
		return true;
	}
	(void)fake_tell(c, fake_result_new(PGRES_COPY_OUT, ""));
	for (int i = 0; i < COPY_LINES; i++) {
		t = fake_tell(c, NULL);
		t->copy_line = true;
	}
	fake_tell(c, NULL)->copy_end = true;
	(void)fake_tell(c, fake_result_new(PGRES_COMMAND_OK, "COPY 3"));
	return false;
}

/* Statement by statement; the rest stays when a COPY waits. */
static void answer_simple(struct pg_conn *c, struct question *q, unsigned n)
{
	char *at = q->rest, *end;
	const char *tag;

	while (*at) {
		end = at + strcspn(at, ";");
		if (*end)
			*end++ = '\0';
		at += strspn(at, " \n");
		if (begins(at, "COPY")) {
			if (start_copy(c, q, at)) {
				memmove(q->rest, end, strlen(end) + 1);
				return;
			}
		} else if (*at) {
			tag = carry_out(c, at);
			if (tag)
				(void)fake_tell(c, fake_result_new(PGRES_COMMAND_OK, tag));
			else
				tell_rows(c, at, n);
		}
		at = end;
	}
	if (c->transaction == PQTRANS_IDLE)
		commit(c);
	(void)fake_tell(c, NULL);
	fake_question_free(c, q);
}

/* In a failed transaction only its end is let through, which is a ROLLBACK whatever it says. */
static const char *end_or_carry_out(struct pg_conn *c, const char *sql)
{
	if (c->transaction != PQTRANS_INERROR)
		return carry_out(c, sql);
	roll_back(c);
	return "ROLLBACK";
}

static void answer_statement(struct pg_conn *c, struct question *q, unsigned n)
{
	const char *tag;

	if (c->aborted) {
		(void)fake_tell(c, fake_result_new(PGRES_PIPELINE_ABORTED, ""));
	} else if (q->kind == ASKED_PREPARE) {
		(void)fake_tell(c, fake_result_new(PGRES_COMMAND_OK, ""));
	} else if (c->transaction == PQTRANS_INERROR && !begins(q->sql, "ROLLBACK") &&
		   !begins(q->sql, "COMMIT")) {
		fake_fail(c, false, 4);
		c->aborted = true;
	} else if (c->read_only && begins(q->sql, "INSERT")) {
		fail_with(c, error_new("25006", "ERROR", "it is read-only"));
		c->aborted = true;
	} else {
		tag = end_or_carry_out(c, q->sql);
		if (tag)
			(void)fake_tell(c, fake_result_new(PGRES_COMMAND_OK, tag));
		else
			tell_rows(c, q->sql, n);
	}
	(void)fake_tell(c, NULL);
	fake_question_free(c, q);
}

static void answer(struct pg_conn *c, struct question *q, enum fake_deed deed, unsigned n)
{
	bool fails = deed == FAKE_ERROR || deed == FAKE_FATAL || c->cancelled;

	if (q->kind == ASKED_COPY_IN && !fails)
		return;
	if (q->kind == ASKED_SYNC) {
		if (c->transaction == PQTRANS_IDLE)
			commit(c);
		c->aborted = false;
		(void)fake_tell(c, fake_result_new(PGRES_PIPELINE_SYNC, ""));
		fake_question_free(c, q);
	} else if (fails && !c->aborted) {
		fake_fail(c, deed == FAKE_FATAL, n);
		(void)fake_tell(c, NULL);
		c->in_copy_in = false;
		c->aborted = c->pipeline;
		fake_question_free(c, q);
	} else if (q->kind == ASKED_SIMPLE) {
		answer_simple(c, q, n);
	} else {
		answer_statement(c, q, n);
	}
	if (deed == FAKE_FATAL)
		lose(c);
}

static struct pg_conn *conn_at(unsigned i)
{
	struct pg_conn *c;

	if (fake_counts.conns == 0)
		return NULL;
	i %= fake_counts.conns;
	TAILQ_FOREACH (c, &fake_conns, link)
		if (i-- == 0)
			return c;
	return NULL;
}

static void serve(struct pg_conn *c, enum fake_deed deed, unsigned n)
{
	struct question *q = TAILQ_FIRST(&c->asked);

	switch (deed) {
	case FAKE_LOSE:
		lose(c);
		break;
	case FAKE_BLOCK:
		c->blocked = !c->blocked;
		break;
	case FAKE_NOTICE:
		c->n_notices += c->n_notices < 4;
		raise_fd(c);
		break;
	case FAKE_NOTIFY:
		c->n_notifies += c->n_notifies < 4;
		raise_fd(c);
		break;
	case FAKE_SETTING:
		c->zone = n % 2 ? "UTC" : "Europe/Berlin";
		break;
	case FAKE_ANSWER_ALL:
		while ((q = TAILQ_FIRST(&c->asked)) && !c->lost && !c->in_copy_in)
			answer(c, q, FAKE_ANSWER, n);
		break;
	default:
		if (q && !c->lost)
			answer(c, q, deed, n);
	}
}

void fake_serve(unsigned i, enum fake_deed deed, unsigned n)
{
	struct pg_conn *c = conn_at(i);

	if (!c)
		return;
	if (!c->connected && c->door == FAKE_DOOR_SLOW) {
		c->door = FAKE_DOOR_OPEN;
		raise_fd(c);
	} else if (c->connected && !c->lost) {
		serve(c, deed, n);
	}
}

bool fake_serve_all(void)
{
	bool any = false;
	struct pg_conn *c;

	TAILQ_FOREACH (c, &fake_conns, link) {
		if (!c->connected && c->door == FAKE_DOOR_SLOW) {
			c->door = FAKE_DOOR_OPEN;
			raise_fd(c);
			any = true;
		}
		c->blocked = false;
		if (!c->connected || c->lost || TAILQ_EMPTY(&c->asked) || c->in_copy_in)
			continue;
		any = true;
		serve(c, FAKE_ANSWER_ALL, 2);
	}
	return any;
}
