/* SPDX-License-Identifier: MIT */
/*
 * Tracing of fatal errors. It costs nothing until a negative code appears, which is rare by the
 * rule in error.h, and then one line for each function that the error passes through, so that the
 * log reads like a backtrace.
 */
#include "util/error.h"

#include <string.h>

#include "util/log.h"

void err_trace(int r, const char *verb, const char *file, int line, const char *function)
{
	if (r < 0 && log_debugs(LOG_TOPIC_ERROR))
		log_debug(LOG_TOPIC_ERROR, LOG_FIELDS(log_int("ERRNO", -r)), "%s:%d %s() %s: %s",
			  file, line, function, verb, strerror(-r));
}
