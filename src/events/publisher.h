/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The publish/subscribe socket: NNG's PUB0 over IPC. It knows of bytes alone; what they say is
 * rpc/event.h's. libnng has threads of its own, and nothing of ours runs on them: everything here
 * is called from the loop, and nothing blocks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct publisher;

struct publisher_settings {
	const char *path; /* absolute */
	mode_t mode;
	uid_t owner; /* -1: unchanged, as the next */
	gid_t group;
	/* messages that are kept for each subscriber who reads slowly; the oldest go first */
	int buffer;
};

enum {
	PUBLISHER_BUFFER_MOST = 8192, /* libnng's own limit */
	PUBLISHER_PATH_MOST = 107,    /* sun_path */
	PUBLISHER_E_IN_USE = 1,       /* another process listens on the path */
	PUBLISHER_E_NOT_SOCKET,       /* a file that is no socket stands there */
	PUBLISHER_E_PATH_LENGTH,      /* the path is empty or longer than PUBLISHER_PATH_MOST */
	PUBLISHER_E_DIRECTORY,        /* the folder is missing, or may not be written to */
};

/*
 * Listens; a socket that is left over is replaced. Not to be called while another thread makes
 * files: it sets the umask for a moment. Returns 0, a PUBLISHER_E_ code or a negative errno.
 */
int publisher_new(struct publisher **ret_publisher, const struct publisher_settings *settings);

const char *publisher_error_to_string(int error);

/* "ipc:///run/sidepool/events.sock" */
const char *publisher_url(const struct publisher *p);

enum {
	PUBLISHER_TEND_MS = 250,
};

/*
 * To be called every PUBLISHER_TEND_MS: looks whether new subscribers still get through, and makes
 * the socket anew if not. Returns 0, or as publisher_new() while that fails; the next call tries
 * again.
 */
int publisher_tend(struct publisher *p, bool *ret_restarted);

/* From now on, also for those who are connected. Returns 0 or a negative errno. */
int publisher_set_buffer(struct publisher *p, int buffer);

/*
 * Sends topic and body as one message to every subscriber. A subscriber who is slow loses the
 * oldest that is kept for it. Returns 0 or -ENOMEM: then nobody has got it.
 */
int publisher_send(struct publisher *p, const void *topic, size_t topic_bytes, const void *body,
		   size_t body_bytes);

/* Closes it and removes the file; libnng's threads end. */
struct publisher *publisher_free(struct publisher *p);
