/* SPDX-License-Identifier: MIT */
/*
 * A statement goes out with its parameter sets, and where they are many a piece at a time: a million
 * are seconds of libpq's work, and a hundred MB in its buffer. When the socket has taken a piece the
 * next one follows, in a later turn of the loop, so that everybody else has a turn too.
 */
#include <stdlib.h>
#include <string.h>

#include "pg/conn-internal.h"
#include "pg/packed.h"
#include "pg/text.h"
#include "util/error.h"
#include "util/macro.h"

enum {
	SETS_A_TURN =
		128, /* of a call; less than a millisecond's work, four with a Sync after each */
	PIECE_BYTES = 64 * 1024,
};

struct pg_sending {
	struct pg_call *call; /* borrowed, as the next */
	const struct pg_statement *statement;
	struct pg_params params;
	const char *name; /* NULL: it goes out unnamed */
	char kept_name[PG_PREPARED_NAME_BYTES];
	uint32_t tag;
	uint32_t set; /* the next */
};

static int send_set(PGconn *pq, const struct pg_sending *s)
{
	const struct pg_statement *st = s->statement;
	const struct pg_params *p = &s->params;
	const int *formats = p->formats;
	int n = (int)st->n_params;

	if (s->name)
		return PQsendQueryPrepared(pq, s->name, n, p->values, p->lengths, formats,
					   st->result_format);
	return PQsendQueryParams(pq, st->text->sql, n, p->types, p->values, p->lengths, formats,
				 st->result_format);
}

static bool is_full(const struct pg_call *call)
{
	return call->in_turn >= SETS_A_TURN;
}

/* What libpq could not even queue breaks the connection: libpq and we would no longer count alike. */
static int send_piece(struct pg_conn *conn, struct pg_sending *s)
{
	const uint8_t *from = s->params.at;
	int sent, r;

	do {
		pg_params_next(&s->params);
		sent = send_set(conn->pq, s);
		pg_params_restore(&s->params);
		if (!sent) {
			pg_conn_break(conn);
			return err_raise(-EPIPE);
		}
		r = pg_answers_push(conn, (struct pg_answer){ .kind = PG_ANSWER_EXECUTE,
							      .call = s->call,
							      .tag = s->tag,
							      .set = s->set });
		s->call->in_turn++;
		if (++s->set == s->statement->n_sets || r < 0)
			return err_forward(r);
	} while (!is_full(s->call) && s->params.at - from < PIECE_BYTES);
	return PG_CALL_MORE;
}

/* Its name may be gone when the rest goes out: where its Parse failed, and so does all that. */
static void keep_name(struct pg_sending *s)
{
	if (!s->name)
		return;
	memcpy(s->kept_name, s->name, strlen(s->name) + 1);
	s->name = s->kept_name;
}

static int begin(struct pg_sending *s, struct pg_call *call, const struct pg_statement *statement,
		 uint32_t tag)
{
	int r;

	s->call = call;
	s->statement = statement;
	s->tag = tag;
	s->set = 0;
	r = pg_params_init(&s->params, statement);
	if (r != 0) {
		/* One that is missing among others must not let those commit. */
		pg_conn_break(call->conn);
		return err_forward(r);
	}
	s->name = pg_prepared_for(call->conn, statement->text, call, tag);
	return 0;
}

static int execute_long(struct pg_call *call, const struct pg_statement *statement, uint32_t tag)
{
	struct pg_conn *conn = call->conn;
	struct pg_sending *s = malloc(sizeof(*s));
	int r;

	if (!s) {
		pg_conn_break(conn);
		return err_raise(-ENOMEM);
	}
	r = begin(s, call, statement, tag);
	if (r != 0) {
		free(s);
		return err_forward(r);
	}
	keep_name(s);
	r = send_piece(conn, s);
	if (r == PG_CALL_MORE) {
		conn->sending = s;
		conn->more = call;
		pg_call_is_unsent(call);
		return PG_CALL_MORE;
	}
	(void)pg_sending_free(s);
	return err_forward(r);
}

int pg_call_execute(struct pg_call *call, const struct pg_statement *statement, uint32_t tag)
{
	struct pg_sending s;
	int r;

	if (statement->n_sets > 1 &&
	    (statement->n_sets > SETS_A_TURN - MIN(call->in_turn, SETS_A_TURN) ||
	     statement->params_bytes > PIECE_BYTES))
		return err_forward(execute_long(call, statement, tag));
	r = begin(&s, call, statement, tag);
	if (r != 0)
		return err_forward(r);
	r = send_piece(call->conn, &s);
	pg_params_deinit(&s.params);
	return err_forward(r);
}

/* PostgreSQL has reported an error, and skips everything up to the Sync that will follow. */
static bool is_skipped(const struct pg_call *call)
{
	return call->failed && call->syncs == 0;
}

bool pg_call_pauses(struct pg_call *call)
{
	if (!is_full(call))
		return false;
	call->conn->more = call;
	pg_call_is_unsent(call);
	return true;
}

struct pg_call *pg_call_go_on(struct pg_conn *conn)
{
	struct pg_call *call = conn->more;
	int r = 0;

	call->in_turn = 0;
	if (conn->sending && !is_skipped(call))
		r = send_piece(conn, conn->sending);
	if (r == PG_CALL_MORE) {
		pg_conn_flush(conn);
		return NULL;
	}
	conn->sending = pg_sending_free(conn->sending);
	conn->more = NULL;
	return r == 0 ? call : NULL;
}

struct pg_sending *pg_sending_free(struct pg_sending *s)
{
	if (s)
		pg_params_deinit(&s->params);
	free(s);
	return NULL;
}
