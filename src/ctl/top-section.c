/* SPDX-License-Identifier: MIT */
/*
 * Where it is narrow, columns leave in the order that they have been given, and then the widest text is
 * cut: numbers never are.
 */
#include "ctl/top-section.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/duration.h"
#include "ctl/text.h"

enum {
	GAP = 1,
	TEXT_WIDTH_MIN = 10,
	TEXT_WIDTH_KEPT = 20,
	TEXT_WIDTH_LAST = 4,
	HEAD_BYTES = 48,
	CELL_BYTES = 24,
};

struct grid {
	const struct top_view *view;
	const struct top_table *table;
	enum top_section section;
	const struct top_row **rows; /* the first that can be seen */
	size_t n_shown, first, n_rows;
	size_t widths[TOP_COLUMNS_MAX];
	bool shown[TOP_COLUMNS_MAX];
};

static const char *cell_text(const struct top_column *c, const struct top_cell *cell,
			     char buffer[CELL_BYTES])
{
	switch (c->kind) {
	case TOP_MS:
		if (cell->number > 0)
			duration_print_ms(cell->number, buffer);
		return cell->number > 0 ? buffer : "-";
	case TOP_US:
		if (cell->number > 0)
			duration_print(cell->number, buffer);
		return cell->number > 0 ? buffer : "-";
	case TOP_RATE:
		(void)snprintf(buffer, CELL_BYTES, "%" PRIu64 ".%" PRIu64, cell->number / 10,
			       cell->number % 10);
		return buffer;
	default:
		return cell->text;
	}
}

/* "LEASES 3", "LEASES 4-9/20", and a mark at the column that is sorted by. */
static void head_text(const struct grid *g, size_t column, char text[HEAD_BYTES])
{
	const struct top_look *look = &g->view->looks[g->section];
	const char *head = g->table->columns[column].head, *mark = "";
	bool down = (g->table->columns[column].kind != TOP_TEXT) != look->reversed;

	if (look->sorted_by == column)
		mark = down ? "▼" : "▲";
	if (column > 0)
		(void)snprintf(text, HEAD_BYTES, "%s%s", head, mark);
	else if (g->n_shown == g->n_rows || g->n_shown == 0)
		(void)snprintf(text, HEAD_BYTES, "%s %zu%s", head, g->n_rows, mark);
	else
		(void)snprintf(text, HEAD_BYTES, "%s %zu-%zu/%zu%s", head, g->first + 1,
			       g->first + g->n_shown, g->n_rows, mark);
}

static void measure(struct grid *g)
{
	char head[HEAD_BYTES], buffer[CELL_BYTES];

	for (size_t c = 0; c < g->table->n_columns; c++) {
		g->shown[c] = g->table->columns[c].drop != TOP_HIDDEN;
		head_text(g, c, head);
		g->widths[c] = text_width(head, strlen(head));
		for (size_t i = 0; i < g->n_shown; i++) {
			const char *s =
				cell_text(&g->table->columns[c], &g->rows[i]->cells[c], buffer);
			size_t width = text_width(s, strlen(s));

			g->widths[c] = width > g->widths[c] ? width : g->widths[c];
		}
	}
}

/* Down to which it may be cut: a text that never leaves is worth more than one that does. */
static size_t least(const struct grid *g, size_t column)
{
	size_t width = g->widths[column], most = TEXT_WIDTH_MIN;

	if (g->table->columns[column].kind != TOP_TEXT)
		return width;
	if (column > 0 && g->table->columns[column].drop == 0)
		most = TEXT_WIDTH_KEPT;
	return width > most ? most : width;
}

/* Takes the first to go out until the rest can be made to fit. */
static void drop_columns(struct grid *g, size_t room)
{
	for (;;) {
		size_t sum = 0, out = TOP_COLUMNS_MAX;

		for (size_t c = 0; c < g->table->n_columns; c++) {
			unsigned drop = g->table->columns[c].drop;

			if (!g->shown[c])
				continue;
			sum += least(g, c) + (sum ? GAP : 0);
			if (drop > 0 &&
			    (out == TOP_COLUMNS_MAX || drop > g->table->columns[out].drop))
				out = c;
		}
		if (sum <= room || out == TOP_COLUMNS_MAX)
			return;
		g->shown[out] = false;
	}
}

