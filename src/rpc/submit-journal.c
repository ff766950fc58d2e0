/* SPDX-License-Identifier: MIT */
/*
 * One piece of work at a time is with a thread: a run of records to be appended, or the whole of
 * what is not done, written anew. The latter where much of the file is done with, and where an
 * append has failed: it has every note that the append had. What comes in meanwhile waits in
 * `pending`.
 *
 * Once a note is on disk, the entry's row in the database is of no more use: submit-tidy.c.
 */
#include "rpc/submit-journal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/submit-internal.h"
#include "rpc/submit-log.h"
#include "rpc/submit-tidy.h"
#include "util/error.h"
#include "util/log.h"

enum {
	REWRITE_BYTES = 1 << 20, /* a file may have so much that is done with */
	REWRITE_IDLE_BYTES = 64 * 1024,
	KEEP_BYTES = 64 * 1024,
};

struct submit_journal {
	struct submits *submits;  /* borrowed */
	struct submit_log log;    /* the thread's while `busy` */
	struct submit_tidy *tidy; /* owned */
	char id[2 * SUBMIT_LOG_ID_BYTES + 1];
	uint64_t bytes; /* of the file, as of the last piece of work */
	struct buf pending;
	bool behind; /* the file has not what `pending` had: only a rewrite helps */
	struct submit_noted_list noted; /* their notes are in pending */

	uv_work_t work;
	bool busy;
	bool rewrites;
	uint64_t next_id;
	struct buf records;
	uint32_t n_writing; /* the first of submits::entering */
	struct submit_noted_list writing_noted;
	int result;
	char failure[128];
};

/* ---- a piece of work ---- */

static void start(struct submit_journal *j);

static void do_work(uv_work_t *work)
{
	struct submit_journal *j = container_of(work, struct submit_journal, work);

	j->result = j->rewrites ? submit_log_rewrite(&j->log, j->next_id, &j->records)
				: submit_log_append(&j->log, &j->records);
}

static void tell_failure(struct submit_journal *j)
{
	if (!*j->failure)
		log_error(
			LOG_NO_FIELDS,
			"submit_journal %s cannot be written: %s; nothing is accepted until it can",
			j->log.path, strerror(-j->result));
	(void)snprintf(j->failure, sizeof(j->failure), "%s", strerror(-j->result));
}

static void tell_success(struct submit_journal *j)
{
	if (*j->failure)
		log_notice(LOG_NO_FIELDS, "submit_journal %s is written again", j->log.path);
	j->failure[0] = '\0';
	j->behind = false;
}

/* Those that were in it are accepted, or refused. */
static void answer(struct submit_journal *j)
{
	struct submits *s = j->submits;
	char why[256];

	(void)snprintf(why, sizeof(why), "the journal of submitted writes cannot be written: %s",
		       strerror(-j->result));
	for (; j->n_writing > 0; j->n_writing--)
		submits_entered(TAILQ_FIRST(&s->entering), j->result < 0 ? why : NULL,
				!j->log.broken);
}

static void on_worked(uv_work_t *work, int status)
{
	struct submit_journal *j = container_of(work, struct submit_journal, work);
	struct submits *s = j->submits;

	j->busy = false;
	j->bytes = (uint64_t)j->log.length;
	buf_reset(&j->records, KEEP_BYTES);
	if (status < 0)
		j->result = status;
	if (j->result < 0) {
		tell_failure(j);
		j->behind = true;
		TAILQ_CONCAT(&j->noted, &j->writing_noted, link);
	} else {
		tell_success(j);
		submit_tidy_rows(j->tidy, &j->writing_noted);
	}
	answer(j);
	if (j->result == 0 || s->n_entering > 0)
		start(j);
	if (!s->stopped)
		submits_look(s->rpc);
}

static bool is_bloated(const struct submit_journal *j)
{
	const struct submits *s = j->submits;

	if (s->queue.n + s->n_entering == 0)
		return j->bytes > REWRITE_IDLE_BYTES;
	return j->bytes > REWRITE_BYTES && j->bytes / 4 > s->queue.bytes + s->bytes_entering;
}

