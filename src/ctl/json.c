/* SPDX-License-Identifier: MIT */
/* JSON out of PostgreSQL's texts: https://www.rfc-editor.org/rfc/rfc8259 */
#include <stdio.h>
#include <string.h>

#include "ctl/output.h"

enum {
	OID_BOOL = 16,
	OID_JSON = 114,
	OID_JSONB = 3802,
};

static void put_string(FILE *out, const char *s, size_t len)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

void output_json_text(FILE *out, const char *text)
{
	put_string(out, text, strlen(text));
}

/* NaN and the infinities are numbers to PostgreSQL and not to JSON. */
static bool is_finite(const char *s)
{
	return *s == '-' ? s[1] >= '0' && s[1] <= '9' : *s >= '0' && *s <= '9';
}

void output_json_value(FILE *out, const struct sidepool_result *r, size_t row, size_t column)
{
	const char *s = sidepool_value(r, row, column);
	size_t len = sidepool_length(r, row, column);
	uint32_t type = sidepool_ftype(r, column);

	if (!s)
		fputs("null", out);
	else if (type == OID_BOOL)
		fputs(*s == 't' ? "true" : "false", out);
	else if (type == OID_JSON || type == OID_JSONB || (output_is_number(type) && is_finite(s)))
		fwrite(s, 1, len, out);
	else
		put_string(out, s, len);
}

void output_json_row(FILE *out, const struct sidepool_result *r, size_t row)
{
	fputc('{', out);
	for (size_t c = 0; c < sidepool_nfields(r); c++) {
		fputs(c ? ", " : "", out);
		put_string(out, sidepool_fname(r, c), strlen(sidepool_fname(r, c)));
		fputs(": ", out);
		output_json_value(out, r, row, c);
	}
	fputc('}', out);
}
