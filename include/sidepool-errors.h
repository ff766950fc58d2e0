/* SPDX-License-Identifier: MIT */
#pragma once
/* Made by proto/gen-errors from proto/errors.def; do not edit. */

enum sidepool_error_code {
	SIDEPOOL_E_OK = 0,
	/* the message is not a sidepool.v1.Request */
	SIDEPOOL_E_INVALID_MESSAGE = 1,
	/* the request has no kind that this daemon knows */
	SIDEPOOL_E_UNKNOWN_REQUEST = 2,
	/* this daemon does not offer that */
	SIDEPOOL_E_UNSUPPORTED = 3,
	/* a field of the request is missing or out of range */
	SIDEPOOL_E_INVALID_ARGUMENT = 4,
	/* the message is longer than max_message_bytes */
	SIDEPOOL_E_MESSAGE_TOO_LARGE = 5,
	/* this uid may not do that */
	SIDEPOOL_E_PERMISSION_DENIED = 6,
	/* there is no such pool for this application */
	SIDEPOOL_E_UNKNOWN_POOL = 7,
	/* this uid has reached a limit on what one user may have open at once */
	SIDEPOOL_E_TOO_MANY_REQUESTS = 8,
	/* the daemon does not keep that statement id */
	SIDEPOOL_E_UNKNOWN_STATEMENT = 9,
	/* the statement changes the session and would leak to the next client */
	SIDEPOOL_E_SESSION_REQUIRED = 10,
	/* this application may only read */
	SIDEPOOL_E_READ_ONLY = 11,
	/* this idempotency key was used for another request */
	SIDEPOOL_E_IDEMPOTENCY_MISMATCH = 12,
	/* too many requests wait already */
	SIDEPOOL_E_QUEUE_FULL = 20,
	/* no connection became free in time */
	SIDEPOOL_E_ACQUIRE_TIMEOUT = 21,
	/* the deadline cannot be met by the queue as it stands */
	SIDEPOOL_E_DEADLINE_UNREACHABLE = 22,
	/* the database cannot be reached, and the breaker is open */
	SIDEPOOL_E_BREAKER_OPEN = 23,
	/* the daemon is shutting down */
	SIDEPOOL_E_SHUTTING_DOWN = 24,
	/* no connection to the database could be made in time */
	SIDEPOOL_E_CONNECT_FAILED = 25,
	/* the journal of submitted writes cannot be written */
	SIDEPOOL_E_JOURNAL_FAILED = 26,
	/* PostgreSQL refused the statement */
	SIDEPOOL_E_SQL_ERROR = 40,
	/* the connection to PostgreSQL was lost before the answer */
	SIDEPOOL_E_CONNECTION_LOST = 41,
	/* the request was cancelled */
	SIDEPOOL_E_CANCELLED = 42,
	/* the request's deadline passed while it ran */
	SIDEPOOL_E_DEADLINE_EXCEEDED = 43,
	/* the statement ran longer than statement_timeout */
	SIDEPOOL_E_STATEMENT_TIMEOUT = 44,
	/* the client did not fetch the next chunk within fetch_timeout */
	SIDEPOOL_E_FETCH_TIMEOUT = 45,
	/* the transaction lasted longer than transaction_timeout */
	SIDEPOOL_E_TRANSACTION_TIMEOUT = 46,
	/* this process holds no such lease */
	SIDEPOOL_E_UNKNOWN_LEASE = 50,
	/* the fencing token is not that of the lease */
	SIDEPOOL_E_STALE_TOKEN = 51,
	/* the lease was held longer than lease_timeout and was revoked */
	SIDEPOOL_E_LEASE_EXPIRED = 52,
	/* the lease did nothing for longer than lease_idle_timeout and was revoked */
	SIDEPOOL_E_LEASE_IDLE = 53,
	/* the lease idled in a transaction for longer than idle_transaction_timeout and was revoked */
	SIDEPOOL_E_IDLE_IN_TRANSACTION = 54,
	/* the lease was revoked by an administrator */
	SIDEPOOL_E_LEASE_REVOKED = 55,
	/* the connection behind the lease was lost */
	SIDEPOOL_E_LEASE_LOST = 56,
	/* this connection has no such stream */
	SIDEPOOL_E_UNKNOWN_STREAM = 57,
	/* the daemon has no memory for the request */
	SIDEPOOL_E_OUT_OF_MEMORY = 70,
	/* the daemon has a bug */
	SIDEPOOL_E_INTERNAL = 71,
	/* the daemon cannot be reached */
	SIDEPOOL_E_DAEMON_UNREACHABLE = 80,
	/* the connection to the daemon was lost before the answer */
	SIDEPOOL_E_DAEMON_LOST = 81,
	/* the deadline passed and the daemon did not answer */
	SIDEPOOL_E_NO_ANSWER = 82,
	/* what answers on the socket does not keep to sidepool's protocol */
	SIDEPOOL_E_PROTOCOL_VIOLATION = 83,
	/* the handle was opened by the parent process */
	SIDEPOOL_E_FORKED = 84,
	/* the handle was closed */
	SIDEPOOL_E_CLOSED = 85,
};
