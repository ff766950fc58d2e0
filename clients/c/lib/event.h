/* SPDX-License-Identifier: MIT */
#pragma once
/* A message of the events socket as a reply. */

#include <stddef.h>
#include <stdint.h>

struct sidepool_reply;
struct sidepool_subscriber;

/*
 * Decodes topic and event. Returns 0 and the event, or NULL where there is nothing to show (a mark
 * that tells of no loss); SIDEPOOL_E_PROTOCOL_VIOLATION or SIDEPOOL_E_OUT_OF_MEMORY.
 */
int event_new(struct sidepool_subscriber *s, const uint8_t *body, size_t n,
	      struct sidepool_reply **ret_event);
