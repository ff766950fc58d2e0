/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The table of all settings (settings.def), and their values as text. Only src/config/ looks in
 * here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum setting_section {
	SETTING_SECTION_SIDEPOOL,
	SETTING_SECTION_POOL,
	SETTING_SECTION_APPLICATION,
	SETTING_SECTION_N,
};

enum setting_type {
	SETTING_BOOL,
	SETTING_INT,
	SETTING_SIGNED,
	SETTING_SIZE,
	SETTING_TIME,
	SETTING_RATIO,
	SETTING_STRING,
	SETTING_ENUM,
	SETTING_LIST,
	SETTING_MODE,
};

enum setting_flags {
	SETTING_OFF = 1 << 0,     /* a time that may be `off` */
	SETTING_RESTART = 1 << 1, /* a reload leaves the old value in force */
	SETTING_INHERIT = 1 << 2, /* may be `inherit` */
	SETTING_SECRET = 1 << 3,
	SETTING_USER = 1 << 4, /* names of users */
	SETTING_GROUP = 1 << 5,
};

struct setting {
	enum setting_section section;
	enum setting_type type;
	const char *name;
	size_t offset; /* of the member in the section's struct */
	const char *fallback;
	int64_t least;
	int64_t most;
	unsigned flags;
	const char *help;
	const char *alias;     /* another pool's environment variable; NULL: none */
	const char *parameter; /* the same in a URL's query; NULL: none */
	const char *elsewhere; /* names that other pools give it, separated by spaces; NULL: none */
	const char *const *values; /* of an ENUM, from first_value to a NULL */
	int first_value;
};

/* The settings of one section lie together, in the order of the file. */
const struct setting *setting_table(enum setting_section section, size_t *ret_n);

/* NULL: there is none of that name. */
const struct setting *setting_find(enum setting_section section, const char *name);

/* Its place in the table of its section: the index of its origin. */
size_t setting_index(const struct setting *s);

/* "sidepool", "pool", "application". */
const char *setting_section_name(enum setting_section section);

/* What makes the text a value; says why not. */
enum setting_dialect {
	SETTING_NATIVE, /* as in the file: times carry a unit */
	SETTING_ALIEN,  /* as in other pools' variables: bare seconds, -1 for no limit */
};

/*
 * Sets the member of `object` from text, within the range. Returns 0; 1 with a sentence in
 * `ret_message`, the member unharmed; or -ENOMEM.
 */
int setting_parse(const struct setting *s, void *object, const char *text,
		  enum setting_dialect dialect, char *ret_message, size_t n);

/*
 * The member as text that setting_parse() reads; secrets as they are. Owned by the caller; NULL
 * without memory.
 */
char *setting_format(const struct setting *s, const void *object);

/* "1 to 10000", "1ms to 7d, off"; "" where every value will do. */
void setting_range(const struct setting *s, char *ret_text, size_t n);

/* "time", "one of text, json", ... */
void setting_type_text(const struct setting *s, char *ret_text, size_t n);

/* Gives back what the member owns. */
void setting_clear(const struct setting *s, void *object);

/*
 * The name of the section that the user probably meant, by spelling or by what other pools call it.
 * NULL: no idea.
 */
const struct setting *setting_guess(enum setting_section section, const char *name);

/*
 * Says of a name that is none of the section's settings where it belongs, or what was probably
 * meant.
 */
void setting_tell_unknown(enum setting_section section, const char *name, char *ret_message,
			  size_t n);

/* The variable SIDEPOOL_... that sets it, for the pool `pool`; "" where there is none. */
void setting_variable(const struct setting *s, const char *pool, char *ret_name, size_t n);
