/* SPDX-License-Identifier: MIT */
/*
 * From the top: one line on the daemon, what is wrong, the sections, the selected row in full, the keys.
 * The sections share the lines: each gets one more in turn, the focused one two, until nobody wants more.
 */
#include "ctl/top-layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/duration.h"
#include "ctl/text.h"
#include "ctl/top-section.h"

enum {
	LINE_BYTES = 512,
	BODY_FOR_DETAIL = 12,
};

struct page {
	struct top_view *view;
	const struct top_sample *sample;
	const struct top_now *now;
	const struct top_sink *sink;
	const struct top_row **rows[TOP_SECTION_N]; /* owned */
	size_t n[TOP_SECTION_N];
};

/* Words go to the next line as a whole where they can. Returns how many lines it took or, without drawing,
 * would take; what is beyond `most` is left out. */
static size_t put_wrapped(const struct page *p, bool draw, size_t line, size_t most, unsigned style,
			  const char *text)
{
	size_t n = 0, len = strlen(text), width = p->sink->columns;

	while (len > 0 && n < most && width > 1) {
		size_t fit = text_fit(text, len, width), at = fit;

		while (fit < len && at > 0 && text[at] != ' ')
			at--;
		fit = at > 0 ? at : fit > 0 ? fit : len;
		if (draw) {
			char words[LINE_BYTES];

			(void)snprintf(words, sizeof(words), "%.*s", (int)fit, text);
			top_put(p->sink, line + n, 0, style, words);
			if (n + 1 == most && fit < len)
				top_put(p->sink, line + n, width - 1, style, "…");
		}
		n++;
		text += fit;
		len -= fit;
		while (*text == ' ') {
			text++;
			len--;
		}
	}
	return n;
}

static unsigned level_style(const char *level)
{
	if (!strcmp(level, "healthy"))
		return TOP_STYLE_GOOD;
	return strcmp(level, "degraded") == 0 ? TOP_STYLE_WARN : TOP_STYLE_BAD;
}

static void put_header(const struct page *p)
{
	const struct top_sample *s = p->sample;
	char words[LINE_BYTES], up[16], every[16];
	size_t at;

	if (!s) {
		top_put(p->sink, 0, 0, p->now->trouble ? TOP_STYLE_BAD : TOP_STYLE_PLAIN,
			p->now->trouble ? p->now->trouble : "sidepool top: asking the daemon");
		return;
	}
	if (p->now->trouble) {
		(void)snprintf(words, sizeof(words), "%s As of %s:", p->now->trouble,
			       p->now->clock);
		top_put(p->sink, 0, 0, TOP_STYLE_BAD, words);
		return;
	}
	duration_print_ms(s->uptime_ms, up);
	duration_print((uint64_t)p->view->interval_ms * 1000, every);
	at = top_put(p->sink, 0, 0, level_style(s->level), s->level);
	(void)snprintf(words, sizeof(words),
		       "  %s%s  %" PRIu64 "/%" PRIu64 " connections  %" PRIu64
		       " clients  up %s  every %s",
		       p->now->clock, s->draining ? " draining" : "", s->connections, s->budget,
		       s->clients, up, every);
	at = top_put(p->sink, 0, at, TOP_STYLE_PLAIN, words);
	if (p->view->paused)
		top_put(p->sink, 0, at, TOP_STYLE_WARN, "  paused");
}

/* Returns how many lines it took. */
static size_t put_troubles(const struct page *p, size_t line, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; p->sample && i < p->sample->n_troubles && n < most; i++) {
		const struct top_trouble *t = &p->sample->troubles[i];
		size_t rest = most - n, others = p->sample->n_troubles - 1 - i;

		/* One line for each that is left, as far as they go. */
		n += put_wrapped(p, true, line + n, rest > others ? rest - others : 1,
				 t->level == TOP_BAD ? TOP_STYLE_BAD : TOP_STYLE_WARN, t->text);
	}
	return n;
}

static void put_footer(const struct page *p)
{
	static const char keys[] =
		"? help  q quit  Tab section  Enter alone  < > sort  r reverse  p pause  / filter";
	size_t line = p->sink->lines - 1, at;

	if (!p->view->filtering && !*p->view->filter) {
		top_put(p->sink, line, 0, TOP_STYLE_PLAIN, keys);
		return;
	}
	at = top_put(p->sink, line, 0, TOP_STYLE_WARN, "only applications with: ");
	at = top_put(p->sink, line, at, TOP_STYLE_PLAIN, p->view->filter);
	top_put(p->sink, line, at, TOP_STYLE_PLAIN,
		p->view->filtering ? "_  (Enter keeps it, Esc takes it away)"
				   : "  (/ changes it, Esc takes it away)");
}

