/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Structured log lines: a sentence for people and fields for machines. To the journal with its own
 * fields where stderr is the journal, else `<N>`-free key=value lines or JSON lines on stderr.
 * Field names are upper case, as the journal wants.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

/* The values are syslog's. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
};

/* What SIDEPOOL_DEBUG=sp,pg,... switches on, one bit a topic. */
enum log_topic {
	LOG_TOPIC_ERROR,
	LOG_TOPIC_SP,
	LOG_TOPIC_RPC,
	LOG_TOPIC_CORE,
	LOG_TOPIC_PG,
	LOG_TOPIC_BREAKER,
	LOG_TOPIC_N,
};

enum log_field_type {
	LOG_FIELD_STR,
	LOG_FIELD_INT,
	LOG_FIELD_UINT,
};

struct log_field {
	const char *key;
	enum log_field_type type;
	union {
		const char *str; /* borrowed; NULL leaves the field out */
		int64_t i;
		uint64_t u;
	};
};

static inline struct log_field log_str(const char *key, const char *value)
{
	return (struct log_field){ .key = key, .type = LOG_FIELD_STR, .str = value };
}

static inline struct log_field log_int(const char *key, int64_t value)
{
	return (struct log_field){ .key = key, .type = LOG_FIELD_INT, .i = value };
}

static inline struct log_field log_uint(const char *key, uint64_t value)
{
	return (struct log_field){ .key = key, .type = LOG_FIELD_UINT, .u = value };
}

/*
 * The fields of one line: `log_info(LOG_FIELDS(log_str("POOL", name)), "pool %s is open", name);`
 */
#define LOG_FIELDS(...)                                                                            \
	(const struct log_field[]){ __VA_ARGS__ },                                                 \
		ARRAY_LEN(((const struct log_field[]){ __VA_ARGS__ }))
#define LOG_NO_FIELDS NULL, 0

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
/* Debug lines belong to a topic; ask log_debugs() first where the arguments cost something. */
#define log_debug(topic, ...)                                                                      \
	do {                                                                                       \
		if (log_debugs(topic))                                                             \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                   \
	} while (0)

/*
 * Reads $SIDEPOOL_DEBUG and finds out whether stderr is the journal. `level` is the least important
 * that is written.
 */
void log_setup(enum log_level level, enum log_format format);

/* Whether $SIDEPOOL_DEBUG names the topic. An unknown topic is told of at log_setup(). */
bool log_debugs(enum log_topic topic);

/*
 * One line. `fields` are borrowed for the call. Control characters are escaped: one event, one
 * line.
 */
void log_write(enum log_level level, const struct log_field *fields, size_t n_fields,
	       const char *format, ...) printf_like(4, 5);
