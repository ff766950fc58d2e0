/* SPDX-License-Identifier: MIT */
/*
 * The aligned table looks as psql's: heads centred, numbers to the right, a value of several lines
 * on several lines, each but the last marked by '+' in the margin.
 */
#include "ctl/output.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/text.h"

bool output_is_number(uint32_t type)
{
	static const uint32_t numbers[] = { 20, 21, 23, 26, 28, 700, 701, 790, 1700 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] == type)
			return true;
	return false;
}

/* The line at `*at`, which moves behind it. */
static size_t take_line(const char **at, const char *end)
{
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	size_t len = (size_t)((newline ? newline : end) - *at);

	*at += len + (newline ? 1 : 0);
	return len;
}

static size_t widest_line(const char *s, size_t len)
{
	const char *end = s + len, *line;
	size_t widest = 0, width;

	do {
		line = s;
		width = text_width(line, take_line(&s, end));
		widest = width > widest ? width : widest;
	} while (s < end);
	return widest;
}

static bool measure(struct output *o, const struct sidepool_result *r)
{
	o->n_columns = sidepool_nfields(r);
	o->widths = calloc(o->n_columns + 1, sizeof(*o->widths));
	o->right = calloc(o->n_columns + 1, sizeof(*o->right));
	if (!o->widths || !o->right)
		return false;
	for (size_t c = 0; c < o->n_columns; c++) {
		const char *name = sidepool_fname(r, c);

		o->right[c] = output_is_number(sidepool_ftype(r, c));
		o->widths[c] = text_width(name, strlen(name));
		for (size_t row = 0; row < sidepool_nrows(r); row++) {
			const char *v = sidepool_value(r, row, c);
			size_t w = v ? widest_line(v, sidepool_length(r, row, c)) : 0;

			o->widths[c] = w > o->widths[c] ? w : o->widths[c];
		}
	}
	return true;
}

static void pad(FILE *out, size_t n)
{
	for (; n > 0; n--)
		fputc(' ', out);
}

static void aligned_head(struct output *o, const struct sidepool_result *r)
{
	for (size_t c = 0; c < o->n_columns; c++) {
		const char *name = sidepool_fname(r, c);
		size_t space = o->widths[c] - text_width(name, strlen(name));

		fputs(c ? "| " : " ", o->out);
		pad(o->out, space / 2);
		text_put(o->out, name, strlen(name));
		if (c + 1 < o->n_columns)
			pad(o->out, space - space / 2 + 1);
	}
	fputc('\n', o->out);
	for (size_t c = 0; c < o->n_columns; c++) {
		fputs(c ? "+" : "", o->out);
		for (size_t i = 0; i < o->widths[c] + 2; i++)
			fputc('-', o->out);
	}
	fputc('\n', o->out);
}

/* One line of a cell. Nothing trails in the last column. */
static void aligned_cell(struct output *o, size_t c, const char *s, size_t len, bool more)
{
	size_t width = text_width(s, len);
	size_t space = width < o->widths[c] ? o->widths[c] - width : 0;
	bool last = c + 1 == o->n_columns;

	fputs(c ? "| " : " ", o->out);
	if (o->right[c])
		pad(o->out, space);
	text_put(o->out, s, len);
	if (!o->right[c] && (!last || more))
		pad(o->out, space);
	if (more || !last)
		fputc(more ? '+' : ' ', o->out);
}

static void aligned_row(struct output *o, const struct sidepool_result *r, size_t row)
{
	bool more = true;

	for (size_t line = 0; more; line++) {
		more = false;
		for (size_t c = 0; c < o->n_columns; c++) {
			const char *at = sidepool_value(r, row, c), *end, *s;
			size_t len = 0;

			at = at ? at : "";
			end = at + sidepool_length(r, row, c);
			s = at;
			for (size_t i = 0; i <= line; i++) {
				s = at;
				len = at < end ? take_line(&at, end) : 0;
			}
			aligned_cell(o, c, s, len, at < end);
			more |= at < end;
		}
		fputc('\n', o->out);
	}
}

static void csv_text(FILE *out, const char *s, size_t len)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '"')
			fputc('"', out);
		fputc(s[i], out);
	}
	fputc('"', out);
}

/* As COPY writes it: NULL is nothing, an empty text is "". */
static void csv_value(FILE *out, const char *s, size_t len)
{
	bool plain = len > 0;

	if (!s)
		return;
	for (size_t i = 0; i < len && plain; i++)
		plain = !strchr("\",\r\n", s[i]) && s[i] != '\0';
	if (plain)
		fwrite(s, 1, len, out);
	else
		csv_text(out, s, len);
}

static void csv_row(struct output *o, const struct sidepool_result *r, size_t row)
{
	for (size_t c = 0; c < o->n_columns; c++) {
		if (c)
			fputc(',', o->out);
		csv_value(o->out, sidepool_value(r, row, c), sidepool_length(r, row, c));
	}
	fputc('\n', o->out);
}

static void csv_head(struct output *o, const struct sidepool_result *r)
{
	for (size_t c = 0; c < o->n_columns; c++) {
		if (c)
			fputc(',', o->out);
		csv_value(o->out, sidepool_fname(r, c), strlen(sidepool_fname(r, c)));
	}
	fputc('\n', o->out);
}

static bool begin(struct output *o, const struct sidepool_result *r)
{
	o->begun = true;
	o->n_columns = sidepool_nfields(r);
	switch (o->format) {
	case CTL_CSV:
		csv_head(o, r);
		return true;
	case CTL_JSON:
		fputc('[', o->out);
		return true;
	default:
		if (!measure(o, r))
			return false;
		aligned_head(o, r);
		return true;
	}
}

static void put_row(struct output *o, const struct sidepool_result *r, size_t row)
{
	switch (o->format) {
	case CTL_CSV:
		csv_row(o, r, row);
		break;
	case CTL_JSON:
		fputs(o->rows ? ",\n " : "\n ", o->out);
		output_json_row(o->out, r, row);
		break;
	default:
		aligned_row(o, r, row);
		break;
	}
	o->rows++;
}

bool output_rows(struct output *o, const struct sidepool_result *r)
{
	if (sidepool_nfields(r) == 0)
		return true;
	if (!o->begun && !begin(o, r))
		return false;
	for (size_t row = 0; row < sidepool_nrows(r); row++)
		put_row(o, r, row);
	return true;
}

void output_end(struct output *o, const char *tag)
{
	if (o->begun && o->format == CTL_JSON)
		fputs(o->rows ? "\n]\n" : "]\n", o->out);
	else if (o->begun && o->format == CTL_ALIGNED)
		fprintf(o->out, "(%zu row%s)\n", o->rows, o->rows == 1 ? "" : "s");
	else if (!o->begun && *tag)
		fprintf(o->format == CTL_ALIGNED ? o->out : stderr, "%s\n", tag);
	free(o->widths);
	free(o->right);
	*o = (struct output){ .format = o->format, .out = o->out };
}
