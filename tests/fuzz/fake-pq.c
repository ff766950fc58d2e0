/* SPDX-License-Identifier: MIT */
/* The functions of libpq that src/pg calls; see fake-server.c for what becomes of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake-pq-internal.h"
#include "fuzz.h"

struct pg_cancel {
	int pid;
};

struct fake_counts fake_counts;
struct fake_conn_list fake_conns = TAILQ_HEAD_INITIALIZER(fake_conns);

static enum fake_door next_door;
static int last_pid;

void fake_set_door(enum fake_door door)
{
	next_door = door;
}

/* ---- connections ---- */

PGconn *PQconnectStartParams(const char *const *keywords, const char *const *values, int expand)
{
	PGconn *c = calloc(1, sizeof(*c));

	(void)keywords;
	(void)values;
	(void)expand;
	check(c);
	c->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	check(c->fd >= 0);
	c->pid = ++last_pid;
	c->door = next_door;
	c->zone = "UTC";
	c->transaction = PQTRANS_IDLE;
	TAILQ_INIT(&c->asked);
	TAILQ_INIT(&c->told);
	TAILQ_INIT(&c->here);
	TAILQ_INSERT_TAIL(&fake_conns, c, link);
	fake_counts.conns++;
	return c;
}

PostgresPollingStatusType PQconnectPoll(PGconn *c)
{
	static const char *const errors[] = {
		[FAKE_DOOR_REFUSED] = "connection to server failed: Connection refused\n",
		[FAKE_DOOR_FULL] = "FATAL:  sorry, too many clients already\n",
		[FAKE_DOOR_WRONG_PASSWORD] = "FATAL:  password authentication failed for user\n",
	};

	if (c->door == FAKE_DOOR_SLOW)
		return PGRES_POLLING_READING;
	if (c->door == FAKE_DOOR_OPEN) {
		c->connected = true;
		return PGRES_POLLING_OK;
	}
	(void)snprintf(c->error, sizeof(c->error), "%s", errors[c->door]);
	c->lost = true;
	return PGRES_POLLING_FAILED;
}

static void drop_told(struct told_list *list)
{
	struct told *t;

	while ((t = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, t, link);
		PQclear(t->result);
		free(t);
	}
}

void PQfinish(PGconn *c)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&c->asked)))
		fake_question_free(c, q);
	drop_told(&c->told);
	drop_told(&c->here);
	TAILQ_REMOVE(&fake_conns, c, link);
	(void)close(c->fd);
	fake_counts.conns--;
	free(c);
}

int PQsocket(const PGconn *c)
{
	return c->lost && c->told_lost ? -1 : c->fd;
}

ConnStatusType PQstatus(const PGconn *c)
{
	return c->told_lost || (c->lost && !c->connected) ? CONNECTION_BAD : CONNECTION_OK;
}

PGTransactionStatusType PQtransactionStatus(const PGconn *c)
{
	if (c->told_lost)
		return PQTRANS_UNKNOWN;
	if (!TAILQ_EMPTY(&c->asked) || !TAILQ_EMPTY(&c->told) || !TAILQ_EMPTY(&c->here))
		return PQTRANS_ACTIVE;
	return c->transaction;
}

const char *PQparameterStatus(const PGconn *c, const char *name)
{
	return !strcmp(name, "TimeZone")         ? c->zone
	       : !strcmp(name, "server_version") ? "15.0"
						 : NULL;
}

int PQserverVersion(const PGconn *c)
{
	(void)c;
	return 150000;
}

char *PQerrorMessage(const PGconn *c)
{
	return (char *)c->error;
}

int PQbackendPID(const PGconn *c)
{
	return c->pid;
}

int PQsetnonblocking(PGconn *c, int on)
{
	(void)c;
	(void)on;
	return 0;
}

int PQenterPipelineMode(PGconn *c)
{
	check(TAILQ_EMPTY(&c->asked));
	c->pipeline = true;
	return 1;
}

int PQexitPipelineMode(PGconn *c)
{
	check(TAILQ_EMPTY(&c->asked) && TAILQ_EMPTY(&c->told) && TAILQ_EMPTY(&c->here));
	c->pipeline = false;
	return !c->lost;
}

PQnoticeReceiver PQsetNoticeReceiver(PGconn *c, PQnoticeReceiver receiver, void *arg)
{
	c->notice = receiver;
	c->notice_arg = arg;
	return NULL;
}

/* ---- asking ---- */

static int ask(PGconn *c, enum asked_kind kind, const char *sql)
{
	struct question *q;

	if (c->told_lost)
		return 0;
	q = calloc(1, sizeof(*q));
	check(q);
	q->kind = kind;
	(void)snprintf(q->sql, sizeof(q->sql), "%s", sql);
	if (kind == ASKED_SIMPLE) {
		q->rest = strdup(sql);
		check(q->rest);
	}
	TAILQ_INSERT_TAIL(&c->asked, q, link);
	return 1;
}

int PQsendQuery(PGconn *c, const char *sql)
{
	check(!c->pipeline && TAILQ_EMPTY(&c->asked));
	return ask(c, ASKED_SIMPLE, sql);
}

