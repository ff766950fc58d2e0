/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What can be asked of the daemon. Every function here that takes a handle and returns uint32_t
 * queues one request and returns its id: it does not block, copies all that it is given, and may be
 * called from callbacks. Mistakes of the caller come as an ordinary reply
 * (SIDEPOOL_E_INVALID_ARGUMENT, never sent). 0 means that not even that was possible, for lack of
 * memory, after fork(), or with max_in_flight reached; sidepool_wait() of 0 returns a reply that
 * says which.
 *
 * An id stands for the request until its reply has been taken; it is not used again while the
 * request is in flight.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct sidepool;
struct sidepool_reply;

/*
 * A lease: copy it freely, it owns nothing. What it means is read with the functions below. All
 * zero is no lease.
 */
struct sidepool_lease {
	uint64_t private_[8];
};

/* A result that goes on. Copy it freely, it owns nothing. All zero is none. */
struct sidepool_stream {
	uint64_t private_[4];
};

/*
 * Gets the reply of a request, from sidepool_dispatch() or sidepool_close(), never from the
 * function that asked. The reply is the callee's: sidepool_reply_free(). It may ask, drop, free and
 * close; it must not wait.
 */
typedef void (*sidepool_reply_fn)(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
				  void *userdata);

enum sidepool_isolation {
	SIDEPOOL_ISOLATION_DEFAULT = 0,
	SIDEPOOL_ISOLATION_READ_UNCOMMITTED,
	SIDEPOOL_ISOLATION_READ_COMMITTED,
	SIDEPOOL_ISOLATION_REPEATABLE_READ,
	SIDEPOOL_ISOLATION_SERIALIZABLE,
};

/* What becomes of transaction and lease when a request is done, also when it failed. */
enum sidepool_finish {
	SIDEPOOL_FINISH_NONE = 0,
	SIDEPOOL_FINISH_COMMIT, /* COMMIT (ROLLBACK if anything failed), and release */
	SIDEPOOL_FINISH_ROLLBACK,
};

/* SIDEPOOL_LEASE_OPTIONS(.begin = 1), or set `size`. */
struct sidepool_lease_options {
	size_t size;
	unsigned begin : 1; /* BEGIN in the same message */
	unsigned read_only : 1;
	unsigned deferrable : 1;
	enum sidepool_isolation isolation;
	uint32_t hold_ms; /* how long it shall be held at most; 0: as the settings say */
};

#define SIDEPOOL_LEASE_OPTIONS(...)                                                                \
	(&(struct sidepool_lease_options){ .size = sizeof(struct sidepool_lease_options),          \
					   __VA_ARGS__ })

/*
 * How to make one request; NULL in its place means all defaults. SIDEPOOL_CALL(.deadline_ms = 500),
 * or set `size`.
 */
struct sidepool_call {
	size_t size;
	sidepool_reply_fn done; /* NULL: sidepool_wait(), sidepool_take() or sidepool_next() */
	void *userdata;
	uint32_t deadline_ms; /* for waiting, running and fetching; 0: that of the options */
	const char *pool;     /* NULL: that of the options */
	const struct sidepool_lease *lease;           /* run on this lease ... */
	const struct sidepool_lease_options *acquire; /* ... or take one with it, or neither */
	enum sidepool_finish finish;
	const void *idempotency_key; /* 1 to 255 bytes: the same again is then safe */
	size_t idempotency_key_bytes;
	const char *call_site;   /* file and line that ask, 255 bytes; NULL: sidepool-here.h */
	const char *traceparent; /* W3C Trace Context; NULL: what the options' function says */
	uint32_t chunk_bytes;    /* the most bytes of rows in one reply; 0: the daemon's */
	unsigned binary : 1;     /* results in PostgreSQL's binary formats */
};

#define SIDEPOOL_CALL(...)                                                                         \
	(&(struct sidepool_call){ .size = sizeof(struct sidepool_call), __VA_ARGS__ })

/*
 * $1 .. $n, as PQexecParams() takes them. The arrays have `count` elements or are NULL. Texts alone
 * are SIDEPOOL_TEXT("42", NULL, "x"), where NULL is an SQL NULL.
 */
