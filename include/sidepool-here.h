/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where in the program a request comes from. Whoever waits is told "api[812] report.c:88", so the
 * functions that take a connection say the file and line of their caller, unless
 * sidepool_call::call_site says something else. It costs a store and some 15 bytes of the message.
 * Define SIDEPOOL_NO_CALL_SITE before the first include to send none. Last part of sidepool.h.
 */

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

/* For sidepool_here(), the line on which it stands: "report.c:88". */
#define SIDEPOOL_HERE sidepool_file_ ":" sidepool_text_(__LINE__)
#define sidepool_text_(line) sidepool_text_of_(line)
#define sidepool_text_of_(line) #line
#ifdef __FILE_NAME__
#define sidepool_file_ __FILE_NAME__
#else
#define sidepool_file_ __FILE__
#endif

#ifndef SIDEPOOL_NO_CALL_SITE
#define sidepool_from_here_(fn, sp, ...) (fn)(sidepool_here((sp), SIDEPOOL_HERE), __VA_ARGS__)
#define sidepool_query(sp, ...) sidepool_from_here_(sidepool_query, sp, __VA_ARGS__)
#define sidepool_script(sp, ...) sidepool_from_here_(sidepool_script, sp, __VA_ARGS__)
#define sidepool_take_lease(sp, ...) sidepool_from_here_(sidepool_take_lease, sp, __VA_ARGS__)
#define sidepool_batch_send(sp, ...) sidepool_from_here_(sidepool_batch_send, sp, __VA_ARGS__)
#define sidepool_submit(sp, ...) sidepool_from_here_(sidepool_submit, sp, __VA_ARGS__)
#define sidepool_copy_in(sp, ...) sidepool_from_here_(sidepool_copy_in, sp, __VA_ARGS__)
#define sidepool_copy_out(sp, ...) sidepool_from_here_(sidepool_copy_out, sp, __VA_ARGS__)
#endif