/* All that is not done. Returns 0 or -ENOMEM. */
static int put_all(struct submit_journal *j)
{
	const struct submits *s = j->submits;
	const struct submission *q;
	const struct submitted *w;
	int r = 0;

	TAILQ_FOREACH (q, &s->queue.all, order) {
		w = container_of(q, struct submitted, queued);
		if (r == 0)
			r = submit_log_put_entry(&j->records, buf_at(&w->bytes),
						 buf_len(&w->bytes));
	}
	TAILQ_FOREACH (w, &s->entering, link)
		if (r == 0)
			r = submit_log_put_entry(&j->records, buf_at(&w->bytes),
						 buf_len(&w->bytes));
	return r;
}

static void fail_at_once(struct submit_journal *j, int why)
{
	j->result = why;
	j->behind = true;
	buf_reset(&j->records, KEEP_BYTES);
	tell_failure(j);
	answer(j);
}

static void start(struct submit_journal *j)
{
	int r = 0;

	if (j->busy || (buf_len(&j->pending) == 0 && j->submits->n_entering == 0))
		return;
	j->rewrites = j->behind || is_bloated(j);
	j->next_id = j->submits->last_id + 1;
	j->n_writing = j->submits->n_entering;
	if (j->rewrites)
		r = put_all(j);
	else
		r = buf_append(&j->records, buf_at(&j->pending), buf_len(&j->pending));
	buf_reset(&j->pending, KEEP_BYTES);
	if (r < 0) {
		fail_at_once(j, r);
		return;
	}
	TAILQ_CONCAT(&j->writing_noted, &j->noted, link);
	j->busy = true;
	r = uv_queue_work(j->submits->rpc->loop, &j->work, do_work, on_worked);
	if (r < 0) {
		j->busy = false;
		fail_at_once(j, r);
	}
}

void submit_journal_enter(struct submit_journal *j, struct submitted *w)
{
	if (submit_log_put_entry(&j->pending, buf_at(&w->bytes), buf_len(&w->bytes)) < 0)
		j->behind = true;
	start(j);
}

void submit_journal_done(struct submit_journal *j, struct submitted *w)
{
	if (submit_log_put_done(&j->pending, w->record.id) < 0)
		j->behind = true;
	submit_tidy_note(&j->noted, w);
	start(j);
}

/* ---- reading ---- */

struct reading {
	struct submits *s;
	struct submitted_list found;
};

static int on_entry(void *userdata, const uint8_t *bytes, size_t n)
{
	struct reading *reading = userdata;
	struct submit_record record;
	struct submitted *w;
	struct arena arena;
	Sidepool__V1__Request *m;

	if (submit_record_read(bytes, n, &record) != 0)
		return 1;
	w = submitted_new(reading->s, &record);
	if (!w)
		return 1;
	arena_init(&arena, 0);
	m = submitted_unpack(w, &arena);
	if (m) {
		w->key_bytes = (uint8_t)m->submit->key.len;
		if (w->key_bytes > 0)
			memcpy(w->key, m->submit->key.data, w->key_bytes);
		w->n_statements = m->submit->n_statements;
		/* it may have been run, and the note not have been written */
		w->maybe_done = true;
		TAILQ_INSERT_TAIL(&reading->found, w, link);
		reading->s->last_id = MAX(reading->s->last_id, record.id);
	} else {
		(void)submitted_free(w);
	}
	arena_deinit(&arena);
	return m ? 0 : 1;
}

static int on_done(void *userdata, uint64_t id)
{
	struct reading *reading = userdata;
	struct submitted *w;

	TAILQ_FOREACH (w, &reading->found, link)
		if (w->record.id == id)
			break;
	if (!w)
		return 0;
	TAILQ_REMOVE(&reading->found, w, link);
	(void)submitted_free(w);
	return 0;
}

static int queue_found(struct submitted_list *found)
{
	struct submitted *w;

	while ((w = TAILQ_FIRST(found))) {
		if (submitted_enqueue(w) < 0)
			return -1;
		TAILQ_REMOVE(found, w, link);
		w->counts->recovered_total++;
	}
	return 0;
}

