/* SPDX-License-Identifier: MIT */
/*
 * Signals come by a signalfd, so that nothing of curses runs in a handler. curses' own handlers are never
 * called: what they are for is blocked as long as the terminal is ours. A stop (Ctrl-Z) gives the terminal
 * back first; SIGSTOP cannot be foreseen, so SIGCONT always draws anew.
 */
#include "ctl/top-screen.h"

#include <curses.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <term.h>
#include <unistd.h>

#undef lines /* macros of term.h, and members of ours */
#undef columns

enum {
	ESCAPE_MS = 50, /* after an Esc, for the rest of a key's sequence */
};

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH };

static const char *look_at_terminal(void)
{
	const char *term = getenv("TERM"), *cup;
	bool places_cursor;
	int error;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return "top needs a terminal; for a file or a pipe there is: sidepool status";
	if (!term || !*term || setupterm(NULL, STDOUT_FILENO, &error) != OK)
		return "top does not know the terminal that TERM names; try TERM=xterm, or: "
		       "sidepool status --watch";
	cup = tigetstr("cup");
	places_cursor = cup && cup != (char *)-1;
	(void)del_curterm(cur_term);
	if (!places_cursor)
		return "top needs a terminal that can place its cursor, TERM names one that cannot; "
		       "try: sidepool status --watch";
	return NULL;
}

static void take_signals(struct top_screen *t)
{
	sigemptyset(&t->blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&t->blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &t->blocked, &t->before);
	t->signals = signalfd(-1, &t->blocked, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void set_colours(struct top_screen *t)
{
	const char *none = getenv("NO_COLOR");

	t->colours = (!none || !*none) && has_colors() && start_color() == OK &&
		     use_default_colors() == OK;
	if (!t->colours)
		return;
	init_pair(TOP_STYLE_GOOD, COLOR_GREEN, -1);
	init_pair(TOP_STYLE_WARN, COLOR_YELLOW, -1);
	init_pair(TOP_STYLE_BAD, COLOR_RED, -1);
}

const char *top_screen_start(struct top_screen *t)
{
	const char *why = look_at_terminal();

	*t = (struct top_screen){ .signals = -1 };
	if (why)
		return why;
	take_signals(t);
	t->screen = t->signals < 0 ? NULL : newterm(NULL, stdout, stdin);
	if (!t->screen) {
		top_screen_end(t);
		return "top cannot take over the terminal: too little memory or too few descriptors";
	}
	set_escdelay(ESCAPE_MS);
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)curs_set(0);
	set_colours(t);
	return NULL;
}

void top_screen_end(struct top_screen *t)
{
	if (t->screen) {
		(void)endwin();
		delscreen(t->screen);
		t->screen = NULL;
	}
	if (t->signals >= 0) {
		close(t->signals);
		t->signals = -1;
		sigprocmask(SIG_SETMASK, &t->before, NULL);
	}
}

/* curses has put handlers of its own in place. */
static void die_by(int number)
{
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

void top_screen_leave(struct top_screen *t)
{
	top_screen_end(t);
	if (t->ended_by)
		die_by(t->ended_by);
}

static attr_t attributes(const struct top_screen *t, unsigned style)
{
	static const attr_t plain[] = {
		[TOP_STYLE_PLAIN] = A_NORMAL,
		[TOP_STYLE_HEAD] = A_UNDERLINE,
		[TOP_STYLE_FOCUS] = A_BOLD | A_UNDERLINE,
		[TOP_STYLE_GOOD] = A_NORMAL,
		[TOP_STYLE_WARN] = A_NORMAL,
		[TOP_STYLE_BAD] = A_BOLD,
	};
	unsigned colour = style & ~(unsigned)TOP_STYLE_SELECTED;
	attr_t a = plain[colour];

	if (t->colours && colour >= TOP_STYLE_GOOD)
		a |= COLOR_PAIR(colour);
	return style & TOP_STYLE_SELECTED ? a | A_REVERSE : a;
}

static void put(void *userdata, size_t line, size_t column, unsigned style, const char *text,
		size_t bytes)
{
	const struct top_screen *t = userdata;

	(void)attrset((int)attributes(t, style));
	(void)mvaddnstr((int)line, (int)column, text, (int)bytes);
}

bool top_screen_draw(const struct top_screen *t, struct top_view *v, const struct top_sample *s,
		     const struct top_now *now)
{
	struct top_sink sink = {
		.put = put,
		.userdata = (void *)t,
		.lines = (size_t)getmaxy(stdscr),
		.columns = (size_t)getmaxx(stdscr),
	};

	(void)erase();
	if (!top_layout(v, s, now, &sink))
		return false;
	(void)refresh();
	return true;
}

int top_screen_key(void)
{
	static const struct {
		int from, to;
	} keys[] = {
		{ KEY_UP, TOP_KEY_UP },
		{ KEY_DOWN, TOP_KEY_DOWN },
		{ KEY_LEFT, TOP_KEY_LEFT },
		{ KEY_RIGHT, TOP_KEY_RIGHT },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP },
		{ KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_HOME },
		{ KEY_END, TOP_KEY_END },
		{ '\t', TOP_KEY_TAB },
		{ KEY_BTAB, TOP_KEY_BACK_TAB },
		{ '\r', TOP_KEY_ENTER },
		{ '\n', TOP_KEY_ENTER },
		{ KEY_ENTER, TOP_KEY_ENTER },
		{ 27, TOP_KEY_ESCAPE },
		{ KEY_BACKSPACE, TOP_KEY_BACKSPACE },
		{ 127, TOP_KEY_BACKSPACE },
		{ '\b', TOP_KEY_BACKSPACE },
	};
	int key = getch();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].from == key)
			return keys[i].to;
	return key == ERR ? -1 : key < 0x100 ? key : 0; /* 0: a key that means nothing here */
}

/* The program stops in here. */
static void stop(struct top_screen *t)
{
	sigset_t one;

	(void)endwin();
	(void)signal(SIGTSTP, SIG_DFL);
	(void)raise(SIGTSTP);
	sigemptyset(&one);
	sigaddset(&one, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &t->blocked, NULL);
}

static void resize(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		(void)resizeterm(size.ws_row, size.ws_col);
	(void)clearok(stdscr, TRUE);
}

void top_screen_signal(struct top_screen *t)
{
	struct signalfd_siginfo info;

	while (read(t->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGTSTP:
			stop(t);
			break;
		case SIGCONT:
		case SIGWINCH:
			(void)reset_prog_mode();
			resize();
			break;
		default:
			t->ended_by = (int)info.ssi_signo;
			break;
		}
	}
}
