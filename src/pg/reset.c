/* SPDX-License-Identifier: MIT */
/*
 * What a session can keep from one client to the next, and what takes it away
 * (https://www.postgresql.org/docs/current/sql-discard.html). DISCARD ALL does all of it at once,
 * but would also drop the statement cache; so each part is reset by itself, and only where it was
 * touched: known from the texts that ran (classify.c), and from the settings that PostgreSQL
 * reports. Where a function of the user's own ran, everything is reset.
 *
 * All of it goes out in one round trip. If any of it fails the connection is closed: nobody gets it
 * in doubt.
 */
#include "pg/reset.h"

#include <stdlib.h>

#include "core/slot.h"
#include "pg/classify.h"
#include "pg/discover.h"
#include "pg/engine-internal.h"
#include "pg/result.h"
#include "util/macro.h"

enum {
	TAG_USER_PREPARED = 1,
	TAG_OTHER = 2,
};

/* In this order: cursors and temporary tables may depend on the role. */
static const struct {
	unsigned touch;
	const char *sql;
} resets[] = {
	{ PG_TOUCH_CURSORS, "CLOSE ALL" },
	{ PG_TOUCH_ROLE, "SET SESSION AUTHORIZATION DEFAULT" },
	{ PG_TOUCH_SETTINGS | PG_TOUCH_ROLE, "RESET ALL" },
	{ PG_TOUCH_LISTEN, "UNLISTEN *" },
	{ PG_TOUCH_LOCKS, "SELECT pg_catalog.pg_advisory_unlock_all()" },
	{ PG_TOUCH_TEMP, "DISCARD TEMP" },
	{ PG_TOUCH_SEQUENCES, "DISCARD SEQUENCES" },
	{ PG_TOUCH_PREPARED, "DEALLOCATE ALL" },
};

static void on_rows(struct pg_call *call, uint32_t tag, uint32_t set, const struct pg_result *rows)
{
	struct pg_backend *b = container_of(call, struct pg_backend, call);

	(void)set;
	if (tag == TAG_USER_PREPARED)
		b->has_user_prepared = strtol(pg_result_value(rows, 0, 0), NULL, 10) > 0;
	else
		pg_discover_hear(b, tag, rows);
}

static void on_error(struct pg_call *call, uint32_t tag, uint32_t set,
		     const struct pg_result *error)
{
	struct pg_backend *b = container_of(call, struct pg_backend, call);

	(void)set;
	(void)error;
	if (tag == PG_TAG_LIMITS || tag == PG_TAG_HIDDEN)
		pg_discover_hear(b, tag, NULL);
	else
		b->reset_failed = true;
}

/*
 * With other queries behind it on the connection libpq says that it is busy, and not how the reset
 * left it: then it is enough that nothing failed.
 */
static bool is_clean(const struct pg_backend *b)
{
	return !b->reset_failed &&
	       (pg_conn_depth(b->conn) > 0 || pg_conn_transaction(b->conn) == 'I');
}

static void on_end(struct pg_call *call, enum pg_end end)
{
	struct pg_backend *b = container_of(call, struct pg_backend, call);
	struct pg_task *task = steal(&b->resetting);

	(void)uv_timer_stop(&b->timer->timer);
	if (end != PG_END_SYNCED) {
		b->resetting = task; /* the failure of the connection releases it */
		return;
	}
	if (b->discovering)
		pg_discover_done(b);
	if (b->has_user_prepared && !b->reset_failed) {
		b->has_user_prepared = false;
		b->touched = PG_TOUCH_PREPARED;
		if (pg_reset_begin(b, task))
			return;
	}
	if (!is_clean(b)) {
		pg_backend_fail(b, SLOT_FAILURE_NONE, "the session could not be reset");
		return;
	}
	b->touched = 0;
	pg_backend_release(b, task);
}

static const struct pg_call_ops reset_ops = {
	.on_rows = on_rows,
	.on_error = on_error,
	.on_end = on_end,
};

static void on_timeout(uv_timer_t *timer)
{
	struct pg_backend *b = ((struct pg_backend_timer *)timer->data)->backend;

	if (b)
		pg_backend_fail(b, SLOT_FAILURE_NETWORK,
				"the session was not reset within cancel_timeout");
}

/*
 * Any of the user's own code may have done anything; PREPARE is looked for, because DEALLOCATE ALL
 * costs the statement cache.
 */
static unsigned widen(unsigned touched)
{
	if (touched & PG_TOUCH_UNKNOWN)
		touched |= PG_TOUCH_ALL & ~(unsigned)PG_TOUCH_PREPARED;
	return touched;
}

static void send_resets(struct pg_backend *b, unsigned touched)
{
	for (size_t i = 0; i < ARRAY_LEN(resets); i++)
		if (touched & resets[i].touch)
			(void)pg_call_execute_text(&b->call, resets[i].sql, TAG_OTHER);
	if ((touched & PG_TOUCH_UNKNOWN) && !(touched & PG_TOUCH_PREPARED))
		(void)pg_call_execute_text(
			&b->call,
			"SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql",
			TAG_USER_PREPARED);
	/* RESET ALL took our own name away as well. */
	if (touched & (PG_TOUCH_SETTINGS | PG_TOUCH_ROLE)) {
		b->label[0] = '\0';
		b->relabel = false;
	}
	if (touched & PG_TOUCH_SEQUENCES)
		b->wrote = b->sequences_foreign = false;
}

bool pg_reset_begin(struct pg_backend *b, struct pg_task *task)
{
	bool in_transaction = pg_conn_transaction(b->conn) != 'I';
	unsigned touched = widen(b->touched);
	bool asks;

	if (task->exclusive && pg_parameters_differ(&b->pool->parameters, b->conn))
		touched |= PG_TOUCH_SETTINGS | PG_TOUCH_ROLE;
	asks = pg_discover_is_due(b->pool, pg_engine_now());
	if (!in_transaction && touched == 0 && !asks)
		return false;
	b->resetting = task;
	b->reset_failed = false;
	(void)uv_timer_start(&b->timer->timer, on_timeout,
			     b->pool->engine->settings.cancel_timeout_us / USEC_PER_MS, 0);
	pg_call_begin(b->conn, &b->call, &reset_ops);
	if (in_transaction) {
		(void)pg_call_execute_text(&b->call, "ROLLBACK", TAG_OTHER);
		pg_call_sync(&b->call);
	}
	if (touched & PG_TOUCH_PREPARED)
		pg_conn_forget_prepared(b->conn);
	send_resets(b, touched);
	if (asks)
		pg_discover_ask(b);
	pg_call_end(&b->call);
	return true;
}