static void write_id(struct submit_journal *j)
{
	for (size_t i = 0; i < SUBMIT_LOG_ID_BYTES; i++)
		(void)snprintf(j->id + 2 * i, 3, "%02x", j->log.id[i]);
}

static int read_log(struct submit_journal *j, const char *path)
{
	struct submits *s = j->submits;
	struct reading reading = { .s = s };
	struct submit_log_reader reader = { .entry = on_entry,
					    .done = on_done,
					    .userdata = &reading };
	uint64_t fresh[2] = { rpc_random(s->rpc), rpc_random(s->rpc) };
	char why[512];
	int r;

	TAILQ_INIT(&reading.found);
	r = submit_log_open(&j->log, path, (const uint8_t *)fresh, &reader, why, sizeof(why));
	if (r == 0)
		r = queue_found(&reading.found);
	while (!TAILQ_EMPTY(&reading.found)) {
		struct submitted *w = TAILQ_FIRST(&reading.found);

		TAILQ_REMOVE(&reading.found, w, link);
		(void)submitted_free(w);
	}
	if (r < 0)
		log_error(LOG_NO_FIELDS, "submit_journal %s cannot be used: %s", path,
			  *why ? why : "out of memory");
	else if (*why)
		log_warning(LOG_NO_FIELDS, "submit_journal %s: %s", path, why);
	return r;
}

int submit_journal_open(struct submits *s, const char *path)
{
	struct submit_journal *j = calloc(1, sizeof(*j));

	if (!j) {
		log_error(LOG_NO_FIELDS, "submit_journal %s cannot be used: out of memory", path);
		return -1;
	}
	/* A limit on the length of files is an error of the write, not our end. */
	(void)signal(SIGXFSZ, SIG_IGN);
	j->submits = s;
	TAILQ_INIT(&j->noted);
	TAILQ_INIT(&j->writing_noted);
	if (read_log(j, path) < 0) {
		submit_log_close(&j->log);
		free(j);
		return -1;
	}
	s->last_id = MAX(s->last_id, j->log.next_id - 1);
	j->bytes = (uint64_t)j->log.length;
	write_id(j);
	s->journal = j;
	j->tidy = submit_tidy_new(s, j->id, s->last_id);
	if (s->queue.n > 0)
		log_notice(LOG_FIELDS(log_uint("SUBMISSIONS", s->queue.n)),
			   "submit_journal %s: %u submitted writes are to be run", path,
			   s->queue.n);
	return j->tidy ? 0 : err_raise(-ENOMEM);
}

uint64_t submit_journal_bytes(const struct submit_journal *j)
{
	return j->bytes;
}

const char *submit_journal_failure(const struct submit_journal *j)
{
	return j->failure;
}

void submit_journal_stop(struct submit_journal *j)
{
	submit_tidy_stop(j->tidy);
}

struct submit_journal *submit_journal_free(struct submit_journal *j)
{
	if (!j)
		return NULL;
	submit_noted_free(&j->noted);
	submit_noted_free(&j->writing_noted);
	j->tidy = submit_tidy_free(j->tidy);
	buf_deinit(&j->pending);
	buf_deinit(&j->records);
	submit_log_close(&j->log);
	free(j);
	return NULL;
}

/* ---- rows ---- */

void submit_journal_row_sql(const struct submit_journal *j, uint64_t id, char *sql, size_t size)
{
	(void)snprintf(sql, size,
		       "INSERT INTO sidepool_submitted (journal, entry) VALUES ('%s', %llu)", j->id,
		       (unsigned long long)id);
}

const char *submit_journal_table_sql(void)
{
	return "CREATE TABLE IF NOT EXISTS sidepool_submitted (journal uuid NOT NULL, entry bigint NOT NULL,"
	       " done timestamptz NOT NULL DEFAULT pg_catalog.now(), PRIMARY KEY (journal, entry))";
}

enum submit_table submit_journal_table(const struct rpc_pool *p)
{
	return (enum submit_table)p->submit_table;
}

void submit_journal_set_table(struct rpc_pool *p, enum submit_table state)
{
	p->submit_table = (unsigned char)state;
}
