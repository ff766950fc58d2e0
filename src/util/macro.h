/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Small things that C17 lacks: owner lookup, array length, function-local owners and their
 * hand-over.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/param.h> /* MIN, MAX */

/*
 * Microseconds on the monotonic clock. The only time type inside the daemon; the wire and the
 * config use milliseconds.
 */
typedef uint64_t usec;

#define USEC_PER_MS UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_NEVER UINT64_MAX

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object that embeds `member` at `ptr`, which is not NULL. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The same where `ptr` may be NULL, and so may then be the object. */
#define container_of_or_null(ptr, type, member)                                                    \
	((type *)container_before((char *)(ptr), offsetof(type, member)))

static inline void *container_before(char *ptr, size_t offset)
{
	return ptr ? ptr - offset : NULL;
}

/* A local that owns what it points to: `fn` gets the variable's address at the end of the scope. */
#define cleanup(fn) __attribute__((cleanup(fn)))

/* Hands the owner's value over and leaves NULL behind: `*ret_x = steal(&x)`. */
#define steal(pp)                                                                                  \
	__extension__({                                                                            \
		__typeof__(*(pp)) stolen_ = *(pp);                                                 \
		*(pp) = NULL;                                                                      \
		stolen_;                                                                           \
	})

#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

/* a + b microseconds, where either may be USEC_NEVER. */
static inline usec usec_add(usec a, usec b)
{
	return a > USEC_NEVER - b ? USEC_NEVER : a + b;
}

/* a - b, and 0 where b is later. */
static inline usec usec_sub(usec a, usec b)
{
	return a > b ? a - b : 0;
}
