/* SPDX-License-Identifier: MIT */
/*
 * Where in the program a request comes from. Whoever waits is told "api[812] report.c:88", so the
 * functions that take a connection say the file and line of their caller, unless
 * sidepool_call::call_site says something else. It costs a store and some 15 bytes of the message.
 * Define SIDEPOOL_NO_CALL_SITE before the first include to send none. Last part of sidepool.h.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct sidepool;

/*
 * The call site of the next request of this handle, for wrappers: it is that of their callers if
 * they pass it on. `where` must live until that request is made; NULL: none. Returns `sp`, which may
 * be NULL.
 */
struct sidepool *sidepool_here(struct sidepool *sp, const char *where);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

/* "report.c:88" */
#define SIDEPOOL_HERE SIDEPOOL_HERE_FILE ":" SIDEPOOL_HERE_TEXT(__LINE__)
#define SIDEPOOL_HERE_TEXT(line) SIDEPOOL_HERE_TEXT_OF(line)
#define SIDEPOOL_HERE_TEXT_OF(line) #line
#ifdef __FILE_NAME__
#define SIDEPOOL_HERE_FILE __FILE_NAME__
#else
#define SIDEPOOL_HERE_FILE __FILE__
#endif

#ifndef SIDEPOOL_NO_CALL_SITE
#define SIDEPOOL_FROM_HERE(function, sp, ...)                                                      \
	(function)(sidepool_here((sp), SIDEPOOL_HERE), __VA_ARGS__)
#define sidepool_query(sp, ...) SIDEPOOL_FROM_HERE(sidepool_query, sp, __VA_ARGS__)
#define sidepool_script(sp, ...) SIDEPOOL_FROM_HERE(sidepool_script, sp, __VA_ARGS__)
#define sidepool_take_lease(sp, ...) SIDEPOOL_FROM_HERE(sidepool_take_lease, sp, __VA_ARGS__)
#define sidepool_batch_send(sp, ...) SIDEPOOL_FROM_HERE(sidepool_batch_send, sp, __VA_ARGS__)
#define sidepool_copy_in(sp, ...) SIDEPOOL_FROM_HERE(sidepool_copy_in, sp, __VA_ARGS__)
#define sidepool_copy_out(sp, ...) SIDEPOOL_FROM_HERE(sidepool_copy_out, sp, __VA_ARGS__)
#endif
