/* SPDX-License-Identifier: MIT */
/*
 * Functions of libuv and of the daemon are wrapped by the linker (meson.build); the clock is a
 * symbol of the program, which libuv finds as well. The loop is libuv's own: it is turned without
 * waiting.
 */
#include "stage.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "core/core.h"
#include "fake-socket.h"
#include "fuzz.h"
#include "rpc/facts.h"
#include "rpc/rpc.h"
#include "sp/state.h"
#include "util/log.h"
#include "util/macro.h"

enum {
	TURNS = 3,
	WORKS_MOST = 64,
	SIGNALS_MOST = 8,
	END_TURNS_MOST = 20000,
};

static uint64_t now_us = 1000000;
static uv_loop_t *loop;
static struct core *core;
static struct rpc *rpc;
static struct sp_server *server;
static bool over, listens, played;

/* What threads would do: libuv's, or (`after` NULL) one of its own. */
static struct work {
	void *arg;
	void (*fn)(void *arg);
	uv_after_work_cb after;
} works[WORKS_MOST];
static size_t n_works;

static struct {
	uv_signal_t *handle;
	uv_signal_cb fn;
} signals[SIGNALS_MOST];
static size_t n_signals;

#define exported __attribute__((visibility("default")))

exported int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, clock, ret_now);
	ret_now->tv_sec = (time_t)(now_us / 1000000);
	ret_now->tv_nsec = (long)(now_us % 1000000) * 1000;
	return 0;
}

/* src/busy-poll.c yields between two looks; nobody else is there, and on a busy machine it is long until it has its turn again. */
exported int sched_yield(void)
{
	return 0;
}

/* ---- libuv ---- */

int __real_uv_run(uv_loop_t *l, uv_run_mode mode);
int __wrap_uv_run(uv_loop_t *l, uv_run_mode mode);

/* The first run is the play; the others are what follows it, and must come to an end. */
int __wrap_uv_run(uv_loop_t *l, uv_run_mode mode)
{
	loop = l;
	check(mode == UV_RUN_DEFAULT);
	if (!played) {
		played = true;
		stage_play();
	}
	for (int i = 0; i < END_TURNS_MOST; i++) {
		bool worked = stage_work();

		if (__real_uv_run(l, UV_RUN_NOWAIT) == 0 && !worked && n_works == 0)
			return 0;
		if (over && listens) {
			listens = false; /* daemon_free() goes on */
			return 0;
		}
		now_us += 10000;
	}
	abort(); /* it does not end */
}

void __real_uv_stop(uv_loop_t *l);
void __wrap_uv_stop(uv_loop_t *l);
void __wrap_uv_stop(uv_loop_t *l)
{
	over = true;
	__real_uv_stop(l);
}

static void do_queued(void *arg)
{
	uv_work_t *work = arg;

	work->work_cb(work);
}

static int put(void *arg, void (*fn)(void *arg), uv_after_work_cb after)
{
	if (n_works == WORKS_MOST)
		return UV_EAGAIN;
	works[n_works++] = (struct work){ arg, fn, after };
	return 0;
}

int __wrap_uv_queue_work(uv_loop_t *l, uv_work_t *work, uv_work_cb fn, uv_after_work_cb after);
int __wrap_uv_queue_work(uv_loop_t *l, uv_work_t *work, uv_work_cb fn, uv_after_work_cb after)
{
	(void)l;
	work->work_cb = fn;
	return put(work, do_queued, after);
}

int __wrap_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options,
			       uv_thread_cb fn, void *arg);
int __wrap_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options,
			       uv_thread_cb fn, void *arg)
{
	(void)options;
	memset(thread, 0, sizeof(*thread));
	return put(arg, fn, NULL);
}

int __wrap_uv_thread_join(uv_thread_t *thread);
int __wrap_uv_thread_join(uv_thread_t *thread)
{
	(void)thread;
	return 0;
}

bool stage_work(void)
{
	struct work w;
	bool any = fake_lookups_end();

	for (size_t n = n_works; n > 0; n--) {
		w = works[0];
		w.fn(w.arg);
		memmove(works, works + 1, --n_works * sizeof(*works));
		if (w.after)
			w.after(w.arg, 0);
		any = true;
	}
	return any;
}

