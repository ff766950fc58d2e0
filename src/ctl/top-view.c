/* SPDX-License-Identifier: MIT */
/* Rows come and go between two samples, so a selection is a name first and a place second. */
#include "ctl/top-view.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the order ---- */

static size_t column(enum top_section section, const char *head)
{
	size_t n, i = 0;
	const struct top_column *columns = top_section_columns(section, &n);

	while (i < n && strcmp(columns[i].head, head) != 0)
		i++;
	return i;
}

struct order {
	const struct top_column *column; /* NULL: as they came */
	size_t index;
	size_t second; /* a number, the largest first, where the column says nothing */
	bool down;
};

/* Numbers begin with the largest, texts with A. */
static bool begins_large(const struct top_column *c)
{
	return c->kind != TOP_TEXT;
}

static int compare_cells(const struct order *o, const struct top_row *a, const struct top_row *b)
{
	const struct top_cell *x = &a->cells[o->index], *y = &b->cells[o->index];

	if (o->column->kind == TOP_TEXT)
		return strcasecmp(x->text, y->text);
	return (x->number > y->number) - (x->number < y->number);
}

/* Rows lie in one array, so their addresses are the daemon's order, and break ties. */
static int compare(const void *a, const void *b, void *order)
{
	const struct top_row *x = *(const struct top_row *const *)a;
	const struct top_row *y = *(const struct top_row *const *)b;
	const struct order *o = order;
	int c = o->column ? compare_cells(o, x, y) : 0;

	if (c != 0)
		return o->down ? -c : c;
	if (o->second < TOP_COLUMNS_MAX && x->cells[o->second].number != y->cells[o->second].number)
		return x->cells[o->second].number < y->cells[o->second].number ? 1 : -1;
	return (x > y) - (x < y);
}

static bool passes(const struct top_view *v, const struct top_table *t, enum top_section section,
		   const struct top_row *row)
{
	const char *name = section == TOP_APPLICATIONS ? row->cells[0].text
						       : top_cell(t, row, "application")->text;

	return section == TOP_POOLS || !*v->filter || strcasestr(name, v->filter);
}

const struct top_row **top_view_rows(const struct top_view *v, const struct top_sample *s,
				     enum top_section section, size_t *ret_n)
{
	const struct top_table *t = &s->tables[section];
	const struct top_look *look = &v->looks[section];
	bool sorted = look->sorted_by < t->n_columns;
	struct order order = {
		.column = sorted ? &t->columns[look->sorted_by] : NULL,
		.index = look->sorted_by,
		.second = section == TOP_APPLICATIONS ? column(section, "HELD") : TOP_COLUMNS_MAX,
	};
	const struct top_row **rows = calloc(t->n_rows + 1, sizeof(const struct top_row *));

	*ret_n = 0;
	for (size_t i = 0; rows && i < t->n_rows; i++)
		if (passes(v, t, section, &t->rows[i]))
			rows[(*ret_n)++] = &t->rows[i];
	order.down = sorted && begins_large(order.column) != look->reversed;
	if (rows)
		qsort_r(rows, *ret_n, sizeof(const struct top_row *), compare, &order);
	return rows;
}

size_t top_view_selected(const struct top_view *v, enum top_section section,
			 const struct top_row **rows, size_t n)
{
	const struct top_look *look = &v->looks[section];

	for (size_t i = 0; i < n; i++)
		if (!strncmp(rows[i]->cells[0].text, look->selected, TOP_NAME_MAX - 1))
			return i;
	return look->at < n ? look->at : n ? n - 1 : 0;
}

static void select_row(struct top_look *look, const struct top_row **rows, size_t n, size_t at)
{
	look->selected[0] = '\0';
	look->at = n == 0 ? 0 : at < n ? at : n - 1;
	if (n > 0)
		strncat(look->selected, rows[look->at]->cells[0].text, TOP_NAME_MAX - 1);
}

/* ---- keys ---- */

static void move(struct top_view *v, const struct top_sample *s, int key)
{
	struct top_look *look = &v->looks[v->focus];
	size_t n = 0, at, page = look->page ? look->page : 1;
	const struct top_row **rows = s ? top_view_rows(v, s, v->focus, &n) : NULL;

	if (!rows)
		return;
	at = top_view_selected(v, v->focus, rows, n);
	switch (key) {
	case TOP_KEY_UP:
		at = at > 0 ? at - 1 : 0;
		break;
	case TOP_KEY_DOWN:
		at++;
		break;
	case TOP_KEY_PAGE_UP:
		at = at > page ? at - page : 0;
		break;
	case TOP_KEY_PAGE_DOWN:
		at += page;
		break;
	case TOP_KEY_HOME:
		at = 0;
		break;
	default:
		at = n;
		break;
	}
	select_row(look, rows, n, at);
	free(rows);
}