/* Cuts the widest text until all fit, or all texts are cut to `most` or to what they are worth. */
static void shrink(struct grid *g, size_t room, size_t most)
{
	for (;;) {
		size_t sum = 0, widest = TOP_COLUMNS_MAX;

		for (size_t c = 0; c < g->table->n_columns; c++) {
			size_t down_to = least(g, c);

			if (!g->shown[c])
				continue;
			if (g->table->columns[c].kind == TOP_TEXT && down_to > most)
				down_to = most;
			sum += g->widths[c] + (sum ? GAP : 0);
			if (g->widths[c] > down_to &&
			    (widest == TOP_COLUMNS_MAX || g->widths[c] > g->widths[widest]))
				widest = c;
		}
		if (sum <= room || widest == TOP_COLUMNS_MAX)
			return;
		g->widths[widest]--;
	}
}

size_t top_put(const struct top_sink *sink, size_t line, size_t column, unsigned style,
	       const char *text)
{
	size_t bytes;

	if (line >= sink->lines || column >= sink->columns)
		return column;
	bytes = text_fit(text, strlen(text), sink->columns - column);
	if (bytes > 0)
		sink->put(sink->userdata, line, column, style, text, bytes);
	return column + text_width(text, bytes);
}

void top_put_blank(const struct top_sink *sink, size_t line, unsigned style)
{
	static const char blanks[] = "                                ";

	for (size_t at = 0; at < sink->columns;)
		at = top_put(sink, line, at, style, blanks);
}

/* Cut with an ellipsis where it is too long. */
static void put_cell(const struct top_sink *sink, size_t line, size_t column, unsigned style,
		     const char *text, size_t width, bool right)
{
	size_t len = strlen(text), used = text_width(text, len), at, fit;

	if (column >= sink->columns)
		return;
	if (width > sink->columns - column)
		width = sink->columns - column;
	if (used <= width) {
		top_put(sink, line, right ? column + width - used : column, style, text);
		return;
	}
	fit = text_fit(text, len, width > 0 ? width - 1 : 0);
	at = column + text_width(text, fit);
	if (fit > 0 && line < sink->lines)
		sink->put(sink->userdata, line, column, style, text, fit);
	if (width > 0)
		top_put(sink, line, at, style, "…");
}

static void put_row(const struct grid *g, const struct top_sink *sink, size_t line, unsigned style,
		    const struct top_row *row)
{
	char head[HEAD_BYTES], buffer[CELL_BYTES];
	size_t at = 0;

	if (style)
		top_put_blank(sink, line, style);
	for (size_t c = 0; c < g->table->n_columns; c++) {
		const struct top_column *column = &g->table->columns[c];

		if (!g->shown[c])
			continue;
		if (!row)
			head_text(g, c, head);
		put_cell(sink, line, at, style,
			 row ? cell_text(column, &row->cells[c], buffer) : head, g->widths[c],
			 c > 0 && column->kind != TOP_TEXT);
		at += g->widths[c] + GAP;
	}
}

/* The selected row stays in sight. */
static void scroll(struct top_look *look, size_t selected, size_t n, size_t lines)
{
	look->page = lines;
	if (look->first > selected)
		look->first = selected;
	if (lines > 0 && selected >= look->first + lines)
		look->first = selected - lines + 1;
	if (look->first + lines > n)
		look->first = n > lines ? n - lines : 0;
}

void top_section_draw(struct top_view *v, const struct top_sample *s, enum top_section section,
		      const struct top_row **rows, size_t n, const struct top_place *place,
		      const struct top_sink *sink)
{
	struct top_look *look = &v->looks[section];
	size_t selected = top_view_selected(v, section, rows, n);
	struct grid g = { .view = v, .table = &s->tables[section], .section = section };

	scroll(look, selected, n, place->lines);
	g.rows = rows + look->first;
	g.first = look->first;
	g.n_rows = n;
	g.n_shown = n - look->first < place->lines ? n - look->first : place->lines;
	measure(&g);
	drop_columns(&g, sink->columns);
	shrink(&g, sink->columns, SIZE_MAX);
	shrink(&g, sink->columns, TEXT_WIDTH_LAST);
	put_row(&g, sink, place->line, section == v->focus ? TOP_STYLE_FOCUS : TOP_STYLE_HEAD,
		NULL);
	for (size_t i = 0; i < g.n_shown; i++) {
		unsigned style = g.rows[i]->level == TOP_BAD    ? TOP_STYLE_BAD
				 : g.rows[i]->level == TOP_WARN ? TOP_STYLE_WARN
								: TOP_STYLE_PLAIN;

		if (section == v->focus && look->first + i == selected)
			style |= TOP_STYLE_SELECTED;
		put_row(&g, sink, place->line + 1 + i, style, g.rows[i]);
	}
}