int __wrap_uv_signal_start(uv_signal_t *handle, uv_signal_cb fn, int number);
int __wrap_uv_signal_start(uv_signal_t *handle, uv_signal_cb fn, int number)
{
	check(n_signals < SIGNALS_MOST);
	handle->signum = number;
	signals[n_signals].handle = handle;
	signals[n_signals++].fn = fn;
	return 0;
}

void stage_signal(int number)
{
	for (size_t i = 0; i < n_signals; i++)
		if (signals[i].handle->signum == number)
			signals[i].fn(signals[i].handle, number);
	stage_turn();
}

sighandler_t __wrap_signal(int number, sighandler_t handler);
sighandler_t __wrap_signal(int number, sighandler_t handler)
{
	(void)number;
	return handler;
}

/* ---- the daemon's parts ---- */

int __real_core_new(struct core **ret_core, const struct core_settings *settings, uint64_t seed);
int __wrap_core_new(struct core **ret_core, const struct core_settings *settings, uint64_t seed);
int __wrap_core_new(struct core **ret_core, const struct core_settings *settings, uint64_t seed)
{
	int r = __real_core_new(ret_core, settings, 1);

	(void)seed;
	core = *ret_core;
	return r;
}

int __real_rpc_new(struct rpc **ret_rpc, const struct rpc_input *input);
int __wrap_rpc_new(struct rpc **ret_rpc, const struct rpc_input *input);
int __wrap_rpc_new(struct rpc **ret_rpc, const struct rpc_input *input)
{
	struct rpc_input fixed = *input;
	int r;

	fixed.seed = 1;
	fixed.instance_id = 1;
	r = __real_rpc_new(ret_rpc, &fixed);
	rpc = *ret_rpc;
	return r;
}

int __wrap_sp_server_listen(struct sp_server *s, const struct sp_address *address);
int __wrap_sp_server_listen(struct sp_server *s, const struct sp_address *address)
{
	(void)address;
	server = s;
	loop = s->loop;
	listens = true;
	return 0;
}

void __real_sp_server_stop_listening(struct sp_server *s);
void __wrap_sp_server_stop_listening(struct sp_server *s);
void __wrap_sp_server_stop_listening(struct sp_server *s)
{
	server = NULL;
	__real_sp_server_stop_listening(s);
}

/* Everybody is the same program of another uid: nothing is read from /proc. */
void __wrap_facts_read(struct facts *f, struct facts_known *known, usec now, uid_t uid, gid_t gid,
		       pid_t pid);
void __wrap_facts_read(struct facts *f, struct facts_known *known, usec now, uid_t uid, gid_t gid,
		       pid_t pid)
{
	(void)known;
	(void)now;
	*f = (struct facts){ .uid = uid, .gid = gid, .pid = pid };
}

void __wrap_log_write(enum log_level level, const struct log_field *fields, size_t n_fields,
		      const char *format, ...);
void __wrap_log_write(enum log_level level, const struct log_field *fields, size_t n_fields,
		      const char *format, ...)
{
	(void)level;
	(void)fields;
	(void)n_fields;
	(void)format;
}

struct core *stage_core(void)
{
	return core;
}

struct rpc *stage_rpc(void)
{
	return rpc;
}

/* ---- the play ---- */

void stage_turn(void)
{
	for (int i = 0; i < TURNS && !over; i++)
		(void)__real_uv_run(loop, UV_RUN_NOWAIT);
}

void stage_pass(uint64_t us)
{
	now_us += us;
	stage_turn();
}

bool stage_is_over(void)
{
	return over;
}

int stage_connect(uid_t uid)
{
	int pair[2];

	if (!server || over)
		return -1;
	if (!server->spare)
		server->spare = malloc(sizeof(*server->spare));
	check(server->spare && sp_uids_reserve(&server->uids) == 0);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	(void)sp_uids_add(&server->uids, uid);
	sp_conn_start(server, pair[0], &(struct sp_peer){ .uid = uid, .gid = 1, .pid = 1 });
	stage_turn();
	return pair[1];
}

void stage_reset(void)
{
	check(n_works == 0);
	n_signals = 0;
	over = listens = played = false;
	core = NULL;
	rpc = NULL;
	server = NULL;
}
