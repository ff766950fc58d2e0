/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A SUB of the events socket (proto/WIRE.md, section 6). The daemon sends everything to everybody;
 * what is not wanted is read and dropped here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "counted.h"
#include "reply.h"
#include "sidepool-events.h"

struct prefix {
	size_t n;
	uint8_t *bytes; /* owned */
};

struct sidepool_subscriber {
	int fd;
	bool greeted;
	bool heard; /* a message has come: the daemon knows of the connection */
	struct bytes in;
	size_t at;               /* in `in`: behind it is not looked at yet */
	struct prefix *prefixes; /* owned */
	size_t n_prefixes;
	struct counted_topics topics;
	struct replies replies;
};