int PQsendQueryParams(PGconn *c, const char *sql, int n, const Oid *types,
		      const char *const *values, const int *lengths, const int *formats, int format)
{
	(void)types;
	(void)lengths;
	(void)formats;
	(void)format;
	for (int i = 0; i < n; i++)
		check(!values[i] || strlen(values[i]) < SIZE_MAX);
	return ask(c, ASKED_EXECUTE, sql);
}

int PQsendPrepare(PGconn *c, const char *name, const char *sql, int n, const Oid *types)
{
	unsigned i = c->n_prepared++ % 64;

	(void)n;
	(void)types;
	(void)snprintf(c->prepared[i], sizeof(c->prepared[i]), "%s", name);
	(void)snprintf(c->texts[i], sizeof(c->texts[i]), "%s", sql);
	return ask(c, ASKED_PREPARE, sql);
}

int PQsendQueryPrepared(PGconn *c, const char *name, int n, const char *const *values,
			const int *lengths, const int *formats, int format)
{
	(void)n;
	(void)values;
	(void)lengths;
	(void)formats;
	(void)format;
	for (unsigned i = 0; i < 64; i++)
		if (!strcmp(c->prepared[i], name))
			return ask(c, ASKED_EXECUTE, c->texts[i]);
	abort(); /* a name that was never given */
}

int PQpipelineSync(PGconn *c)
{
	return ask(c, ASKED_SYNC, "");
}

int PQsendFlushRequest(PGconn *c)
{
	return !c->told_lost;
}

int PQflush(PGconn *c)
{
	return c->told_lost ? -1 : c->blocked;
}

int PQputCopyData(PGconn *c, const char *data, int n)
{
	(void)data;
	(void)n;
	return c->in_copy_in && !c->told_lost ? 1 : -1;
}

int PQputCopyEnd(PGconn *c, const char *failure)
{
	struct question *q = TAILQ_FIRST(&c->asked);

	if (!c->in_copy_in || c->told_lost || !q || q->kind != ASKED_COPY_IN)
		return -1;
	c->in_copy_in = false;
	q->kind = ASKED_SIMPLE;
	if (failure) {
		fake_fail(c, false, 1);
		(void)fake_tell(c, NULL);
		fake_question_free(c, q);
	} else {
		(void)fake_tell(c, fake_result_new(PGRES_COMMAND_OK, "COPY 1"));
	}
	return 1;
}

PGcancel *PQgetCancel(PGconn *c)
{
	PGcancel *k = malloc(sizeof(*k));

	check(k);
	k->pid = c->pid;
	fake_counts.cancels++;
	return k;
}

int PQcancel(PGcancel *k, char *error, int n)
{
	struct pg_conn *c;

	(void)error;
	(void)n;
	TAILQ_FOREACH (c, &fake_conns, link)
		if (c->pid == k->pid && !TAILQ_EMPTY(&c->asked))
			c->cancelled = true;
	return 1;
}

void PQfreeCancel(PGcancel *k)
{
	fake_counts.cancels -= k != NULL;
	free(k);
}

/* ---- taking in ---- */

static void give_notices(PGconn *c)
{
	PGresult *r;

	for (; c->n_notices > 0; c->n_notices--) {
		r = fake_result_new(PGRES_NONFATAL_ERROR, "");
		r->message = "by the way";
		r->sqlstate = "00000";
		if (c->notice)
			c->notice(c->notice_arg, r);
		PQclear(r);
	}
}

int PQconsumeInput(PGconn *c)
{
	uint64_t n;

	if (c->raised)
		check(read(c->fd, &n, sizeof(n)) == sizeof(n));
	c->raised = false;
	TAILQ_CONCAT(&c->here, &c->told, link);
	give_notices(c);
	if (!c->lost)
		return 1;
	c->told_lost = true;
	(void)snprintf(c->error, sizeof(c->error), "server closed the connection unexpectedly\n");
	return 0;
}

int PQisBusy(PGconn *c)
{
	return TAILQ_EMPTY(&c->here) && !c->told_lost;
}

PGresult *PQgetResult(PGconn *c)
{
	struct told *t = TAILQ_FIRST(&c->here);
	PGresult *r;

	if (!t)
		return NULL;
	check(!t->copy_line && !t->copy_end);
	r = t->result;
	TAILQ_REMOVE(&c->here, t, link);
	free(t);
	return r;
}

int PQgetCopyData(PGconn *c, char **ret_data, int async)
{
	struct told *t = TAILQ_FIRST(&c->here);
	bool is_line;

	check(async);
	if (!t)
		return c->told_lost ? -2 : 0;
	if (!t->copy_line && !t->copy_end)
		return -2; /* an error came in its place */
	is_line = t->copy_line;
	TAILQ_REMOVE(&c->here, t, link);
	free(t);
	if (!is_line)
		return -1;
	*ret_data = strdup("line\n");
	check(*ret_data);
	return 5;
}

PGnotify *PQnotifies(PGconn *c)
{
	PGnotify *n;

	if (c->n_notifies == 0)
		return NULL;
	c->n_notifies--;
	n = calloc(1, sizeof(*n));
	check(n);
	n->relname = (char *)"ch";
	n->extra = (char *)"payload";
	n->be_pid = 1;
	return n;
}

void PQfreemem(void *p)
{
	free(p);
}

int PQsetSingleRowMode(PGconn *c)
{
	return !TAILQ_EMPTY(&c->asked);
}
