/* SPDX-License-Identifier: MIT */
/*
 * A socket that was asked for by its path must be there, or the daemon does not start. The one that
 * is made by default may fail to: then the daemon works without it and says so.
 */
#include "publishing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"
#include "config/config.h"
#include "events/publisher.h"
#include "util/log.h"

enum {
	PATH_BYTES = PUBLISHER_PATH_MOST + 2, /* one more than fits shows that it is too long */
};

/* Subscribers have folders of their own to be in. */
static void make_absolute(char *path)
{
	char folder[PATH_BYTES], relative[PATH_BYTES];

	if (path[0] == '/' || path[0] == '\0')
		return;
	memcpy(relative, path, PATH_BYTES);
	if (!getcwd(folder, sizeof(folder)))
		folder[0] = '\0'; /* too long: refused as such */
	if (snprintf(path, PATH_BYTES, "%s/%s", folder, relative) >= PATH_BYTES || !folder[0])
		memset(path, 'x', PATH_BYTES - 1);
}

static void on_timer(uv_timer_t *timer)
{
	struct publishing *p = container_of(timer, struct publishing, timer);
	bool restarted;
	int r = publisher_tend(p->publisher, &restarted);

	if (r != 0 && !p->broken)
		log_error(LOG_NO_FIELDS, "events: the socket %s cannot be made anew: %s",
			  publisher_url(p->publisher), publisher_error_to_string(r));
	else if (restarted && r == 0)
		log_warning(
			LOG_NO_FIELDS,
			"events: the socket had ceased to accept subscribers and was made anew; "
			"those who were connected have to connect again");
	p->broken = r != 0;
}

static int open_socket(struct publishing *p, const struct config *c, const char *path)
{
	struct publisher_settings settings = {
		.path = path,
		.mode = (mode_t)c->socket_mode,
		.owner = (uid_t)c->socket_uid,
		.group = (gid_t)c->socket_gid,
		.buffer = (int)c->events_buffer,
	};

	return publisher_new(&p->publisher, &settings);
}

int publishing_init(struct publishing *p, uv_loop_t *loop, const struct config *c, int inherited)
{
	bool automatic = !strcmp(c->events_socket, "auto");
	char path[PATH_BYTES];
	int r;

	*p = (struct publishing){ .publisher = NULL };
	(void)uv_timer_init(loop, &p->timer);
	uv_unref((uv_handle_t *)&p->timer);
	if (!strcmp(c->events_socket, "off"))
		return 0;
	if (automatic)
		beside_path(path, sizeof(path), c, inherited, "events");
	else
		(void)snprintf(path, sizeof(path), "%s", c->events_socket);
	make_absolute(path);
	r = open_socket(p, c, path);
	if (r == 0) {
		(void)uv_timer_start(&p->timer, on_timer, PUBLISHER_TEND_MS, PUBLISHER_TEND_MS);
		return 0;
	}
	log_write(automatic ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, LOG_NO_FIELDS,
		  "the events socket %s cannot be used: %s%s", path, publisher_error_to_string(r),
		  automatic ? "; nothing is published. Set events_socket" : "");
	return automatic ? 0 : -1;
}

const char *publishing_url(const struct publishing *p)
{
	return p->publisher ? publisher_url(p->publisher) : NULL;
}

void publishing_send(struct publishing *p, const void *topic, size_t topic_bytes, const void *body,
		     size_t body_bytes)
{
	if (p->publisher)
		(void)publisher_send(p->publisher, topic, topic_bytes, body, body_bytes);
}

void publishing_configure(struct publishing *p, const struct config *c)
{
	if (p->publisher && publisher_set_buffer(p->publisher, (int)c->events_buffer) < 0)
		log_error(LOG_NO_FIELDS, "reload: no memory for events_buffer = %u",
			  c->events_buffer);
}

void publishing_deinit(struct publishing *p)
{
	p->publisher = publisher_free(p->publisher);
	if (p->timer.loop)
		uv_close((uv_handle_t *)&p->timer, NULL);
}