struct sidepool_params {
	size_t count;              /* at most 65535 */
	const char *const *values; /* a NULL element is an SQL NULL */
	const size_t *lengths;     /* in bytes; NULL: the values end with a zero byte */
	const uint32_t *types;     /* type OIDs; NULL or 0: PostgreSQL infers */
	const uint8_t *formats;    /* 0 text, 1 binary; NULL: all text */
};

#define SIDEPOOL_TEXT(...)                                                                         \
	(&(struct sidepool_params){ .count = sizeof((const char *[]){ __VA_ARGS__ }) /             \
					     sizeof(const char *),                                 \
				    .values = (const char *[]){ __VA_ARGS__ } })

/*
 * One statement, autocommit unless on a lease. Reply: one result; a large one goes on, see
 * sidepool_reply_stream().
 */
uint32_t sidepool_query(struct sidepool *sp, const char *sql, const struct sidepool_params *params,
			const struct sidepool_call *call);

/*
 * Statements separated by ';' without parameters, in PostgreSQL's simple protocol. Needs
 * call->lease or call->acquire. A result for each.
 */
uint32_t sidepool_script(struct sidepool *sp, const char *sql, const struct sidepool_call *call);

/*
 * Takes a lease and runs nothing yet: sidepool_reply_lease(). `options` may be NULL. call->acquire
 * on a query does both in one round trip.
 */
uint32_t sidepool_take_lease(struct sidepool *sp, const struct sidepool_lease_options *options,
			     const struct sidepool_call *call);

/*
 * Gives it back. Result 0 has the tag of the COMMIT or ROLLBACK if a transaction was open;
 * "ROLLBACK" to a COMMIT: it had failed.
 */
uint32_t sidepool_release(struct sidepool *sp, const struct sidepool_lease *lease,
			  enum sidepool_finish finish, const struct sidepool_call *call);

/*
 * Holds it for `hold_ms` from now on (0: as the application's settings say). sidepool_reply_lease()
 * has the new time.
 */
uint32_t sidepool_renew(struct sidepool *sp, const struct sidepool_lease *lease, uint32_t hold_ms,
			const struct sidepool_call *call);

uint64_t sidepool_lease_id(const struct sidepool_lease *lease);
uint64_t sidepool_lease_token(const struct sidepool_lease *lease);
uint32_t sidepool_lease_backend_pid(const struct sidepool_lease *lease);

/* From the reply that brought the lease until it is revoked. */
uint32_t sidepool_lease_expires_ms(const struct sidepool_lease *lease);

/*
 * Ends request `id` of this handle, or what runs on `lease`, at the database. The ended request
 * answers for itself, with SIDEPOOL_E_CANCELLED or with its result if it was faster. Result 0 has
 * `found`: whether there was something to end. A request that was not sent yet is ended here.
 */
uint32_t sidepool_cancel(struct sidepool *sp, uint32_t id, const struct sidepool_call *call);
uint32_t sidepool_cancel_lease(struct sidepool *sp, const struct sidepool_lease *lease,
			       const struct sidepool_call *call);

/*
 * Getting the reply of a request that has no callback: it is the caller's, sidepool_reply_free().
 */

/*
 * BLOCKS until request `id` is answered, its deadline and the grace have passed, or the connection
 * is lost. Callbacks of other requests run meanwhile. Never NULL: an id that is 0, unknown, taken
 * already or has a callback, and a call from within a callback, give a reply with
 * SIDEPOOL_E_INVALID_ARGUMENT (for 0: the reason for it).
 */
struct sidepool_reply *sidepool_wait(struct sidepool *sp, uint32_t id);

/* Does not block: the reply of `id`, or NULL while it is in flight. */
struct sidepool_reply *sidepool_take(struct sidepool *sp, uint32_t id);

/*
 * Does not block: the next reply of any request without a callback, in the order of completion, or
 * NULL. The out-parameters may be NULL.
 */
struct sidepool_reply *sidepool_next(struct sidepool *sp, uint32_t *ret_id, void **ret_userdata);

/*
 * Forgets a request: its reply is thrown away, its callback does not run. What was sent still runs:
 * see sidepool_cancel().
 */
void sidepool_drop(struct sidepool *sp, uint32_t id);

/* Requests whose replies have not been taken or thrown away. */
size_t sidepool_in_flight(const struct sidepool *sp);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
