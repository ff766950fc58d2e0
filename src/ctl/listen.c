/* SPDX-License-Identifier: MIT */
/*
 * sidepool listen CHANNEL..., sidepool events [POOL...]: a line for each, as it comes. What was lost
 * is said on the way. They end with the daemon: who runs them for long starts them again.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/complain.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "ctl/text.h"
#include "sidepool-events.h"

enum {
	ALL_EVENTS = 1,
	EVENT_INDENT = 14, /* behind the time */
};

static int fail(const char *what, int code)
{
	fprintf(stderr, "sidepool: %s: %s\n", what, sidepool_code_sentence(code));
	return code == SIDEPOOL_E_OUT_OF_MEMORY ? CTL_TROUBLE : CTL_NO_DAEMON;
}

static const char *field(const struct sidepool_result *r, const char *name)
{
	int column = sidepool_fnumber(r, name);
	const char *text = column < 0 ? NULL : sidepool_value(r, 0, (size_t)column);

	return text ? text : "";
}

/* ---- printing ---- */

static void put_time(FILE *out, const struct sidepool_result *event)
{
	unsigned long long ms = strtoull(field(event, "time_ms"), NULL, 10);
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[16] = "";

	if (localtime_r(&seconds, &tm))
		(void)strftime(text, sizeof(text), "%H:%M:%S", &tm);
	fprintf(out, "%s.%03u  ", text, (unsigned)(ms % 1000));
}

static void put_text(FILE *out, const char *s)
{
	text_put(out, s, strlen(s));
}

/* "name=value", with quotes where the value has blanks; nothing where it says nothing. */
static void put_fields(FILE *out, const struct sidepool_result *r)
{
	for (size_t c = 0; c < sidepool_nfields(r); c++) {
		const char *value = sidepool_value(r, 0, c), *quote;

		if (!value || !*value || !strcmp(value, "0"))
			continue;
		quote = strpbrk(value, " \t\"=") ? "\"" : "";
		fprintf(out, " %s=%s", sidepool_fname(r, c), quote);
		put_text(out, strcmp(value, "t") == 0   ? "yes"
			      : strcmp(value, "f") == 0 ? "no"
							: value);
		fputs(quote, out);
	}
}

/* Whom it is about: the channel, or the pool, or nobody in particular. */
static void put_subject(FILE *out, const char *topic, const char *pool)
{
	static const char notify[] = "notify/";
	size_t n = sizeof(notify) - 1 + strlen(pool) + 1;
	bool is_channel = strncmp(topic, notify, sizeof(notify) - 1) == 0 && strlen(topic) > n;
	const char *text = is_channel ? topic + n : pool;

	if (!*text)
		return;
	put_text(out, text);
	fputs("  ", out);
}

/* What happened, and to whom. */
static void put_event(FILE *out, const struct sidepool_reply *event)
{
	const struct sidepool_result *head = sidepool_result(event, 0);
	unsigned long long lost = (unsigned long long)sidepool_event_lost(event);

	put_time(out, head);
	put_subject(out, sidepool_event_topic(event), field(head, "pool"));
	fputs(sidepool_event_kind(event), out);
	for (size_t i = 1; i < sidepool_results(event); i++)
		put_fields(out, sidepool_result(event, i));
	if (lost > 0)
		fprintf(out, "  (%llu before it lost)", lost);
}

/* On a terminal it goes on below itself; else it is one line, however long. */
static void print_event(const struct sidepool_reply *event)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = isatty(STDOUT_FILENO) ? open_memstream(&text, &len) : NULL;

	put_event(out ? out : stdout, event);
	if (!out)
		putchar('\n');
	else if (fclose(out) == 0)
		text_wrap(stdout, text, EVENT_INDENT);
	free(text);
}

/* The payload is somebody's data: it stays as it is. */
static void print_notification(const struct sidepool_reply *event)
{
	const struct sidepool_result *what = sidepool_result(event, 1);
	unsigned long long lost = (unsigned long long)sidepool_event_lost(event);

	put_time(stdout, sidepool_result(event, 0));
	put_text(stdout, field(what, "channel"));
	fputs("  ", stdout);
	put_text(stdout, field(what, "payload"));
	if (lost > 0)
		printf("  (%llu before it lost)", lost);
	putchar('\n');
}

static void print_line(const struct sidepool_reply *event)
{
	if (strcmp(sidepool_event_kind(event), "notification") == 0)
		print_notification(event);
	else
		print_event(event);
}

/* {"topic": ..., "kind": ..., "lost": 0, "event": {...}, "KIND": {...}, ...} */
static void print_json(const struct sidepool_reply *event)
{
	const char *kind = sidepool_event_kind(event);

	fputs("{\"topic\": ", stdout);
	output_json_text(stdout, sidepool_event_topic(event));
	printf(", \"kind\": \"%s\", \"lost\": %llu, \"event\": ", kind,
	       (unsigned long long)sidepool_event_lost(event));
	output_json_row(stdout, sidepool_result(event, 0), 0);
	for (size_t i = 1; i < sidepool_results(event); i++) {
		if (i == 1)
			printf(", \"%s\": ", kind);
		else
			printf(", \"part%zu\": ", i - 1);
		output_json_row(stdout, sidepool_result(event, i), 0);
	}
	puts("}");
}

