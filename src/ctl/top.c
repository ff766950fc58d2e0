/* SPDX-License-Identifier: MIT */
/*
 * sidepool top: one loop that waits for a key, a signal, the daemon, or the next time to ask. It asks for
 * status and health together, and a question that is not answered is not asked again: the screen says how
 * long that has been so, and keys work meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/duration.h"
#include "ctl/top-read.h"
#include "ctl/top-screen.h"

enum {
	INTERVAL_MS = 2000,
	PATIENCE_MS = 1000, /* after which an answer is called late */
	TICK_MS = 1000,     /* how often the screen says how late */
	LINE_BYTES = 256,
};

struct top {
	struct ctl *ctl;
	struct top_screen screen;
	struct top_view view;
	struct top_sample *sample;              /* owned */
	struct sidepool_reply *status, *health; /* owned; what has been answered so far */
	bool asking;
	bool out_of_memory;
	uint64_t asked_us, failing_since_us; /* 0: not failing */
	char failure[LINE_BYTES];            /* what the last question met, or "" */
	char clock[16];
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void take_sample(struct top *t)
{
	struct top_sample *s = top_read(t->status, t->health, t->sample, now_us());
	time_t now = time(NULL);
	struct tm local;

	if (!s) {
		t->out_of_memory = true;
		return;
	}
	top_sample_free(t->sample);
	t->sample = s;
	t->failure[0] = '\0';
	t->failing_since_us = 0;
	if (localtime_r(&now, &local))
		(void)strftime(t->clock, sizeof(t->clock), "%H:%M:%S", &local);
}

static void take_failure(struct top *t, const struct sidepool_error *e)
{
	if (!t->failing_since_us)
		t->failing_since_us = t->asked_us;
	(void)snprintf(t->failure, sizeof(t->failure), "%s", sidepool_error_message(e));
}

static void answered(struct top *t)
{
	const struct sidepool_error *e = sidepool_error(t->status);

	if (!t->status || !t->health)
		return;
	if (!e)
		e = sidepool_error(t->health);
	if (e)
		take_failure(t, e);
	else
		take_sample(t);
	t->status = sidepool_reply_free(t->status);
	t->health = sidepool_reply_free(t->health);
	t->asking = false;
}

static void on_status(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
		      void *userdata)
{
	struct top *t = userdata;

	(void)sp;
	(void)id;
	t->status = reply;
	answered(t);
}

static void on_health(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply,
		      void *userdata)
{
	struct top *t = userdata;

	(void)sp;
	(void)id;
	t->health = reply;
	answered(t);
}

static void ask(struct top *t)
{
	struct sidepool_call call = ctl_call(t->ctl);

	t->asking = true;
	t->asked_us = now_us();
	t->view.refresh = false;
	call.userdata = t;
	call.done = on_status;
	t->out_of_memory = sidepool_status(t->ctl->sp, TOP_TABLES, &call) == 0;
	call.done = on_health;
	t->out_of_memory |= sidepool_health(t->ctl->sp, &call) == 0;
	(void)sidepool_flush(t->ctl->sp);
}

/* Until the next question, 0 where it is due; -1: there is none. */
static int next_ask_ms(const struct top *t)
{
	uint64_t passed_ms = (now_us() - t->asked_us) / 1000;

	if (t->asking || (t->view.paused && !t->view.refresh))
		return -1;
	if (t->view.refresh || !t->asked_us || passed_ms >= t->view.interval_ms)
		return 0;
	return (int)(t->view.interval_ms - passed_ms);
}

/* What is to be said in place of the figures of now; NULL: nothing. */
static const char *trouble(const struct top *t, char words[LINE_BYTES * 2])
{
	uint64_t now = now_us(), late_ms = t->asking ? (now - t->asked_us) / 1000 : 0;
	char since[16];

	if (t->failing_since_us) {
		duration_print(now - t->failing_since_us, since);
		(void)snprintf(words, LINE_BYTES * 2, "no answer for %s, trying again: %s", since,
			       t->failure);
		return words;
	}
	if (late_ms < PATIENCE_MS)
		return NULL;
	duration_print(late_ms * 1000, since);
	(void)snprintf(words, LINE_BYTES * 2, "the daemon has not answered for %s.", since);
	return words;
}

static void draw(struct top *t)
{
	char words[LINE_BYTES * 2];
	struct top_now now = { .clock = t->clock, .trouble = trouble(t, words) };

	if (!top_screen_draw(&t->screen, &t->view, t->sample, &now))
		t->out_of_memory = true;
}

static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static void wait_for_something(struct top *t)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = t->screen.signals, .events = POLLIN },
		{ .fd = sidepool_fd(t->ctl->sp), .events = sidepool_events(t->ctl->sp) },
	};
	int timeout = sooner(sidepool_timeout_ms(t->ctl->sp), next_ask_ms(t));
	int key;

	if (t->asking || t->failing_since_us)
		timeout = sooner(timeout, TICK_MS);
	if (poll(fds, sizeof(fds) / sizeof(fds[0]), timeout) < 0 && errno != EINTR)
		return;
	if (fds[1].revents)
		top_screen_signal(&t->screen);
	while (fds[0].revents & POLLIN && (key = top_screen_key()) >= 0)
		top_view_key(&t->view, t->sample, key);
	if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		t->view.quit = true;
	(void)sidepool_dispatch(t->ctl->sp, fds[2].revents);
}

static int run(struct top *t)
{
	while (!t->view.quit && !t->screen.ended_by && !t->out_of_memory) {
		if (next_ask_ms(t) == 0)
			ask(t);
		draw(t);
		wait_for_something(t);
	}
	return t->out_of_memory ? CTL_TROUBLE : CTL_OK;
}

/* Callbacks come from the handle as long as it lives: it goes first. */
static void clean_up(struct top *t)
{
	t->ctl->sp = sidepool_close(t->ctl->sp);
	sidepool_reply_free(t->status);
	sidepool_reply_free(t->health);
	top_sample_free(t->sample);
}

int ctl_top(struct ctl *ctl)
{
	struct top t = { .ctl = ctl };
	const char *why = top_screen_start(&t.screen);
	int status;

	if (why) {
		fprintf(stderr, "sidepool: %s\n", why);
		return CTL_USAGE;
	}
	top_view_init(&t.view, ctl->watch_ms ? ctl->watch_ms : INTERVAL_MS);
	status = run(&t);
	top_screen_end(&t.screen);
	clean_up(&t);
	if (status != CTL_OK)
		fprintf(stderr, "sidepool: out of memory\n");
	top_screen_leave(&t.screen);
	return status;
}
