/* SPDX-License-Identifier: MIT */
/*
 * A scanner, not a parser: it walks over the words of a text, past literals, quoted names and
 * comments (https://www.postgresql.org/docs/current/sql-syntax-lexical.html), and collects what
 * those words may do. The rule is to err on the side of the next client: a word that cannot be
 * judged counts as PG_TOUCH_UNKNOWN, which costs a reset and is never wrong. What a function does
 * inside is out of sight, hence the list of harmless ones in builtin.c.
 */
#include "pg/classify.h"

#include <ctype.h>
#include <string.h>

#include "pg/builtin.h"
#include "util/macro.h"

enum {
	WORD_BYTES = 64, /* PostgreSQL's NAMEDATALEN */
};

struct scanner {
	const char *text, *at, *end;
	char word[WORD_BYTES];     /* the latest word, in lower case */
	char previous[WORD_BYTES]; /* the one before */
	char first[WORD_BYTES];    /* the statement's first */
	unsigned words;            /* of this statement */
	unsigned statements;
	bool set_is_local;  /* this SET ends with its transaction */
	bool writes;        /* a word that writes, locks or creates */
	bool selects;       /* this statement, or a query in it */
	bool volatile_call; /* a function that is not known */
	struct pg_class class;
};

static bool is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (is(word, *list))
			return true;
	return false;
}