/* The next or previous column that can be seen. */
static void sort_by(struct top_look *look, enum top_section section, int step)
{
	size_t n, at = look->sorted_by;
	const struct top_column *columns = top_section_columns(section, &n);

	if (at >= n)
		at = step > 0 ? n - 1 : 0;
	do {
		at = (at + n + (size_t)step) % n;
	} while (columns[at].drop == TOP_HIDDEN);
	look->sorted_by = at;
	look->reversed = false;
}

static void focus(struct top_view *v, int step)
{
	v->focus = (enum top_section)((v->focus + TOP_SECTION_N + (unsigned)step) % TOP_SECTION_N);
}

/* The steps are round: 100 200 500 1000 ... */
static void change_interval(struct top_view *v, bool longer)
{
	static const uint32_t steps[] = { 100,  200,   500,   1000,  2000,
					  5000, 10000, 20000, 30000, 60000 };
	size_t n = sizeof(steps) / sizeof(steps[0]);

	for (size_t i = 0; i < n; i++) {
		size_t at = longer ? i : n - 1 - i;

		if (longer ? steps[at] > v->interval_ms : steps[at] < v->interval_ms) {
			v->interval_ms = steps[at];
			return;
		}
	}
}

static void edit_filter(struct top_view *v, int key)
{
	size_t len = strlen(v->filter);

	switch (key) {
	case TOP_KEY_ENTER:
		v->filtering = false;
		break;
	case TOP_KEY_ESCAPE:
		v->filtering = false;
		v->filter[0] = '\0';
		break;
	case TOP_KEY_BACKSPACE:
		while (len > 0 && (v->filter[--len] & 0xc0) == 0x80)
			; /* the bytes behind the first of a character */
		v->filter[len] = '\0';
		break;
	default:
		if (key >= ' ' && key < 0x100 && key != 0x7f && len + 1 < sizeof(v->filter)) {
			v->filter[len] = (char)key;
			v->filter[len + 1] = '\0';
		}
		break;
	}
}

static void change(struct top_view *v, int key)
{
	struct top_look *look = &v->looks[v->focus];

	switch (key) {
	case 'q':
		v->quit = true;
		break;
	case '?':
	case 'h':
		v->help = true;
		break;
	case 'p':
		v->paused = !v->paused;
		break;
	case ' ':
		v->refresh = true;
		break;
	case '/':
		v->filtering = true;
		break;
	case 'r':
		look->reversed = !look->reversed;
		break;
	case '<':
	case '>':
		sort_by(look, v->focus, key == '>' ? 1 : -1);
		break;
	case '+':
	case '-':
		change_interval(v, key == '+');
		break;
	default:
		break;
	}
}

static void go(struct top_view *v, const struct top_sample *s, int key)
{
	switch (key) {
	case TOP_KEY_TAB:
	case TOP_KEY_RIGHT:
		focus(v, 1);
		break;
	case TOP_KEY_BACK_TAB:
	case TOP_KEY_LEFT:
		focus(v, -1);
		break;
	case TOP_KEY_ENTER:
		v->alone = !v->alone;
		break;
	case TOP_KEY_ESCAPE:
		if (!v->alone)
			v->filter[0] = '\0';
		v->alone = false;
		break;
	case TOP_KEY_BACKSPACE:
		break;
	default:
		move(v, s, key);
		break;
	}
}

void top_view_key(struct top_view *v, const struct top_sample *s, int key)
{
	if (v->help && key != 'q')
		v->help = false;
	else if (v->filtering)
		edit_filter(v, key);
	else if (key >= '1' && key < '1' + TOP_SECTION_N)
		v->focus = (enum top_section)(key - '1');
	else if (key < TOP_KEY_UP)
		change(v, key);
	else
		go(v, s, key);
}

/* Who holds and who waits longest stands first. */
void top_view_init(struct top_view *v, uint32_t interval_ms)
{
	*v = (struct top_view){ .interval_ms = interval_ms, .focus = TOP_LEASES };
	v->looks[TOP_POOLS].sorted_by = TOP_COLUMNS_MAX;
	v->looks[TOP_APPLICATIONS].sorted_by = column(TOP_APPLICATIONS, "OLDEST");
	v->looks[TOP_LEASES].sorted_by = column(TOP_LEASES, "HELD");
	v->looks[TOP_RUNNING].sorted_by = column(TOP_RUNNING, "RUN");
	v->looks[TOP_WAITING].sorted_by = column(TOP_WAITING, "AGE");
}
