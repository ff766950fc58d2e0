/* SPDX-License-Identifier: MIT */
#include "http/json.h"

#include <inttypes.h>

static void begin(struct json *j, const char *name)
{
	text_put(j->text, "%s", j->follows ? "," : "");
	if (name)
		text_put(j->text, "\"%s\":", name);
	j->follows = true;
}

void json_open(struct json *j, const char *name, char bracket)
{
	begin(j, name);
	text_put(j->text, "%c", bracket);
	j->follows = false;
}

void json_close(struct json *j, char bracket)
{
	text_put(j->text, "%c", bracket);
	j->follows = true;
}

void json_string(struct json *j, const char *name, const char *value)
{
	begin(j, name);
	text_put(j->text, "\"");
	text_escape(j->text, TEXT_JSON, value);
	text_put(j->text, "\"");
}

void json_uint(struct json *j, const char *name, uint64_t value)
{
	begin(j, name);
	text_put(j->text, "%" PRIu64, value);
}

void json_int(struct json *j, const char *name, int64_t value)
{
	begin(j, name);
	text_put(j->text, "%" PRId64, value);
}

void json_tenths(struct json *j, const char *name, double value)
{
	begin(j, name);
	text_put(j->text, "%.1f", value);
}

void json_bool(struct json *j, const char *name, bool value)
{
	begin(j, name);
	text_put(j->text, value ? "true" : "false");
}