static bool starts_word(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool continues_word(char c)
{
	return starts_word(c) || isdigit((unsigned char)c) || c == '$';
}

static void skip_quoted(struct scanner *s, char quote, bool backslashes)
{
	for (s->at++; s->at < s->end; s->at++) {
		if (backslashes && *s->at == '\\' && s->at + 1 < s->end)
			s->at++;
		else if (*s->at == quote) {
			s->at++;
			if (s->at == s->end || *s->at != quote)
				return;
		}
	}
}

static void skip_line_comment(struct scanner *s)
{
	while (s->at < s->end && *s->at != '\n')
		s->at++;
}

/* Block comments nest. */
static void skip_block_comment(struct scanner *s)
{
	unsigned depth = 0;

	do {
		if (s->end - s->at >= 2 && s->at[0] == '/' && s->at[1] == '*') {
			depth++;
			s->at += 2;
		} else if (s->end - s->at >= 2 && s->at[0] == '*' && s->at[1] == '/') {
			depth--;
			s->at += 2;
		} else {
			s->at++;
		}
	} while (depth > 0 && s->at < s->end);
}

/* $tag$ ... $tag$; a lone $1 is a parameter. */
static void skip_dollar(struct scanner *s)
{
	const char *tag = s->at, *p = s->at + 1;
	size_t n;

	while (p < s->end && continues_word(*p) && *p != '$' &&
	       !(p == tag + 1 && isdigit((unsigned char)*p)))
		p++;
	if (p == s->end || *p != '$') {
		s->at++;
		return;
	}
	n = (size_t)(p + 1 - tag);
	s->at = memmem(p + 1, (size_t)(s->end - p - 1), tag, n);
	s->at = s->at ? s->at + n : s->end;
}

/* The word becomes the previous one, unless it was only the schema of the one that begins here. */
static void shift_word(struct scanner *s, const char *text)
{
	if (s->words > 0 && s->at > text && s->at[-1] == '.')
		return;
	memcpy(s->previous, s->word, sizeof(s->previous));
}

static void take_word(struct scanner *s)
{
	size_t n = 0;

	shift_word(s, s->text);
	for (; s->at < s->end && continues_word(*s->at); s->at++)
		if (n < WORD_BYTES - 1)
			s->word[n++] = (char)tolower((unsigned char)*s->at);
	s->word[n] = '\0';
}

static void take_quoted_word(struct scanner *s)
{
	const char *from = s->at + 1;
	size_t n;

	shift_word(s, s->text);
	skip_quoted(s, '"', false);
	n = MIN((size_t)(s->at - from) - (s->at > from), (size_t)WORD_BYTES - 1);
	memcpy(s->word, from, n);
	s->word[n] = '\0';
}

static bool begins(const struct scanner *s, char first, char second)
{
	return s->end - s->at >= 2 && s->at[0] == first && s->at[1] == second;
}

static bool before_parenthesis(const struct scanner *s)
{
	struct scanner ahead = *s;

	while (ahead.at < ahead.end) {
		if (isspace((unsigned char)*ahead.at))
			ahead.at++;
		else if (begins(&ahead, '-', '-'))
			skip_line_comment(&ahead);
		else if (begins(&ahead, '/', '*'))
			skip_block_comment(&ahead);
		else
			return *ahead.at == '(';
	}
	return false;
}

static void need_session(struct scanner *s, const char *why)
{
	if (!s->class.session_word)
		s->class.session_word = why;
}

/* Functions that leave something behind, and what. */
static const struct {
	const char *name;
	unsigned touch;
	const char *session_word;
} special_functions[] = {
	{ "set_config", PG_TOUCH_SETTINGS | PG_TOUCH_ROLE, "set_config()" },
	{ "setseed", PG_TOUCH_UNKNOWN, "setseed()" },
	{ "pg_advisory_lock", PG_TOUCH_LOCKS, "pg_advisory_lock()" },
	{ "pg_advisory_lock_shared", PG_TOUCH_LOCKS, "pg_advisory_lock_shared()" },
	{ "pg_try_advisory_lock", PG_TOUCH_LOCKS, "pg_try_advisory_lock()" },
	{ "pg_try_advisory_lock_shared", PG_TOUCH_LOCKS, "pg_try_advisory_lock_shared()" },
	{ "pg_advisory_unlock", PG_TOUCH_LOCKS, "pg_advisory_unlock()" },
	{ "pg_advisory_unlock_shared", PG_TOUCH_LOCKS, "pg_advisory_unlock_shared()" },
	{ "pg_advisory_unlock_all", PG_TOUCH_LOCKS, "pg_advisory_unlock_all()" },
	{ "pg_advisory_xact_lock", 0, NULL },
	{ "pg_advisory_xact_lock_shared", 0, NULL },
	{ "pg_try_advisory_xact_lock", 0, NULL },
	{ "pg_try_advisory_xact_lock_shared", 0, NULL },
	{ "nextval", PG_TOUCH_SEQUENCES, NULL },
	{ "setval", PG_TOUCH_SEQUENCES, NULL },
	{ "currval", PG_TOUCH_SEQUENCES, "currval()" },
	{ "lastval", PG_TOUCH_SEQUENCES, "lastval()" },
};

static void take_function(struct scanner *s)
{
	for (size_t i = 0; i < ARRAY_LEN(special_functions); i++) {
		if (!is(s->word, special_functions[i].name))
			continue;
		s->class.touch |= special_functions[i].touch;
		s->writes = true;
		if (special_functions[i].session_word)
			need_session(s, special_functions[i].session_word);
		if (is(s->word, "currval") || is(s->word, "lastval"))
			s->class.reads_sequence = true;
		return;
	}
	/*
	 * A table with its columns, an alias with its columns, a common table expression: no calls.
	 */
	if (is(s->previous, "into") || is(s->previous, "as") || is(s->previous, "with") ||
	    is(s->previous, "recursive") || is(s->previous, "references") ||
	    is(s->previous, "table") || is(s->previous, "index") || is(s->previous, "exists") ||
	    (is(s->first, "create") && !s->selects))
		return;
	if (!pg_is_builtin(s->word))
		s->volatile_call = true;
}

/* Statements whose first word says it all. */
static const struct {
	const char *word;
	enum pg_transaction_verb verb;
	unsigned touch;
	bool session;
	bool self_commits;
} first_words[] = {
	{ "begin", PG_VERB_BEGIN, 0, true, false },
	{ "start", PG_VERB_BEGIN, 0, true, false },
	{ "commit", PG_VERB_COMMIT, 0, true, true },
	{ "end", PG_VERB_COMMIT, 0, true, true },
	{ "rollback", PG_VERB_ROLLBACK, 0, true, false },
	{ "abort", PG_VERB_ROLLBACK, 0, true, false },
	{ "savepoint", PG_VERB_SAVEPOINT, 0, true, false },
	{ "release", PG_VERB_SAVEPOINT, 0, true, false },
	{ "set", PG_VERB_NONE, 0, true, false }, /* see take_set() */
	{ "reset", PG_VERB_NONE, PG_TOUCH_SETTINGS, true, false },
	{ "prepare", PG_VERB_NONE, PG_TOUCH_PREPARED, true, false },
	{ "execute", PG_VERB_NONE, PG_TOUCH_UNKNOWN, true, true },
	{ "deallocate", PG_VERB_NONE, PG_TOUCH_PREPARED, true, false },
	{ "declare", PG_VERB_NONE, PG_TOUCH_CURSORS, true, false },
	{ "fetch", PG_VERB_NONE, 0, true, false },
	{ "move", PG_VERB_NONE, 0, true, false },
	{ "close", PG_VERB_NONE, 0, true, false },
	{ "listen", PG_VERB_NONE, PG_TOUCH_LISTEN, true, false },
	{ "unlisten", PG_VERB_NONE, PG_TOUCH_LISTEN, true, false },
	{ "discard", PG_VERB_NONE, PG_TOUCH_ALL, true, false },
	{ "load", PG_VERB_NONE, PG_TOUCH_ALL, true, false },
	{ "lock", PG_VERB_NONE, 0, true, false },
	{ "call", PG_VERB_NONE, PG_TOUCH_UNKNOWN, false, true },
	{ "do", PG_VERB_NONE, PG_TOUCH_UNKNOWN, false, true },
	{ "vacuum", PG_VERB_NONE, 0, false, true },
	{ "analyze", PG_VERB_NONE, 0, false, true },
	{ "reindex", PG_VERB_NONE, 0, false, true },
	{ "cluster", PG_VERB_NONE, 0, false, true },
	{ "checkpoint", PG_VERB_NONE, 0, false, true },
	{ "create", PG_VERB_NONE, 0, false, true },
	{ "drop", PG_VERB_NONE, 0, false, true },
	{ "alter", PG_VERB_NONE, 0, false, true },
	{ "refresh", PG_VERB_NONE, 0, false, true },
};

static bool begins_read(const char *word)
{
	return is_one_of(word, (const char *const[]){ "select", "with", "values", "table", "show",
						      "explain", NULL });
}

static bool is_known_first(const char *word)
{
	return begins_read(word) ||
	       is_one_of(word,
			 (const char *const[]){ "insert", "update", "delete", "merge", "truncate",
						"copy", "grant", "revoke", "comment", "notify",
						"import", "security", NULL });
}

static void take_first_word(struct scanner *s)
{
	memcpy(s->first, s->word, sizeof(s->first));
	s->statements++;
	s->class.drops_prepared |= is(s->word, "deallocate") || is(s->word, "discard");
	for (size_t i = 0; i < ARRAY_LEN(first_words); i++) {
		if (!is(s->word, first_words[i].word))
			continue;
		s->writes = true;
		s->class.touch |= first_words[i].touch;
		s->class.self_commits |= first_words[i].self_commits;
		if (first_words[i].verb != PG_VERB_NONE)
			s->class.verb = first_words[i].verb;
		if (first_words[i].session)
			need_session(s, first_words[i].word);
		return;
	}
	if (!is_known_first(s->word))
		s->class.touch |= PG_TOUCH_UNKNOWN;
	if (!begins_read(s->word))
		s->writes = true;
}

static bool is_temporary(const char *word)
{
	return is(word, "temp") || is(word, "temporary");
}

/* SET LOCAL, SET TRANSACTION and SET CONSTRAINTS end with the transaction. */
static void take_set(struct scanner *s)
{
	static const char *const local[] = { "local", "transaction", "constraints", NULL };

	if (s->words == 2)
		s->set_is_local = is_one_of(s->word, local);
	s->class.sets_locally |= s->set_is_local;
	if (s->set_is_local || s->words > 3)
		return;
	s->class.touch |= PG_TOUCH_SETTINGS;
	if (is(s->word, "role") || is(s->word, "authorization"))
		s->class.touch |= PG_TOUCH_ROLE;
}

/* A word after the first. */
static void take_next_word(struct scanner *s)
{
	static const char *const writing[] = { "insert", "update",  "delete",  "merge", "into",
					       "share",  "analyze", "analyse", NULL };

	if (is_one_of(s->word, writing))
		s->writes = true;
	if (is_temporary(s->word) && (is(s->first, "create") || is(s->previous, "into"))) {
		s->class.touch |= PG_TOUCH_TEMP;
		need_session(s, "TEMPORARY");
	}
	if (is(s->word, "pg_temp")) {
		s->class.touch |= PG_TOUCH_TEMP;
		need_session(s, "pg_temp");
	}
	if (is(s->first, "copy") && (is(s->word, "stdin") || is(s->word, "stdout")))
		s->class.copy = true;
	if (s->words == 2 && is(s->first, "rollback") && is(s->word, "to"))
		s->class.verb = PG_VERB_SAVEPOINT;
	if (s->words == 3 && is(s->first, "rollback") && is(s->word, "to"))
		s->class.verb = PG_VERB_SAVEPOINT;
	if (s->words == 2 && is(s->first, "prepare") && is(s->word, "transaction")) {
		s->class.verb = PG_VERB_COMMIT;
		s->class.self_commits = true;
	}
	/* COMMIT PREPARED, ROLLBACK PREPARED: not of this transaction */
	if (s->words == 2 && is(s->word, "prepared"))
		s->class.verb = PG_VERB_NONE;
	if (is(s->first, "set"))
		take_set(s);
	if (s->words == 2 && is(s->first, "create") && is(s->word, "schema"))
		s->class.self_commits = true;
}

static void take_any_word(struct scanner *s)
{
	s->words++;
	s->selects |= is(s->word, "select");
	if (s->words == 1)
		take_first_word(s);
	else
		take_next_word(s);
	if (before_parenthesis(s) && s->words > 1)
		take_function(s);
}

static void end_statement(struct scanner *s)
{
	s->words = 0;
	s->selects = false;
	s->at++;
}

/* One step past a blank, a comment, a literal or a word. */
static void step(struct scanner *s)
{
	char c = *s->at, next = s->end - s->at > 1 ? s->at[1] : '\0';

	if (c == '-' && next == '-')
		skip_line_comment(s);
	else if (c == '/' && next == '*')
		skip_block_comment(s);
	else if ((c == 'e' || c == 'E') && next == '\'') {
		s->at++;
		skip_quoted(s, '\'', true);
	} else if (c == '\'')
		skip_quoted(s, '\'', false);
	else if (c == '"') {
		take_quoted_word(s);
		take_any_word(s);
	} else if (c == '$')
		skip_dollar(s);
	else if (starts_word(c)) {
		take_word(s);
		take_any_word(s);
	} else if (isdigit((unsigned char)c)) {
		while (s->at < s->end && continues_word(*s->at))
			s->at++;
	} else if (c == ';')
		end_statement(s);
	else
		s->at++;
}

struct pg_class pg_classify(const char *sql, size_t n)
{
	struct scanner s = { .text = sql, .at = sql };

	if (n == 0)
		return (struct pg_class){ .empty = true };
	s.end = sql + n;
	while (s.at < s.end)
		step(&s);
	if (s.volatile_call)
		s.class.touch |= PG_TOUCH_UNKNOWN;
	s.class.empty = s.statements == 0;
	s.class.several = s.statements > 1;
	s.class.reads_only = !s.writes && !s.class.empty && !s.class.several;
	s.class.simple_read = s.class.reads_only && s.class.touch == 0 && !s.class.session_word;
	return s.class;
}