/* Returns whether there is more to wait for: --count was not reached, and somebody reads. */
static bool print(struct ctl *ctl, const struct sidepool_reply *event)
{
	if (ctl->format == CTL_JSON)
		print_json(event);
	else
		print_line(event);
	if (fflush(stdout) != 0)
		return false;
	return ctl->count == 0 || --ctl->count > 0;
}

/* ---- waiting ---- */

/* Prints what is there. */
static int drain(struct ctl *ctl, struct sidepool_subscriber *s, bool *ret_more)
{
	struct sidepool_reply *event;
	int r;

	do {
		r = sidepool_subscriber_next(s, 0, &event);
		if (r == SIDEPOOL_E_OUT_OF_MEMORY)
			return fail("an event is lost", r);
		if (r != 0)
			return fail("the events socket", r);
		*ret_more = !event || print(ctl, event);
		sidepool_reply_free(event);
	} while (event && *ret_more);
	return CTL_OK;
}

/* The subscription is the handle's: it is over when that is not connected any more. */
static int follow(struct ctl *ctl, struct sidepool_subscriber *s)
{
	struct pollfd p[2] = { { .fd = sidepool_subscriber_fd(s), .events = POLLIN } };
	bool more = true;
	int status = drain(ctl, s, &more);

	while (status == CTL_OK && more) {
		p[1] = (struct pollfd){ .fd = sidepool_fd(ctl->sp),
					.events = sidepool_events(ctl->sp) };
		if (poll(p, 2, sidepool_timeout_ms(ctl->sp)) < 0 && errno != EINTR) {
			perror("sidepool: poll");
			return CTL_TROUBLE;
		}
		status = drain(ctl, s, &more);
		if (status == CTL_OK && more &&
		    (sidepool_dispatch(ctl->sp, p[1].revents) != 0 ||
		     sidepool_connection_state(ctl->sp) != SIDEPOOL_CONNECTION_READY))
			return fail("the daemon", SIDEPOOL_E_DAEMON_LOST);
	}
	return status;
}

/* ---- asking ---- */

static int open_subscriber(struct ctl *ctl, struct sidepool_subscriber **ret_subscriber)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply = sidepool_wait(ctl->sp, sidepool_connect(ctl->sp, &call));
	int status = sidepool_error(reply) ? complain(sidepool_error(reply), NULL) : CTL_OK;
	int r;

	sidepool_reply_free(reply);
	if (status != CTL_OK)
		return status;
	if (!sidepool_events_url(ctl->sp)) {
		fprintf(stderr, "sidepool: this daemon publishes nothing: see its setting "
				"events_socket\n");
		return CTL_REFUSED;
	}
	r = sidepool_subscriber_open(sidepool_events_url(ctl->sp), ret_subscriber);
	return r == 0 ? CTL_OK : fail(sidepool_events_url(ctl->sp), r);
}

static int listen_to(struct ctl *ctl, struct sidepool_subscriber *s, const char *channel,
		     const char *pool)
{
	struct sidepool_call call = ctl_call(ctl);
	struct sidepool_reply *reply;
	int r, status = CTL_OK;

	call.pool = pool;
	r = sidepool_subscriber_listen(s, ctl->sp, channel, &call, &reply);
	if (sidepool_error(reply))
		status = complain(sidepool_error(reply), NULL);
	else if (r != 0)
		status = fail("the events socket", r);
	sidepool_reply_free(reply);
	return status;
}

/* Of those pools, or of all and the daemon as a whole. */
static int listen_to_events(struct ctl *ctl, struct sidepool_subscriber *s)
{
	int status = CTL_OK;

	for (int i = 0; status == CTL_OK && i < ctl->n_args; i++)
		status = listen_to(ctl, s, "", ctl->args[i]);
	if (ctl->n_args > 0 || ctl->pool)
		return ctl->n_args > 0 ? status : listen_to(ctl, s, "", NULL);
	if (sidepool_subscriber_add(s, "event/", strlen("event/")) != 0)
		return fail("the events socket", SIDEPOOL_E_OUT_OF_MEMORY);
	return listen_to(ctl, s, "", NULL);
}

static int listen_to_channels(struct ctl *ctl, struct sidepool_subscriber *s)
{
	int status = CTL_OK;

	for (int i = 0; status == CTL_OK && i < ctl->n_args; i++)
		status = listen_to(ctl, s, ctl->args[i], NULL);
	return status;
}

int ctl_listen(struct ctl *ctl)
{
	struct sidepool_subscriber *s = NULL;
	int status;

	if (ctl->format == CTL_CSV) {
		fprintf(stderr, "sidepool: --csv is for tables; events are lines, or --json\n");
		return CTL_USAGE;
	}
	status = open_subscriber(ctl, &s);
	if (status == CTL_OK)
		status = ctl->command->detail == ALL_EVENTS ? listen_to_events(ctl, s)
							    : listen_to_channels(ctl, s);
	if (status == CTL_OK)
		status = follow(ctl, s);
	sidepool_subscriber_close(s);
	return status;
}