static void put_help(const struct page *p)
{
	static const char *const help[] = {
		"Keys",
		"  Tab, Right / Shift-Tab, Left   the next section, the one before",
		"  1 2 3 4 5      pools, applications, leases, what runs, what waits",
		"  Enter          the section alone; once more or Esc: all of them",
		"  Up Down PgUp PgDn Home End     the selected row, told in full below",
		"  < >            sort by the column to the left, to the right",
		"  r              the other way round",
		"  /              only applications whose name has this in it",
		"  p              pause: the screen stays, nothing is asked",
		"  space          ask now",
		"  + -            ask less often, more often",
		"  q, Ctrl-C      leave",
		"",
		"USE/LIMIT/MAX    connections in use, permitted now, permitted at most",
		"SHARE            guaranteed and most connections, and the weight",
		"LEFT             until its deadline",
		"",
		"Nothing here changes anything: sidepool cancel, revoke, kill, pause do.",
	};

	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]) && i + 1 < p->sink->lines; i++)
		top_put(p->sink, i, 0, i == 0 ? TOP_STYLE_FOCUS : TOP_STYLE_PLAIN, help[i]);
	top_put(p->sink, p->sink->lines - 1, 0, TOP_STYLE_PLAIN, "any key: back");
}

/* Whose turn it is to get one more line: the one with the fewest, of those that want one. */
static int next_section(const struct page *p, const size_t *lines)
{
	int next = -1;
	size_t fewest = SIZE_MAX;

	for (int i = 0; i < TOP_SECTION_N; i++) {
		size_t has = i == (int)p->view->focus ? lines[i] / 2 : lines[i];

		if (lines[i] < p->n[i] && has < fewest) {
			fewest = has;
			next = i;
		}
	}
	return next;
}

static void share(const struct page *p, size_t room, size_t lines[TOP_SECTION_N])
{
	int i;

	memset(lines, 0, TOP_SECTION_N * sizeof(*lines));
	while (room-- > 0 && (i = next_section(p, lines)) >= 0)
		lines[i]++;
}

static void put_section(const struct page *p, int section, size_t line, size_t lines)
{
	top_section_draw(p->view, p->sample, (enum top_section)section, p->rows[section],
			 p->n[section], &(struct top_place){ line, lines }, p->sink);
}

static void put_sections(const struct page *p, size_t line, size_t room)
{
	size_t lines[TOP_SECTION_N];

	if (room == 0)
		return;
	if (p->view->alone || room <= TOP_SECTION_N) {
		put_section(p, (int)p->view->focus, line, room - 1);
		return;
	}
	share(p, room - TOP_SECTION_N, lines);
	for (int i = 0; i < TOP_SECTION_N; i++) {
		put_section(p, i, line, lines[i]);
		line += lines[i] + 1;
	}
}

/* The selected row's sentence, above the keys. Returns how many lines it took. */
static size_t put_detail(const struct page *p, size_t room)
{
	enum top_section focus = p->view->focus;
	size_t most = room >= 2 * BODY_FOR_DETAIL ? 4 : room >= BODY_FOR_DETAIL ? 2 : 0, n;
	const struct top_row *row;
	const char *text;

	if (most == 0 || p->n[focus] == 0)
		return most;
	row = p->rows[focus][top_view_selected(p->view, focus, p->rows[focus], p->n[focus])];
	text = top_cell(&p->sample->tables[focus], row, "DETAIL")->text;
	n = put_wrapped(p, false, 0, most, 0, text);
	put_wrapped(p, true, p->sink->lines - 1 - n, n, TOP_STYLE_PLAIN, text);
	return most;
}

static void put_page(const struct page *p)
{
	size_t lines = p->sink->lines, room, line = 1, detail;

	put_header(p);
	if (lines < 3)
		return;
	put_footer(p);
	room = lines - 2;
	if (room >= BODY_FOR_DETAIL)
		line += put_troubles(p, line, room / 8 + 1);
	if (!p->sample)
		return;
	detail = put_detail(p, room);
	put_sections(p, line, lines - 1 - line - detail);
}

bool top_layout(struct top_view *v, const struct top_sample *s, const struct top_now *now,
		const struct top_sink *sink)
{
	struct page p = { .view = v, .sample = s, .now = now, .sink = sink };
	bool ok = true;

	if (sink->lines == 0)
		return true;
	for (int i = 0; s && i < TOP_SECTION_N; i++) {
		p.rows[i] = top_view_rows(v, s, (enum top_section)i, &p.n[i]);
		ok = ok && p.rows[i];
	}
	if (ok && v->help)
		put_help(&p);
	else if (ok)
		put_page(&p);
	for (int i = 0; i < TOP_SECTION_N; i++)
		free(p.rows[i]);
	return ok;
}
