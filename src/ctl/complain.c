/* SPDX-License-Identifier: MIT */
/* As psql shows them: the message, the line with a caret below the place, then detail, hint and
 * context. */
#include "ctl/complain.h"

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/duration.h"
#include "ctl/text.h"

enum {
	EXCERPT_WIDTH = 60, /* of a long line, around the place */
};

static void put_field(const struct sidepool_error *e, const char *label, enum sidepool_field field)
{
	const char *text = sidepool_error_field(e, field);

	if (*text)
		fprintf(stderr, "%s:  %s\n", label, text);
}

/* Where character `position` (from 1) of `sql` stands: its line's number and begin, and it. */
static const char *find_line(const char *sql, uint32_t position, unsigned *ret_line,
			     const char **ret_at)
{
	const char *line = sql, *at = sql;

	*ret_line = 1;
	for (uint32_t i = 1; i < position && *at; i++) {
		if (*at == '\n') {
			line = at + 1;
			(*ret_line)++;
		}
		at += text_char_bytes(at);
	}
	*ret_at = at;
	return line;
}

static void put_place(const char *sql, uint32_t position)
{
	const char *line, *at, *end;
	unsigned number;
	int indent;

	line = find_line(sql, position, &number, &at);
	while (text_width(line, (size_t)(at - line)) > EXCERPT_WIDTH / 2)
		line += text_char_bytes(line);
	end = line;
	while (*end && *end != '\n' && text_width(line, (size_t)(end - line)) < EXCERPT_WIDTH)
		end += text_char_bytes(end);
	indent = fprintf(stderr, "LINE %u: ", number) + (int)text_width(line, (size_t)(at - line));
	text_put(stderr, line, (size_t)(end - line));
	fprintf(stderr, "\n%*s^\n", indent, "");
}

/* "pool main: 5/5 in use, 3 waiting, waited 5.0s", and who has them. */
static void put_pool(const struct sidepool_error *e)
{
	const struct sidepool_result *p = sidepool_error_pool(e), *h = sidepool_error_holders(e);

	for (size_t i = 0; p && i < sidepool_nfields(p); i++)
		fprintf(stderr, "%s%s %s", i ? ", " : "pool: ", sidepool_fname(p, i),
			sidepool_value(p, 0, i));
	if (p)
		fputc('\n', stderr);
	for (size_t row = 0; row < sidepool_nrows(h); row++) {
		fputs("held by:", stderr);
		for (size_t i = 0; i < sidepool_nfields(h); i++)
			if (sidepool_length(h, row, i) > 0)
				fprintf(stderr, " %s %s", sidepool_fname(h, i),
					sidepool_value(h, row, i));
		fputc('\n', stderr);
	}
}

static void put_advice(const struct sidepool_error *e)
{
	char after[16];

	if (*sidepool_error_remedy(e))
		fprintf(stderr, "remedy: %s\n", sidepool_error_remedy(e));
	if (sidepool_error_outcome(e) == SIDEPOOL_OUTCOME_UNKNOWN)
		fprintf(stderr, "outcome: unknown; it may have taken effect\n");
	if (sidepool_error_retry_after_ms(e) > 0) {
		duration_print(sidepool_error_retry_after_ms(e) * UINT64_C(1000), after);
		fprintf(stderr, "retry: after %s\n", after);
	}
}

static int status_of(const struct sidepool_error *e)
{
	switch (sidepool_error_code(e)) {
	case SIDEPOOL_E_DAEMON_UNREACHABLE:
		return CTL_NO_DAEMON;
	case SIDEPOOL_E_PROTOCOL_VIOLATION:
		if (sidepool_error_outcome(e) == SIDEPOOL_OUTCOME_NOT_SENT)
			return CTL_NO_DAEMON;
		break;
	default:
		break;
	}
	switch (sidepool_error_outcome(e)) {
	case SIDEPOOL_OUTCOME_NOT_SENT:
		return sidepool_error_retryable(e) ? CTL_NOT_SENT : CTL_REFUSED;
	case SIDEPOOL_OUTCOME_FAILED:
		return CTL_FAILED;
	default:
		return CTL_UNKNOWN;
	}
}

int complain(const struct sidepool_error *e, const char *sql)
{
	const char *sqlstate = sidepool_error_sqlstate(e);
	uint32_t position = sidepool_error_position(e);

	fflush(stdout);
	if (*sqlstate)
		fprintf(stderr, "sidepool: %s %s: %s\n",
			sidepool_error_field(e, SIDEPOOL_FIELD_SEVERITY), sqlstate,
			sidepool_error_field(e, SIDEPOOL_FIELD_MESSAGE));
	else
		fprintf(stderr, "sidepool: %s (%s)\n", sidepool_error_message(e),
			sidepool_code_name(sidepool_error_code(e)));
	if (sql && position > 0)
		put_place(sql, position);
	put_field(e, "DETAIL", SIDEPOOL_FIELD_DETAIL);
	put_field(e, "HINT", SIDEPOOL_FIELD_HINT);
	put_field(e, "QUERY", SIDEPOOL_FIELD_INTERNAL_QUERY);
	put_field(e, "CONTEXT", SIDEPOOL_FIELD_WHERE);
	put_pool(e);
	/* PostgreSQL's own errors carry their hints; the general remedy would only say "see sql".
	 */
	if (!*sqlstate || sidepool_error_outcome(e) != SIDEPOOL_OUTCOME_FAILED)
		put_advice(e);
	return status_of(e);
}

void complain_notices(const struct sidepool_result *result)
{
	const struct sidepool_error *n;

	for (size_t i = 0; (n = sidepool_notice(result, i)); i++) {
		fflush(stdout);
		fprintf(stderr, "%s:  %s\n", sidepool_error_field(n, SIDEPOOL_FIELD_SEVERITY),
			sidepool_error_message(n));
		put_field(n, "DETAIL", SIDEPOOL_FIELD_DETAIL);
		put_field(n, "HINT", SIDEPOOL_FIELD_HINT);
	}
}
