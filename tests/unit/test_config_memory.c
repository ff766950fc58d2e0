/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a load, a dump and a comparison fails once: the n-th, for each n, alone or with all that follow.
 * Nothing crashes, and the result is an error. libc's own allocations (strdup, open_memstream, fopen) fail with ours, since
 * malloc is replaced for the whole process; where a sanitizer or valgrind has done so, the test is skipped.
 */
#include <errno.h>
#include <stdio.h>

#include "config_fixture.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define HAVE_SANITIZER 1
#endif
#endif

/* cmocka 1.1.5 says "not ok" of a test that is skipped. */
static int skip_all(void)
{
	(void)puts("1..0 # SKIP malloc is not ours to replace");
	return 0;
}

#ifndef HAVE_SANITIZER
static const char text[] =
	"[sidepool]\nbudget = 7\nadmin_users = 1 2\n"
	"[pool main]\nurl = postgresql://u:pw@h/db?schema=s&connection_limit=3&sslmode=require\n"
	"[pool two]\nurl = host=h password=pw\npassword_file = $CREDENTIALS_DIRECTORY/x\n"
	"[application a]\nmatch_unit = a b\nmatch_user = 0\nmin = 1\n[application b]\nmatch_group "
	"= 0\n";

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

/* Calls up to the one that fails; 0: none does. Volatile: gcc knows malloc() and thinks that it looks at nothing of ours. */
static volatile long countdown;
static bool goes_on; /* those after it fail too */
static bool failed;

static bool fails(void)
{
	if (countdown == 0)
		return false;
	if (--countdown > 0)
		return false;
	failed = true;
	countdown = goes_on;
	return true;
}

/* Seen by libc too: the program is built with hidden symbols. */
#define REPLACES_LIBC __attribute__((visibility("default")))

REPLACES_LIBC void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

REPLACES_LIBC void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

REPLACES_LIBC void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

static void ignore_change(void *userdata, const struct config_change *change)
{
	(void)userdata;
	(void)change;
}

/* 0 or the first error of all three. A file that cannot be opened without memory is a mistake, as any other. */
static int use_all(const struct config_input *input, FILE *sink)
{
	struct config *c = NULL, *d = NULL;
	int r = config_load(&c, input);

	if (r == 0)
		r = config_load(&d, input);
	if (r == 0)
		r = config_print(c, sink);
	if (r == 0)
		r = config_diff(c, d, ignore_change, NULL) < 0 ? -ENOMEM : 0;
	config_free(c);
	config_free(d);
	return r;
}

/* Returns after the first n at which nothing failed. */
static long fail_each(bool is_silence_allowed)
{
	struct config_input input = { .environment = env("CREDENTIALS_DIRECTORY=/c"),
				      .default_file = "t.conf" };
	struct loaded written;
	FILE *sink = fopen("/dev/null", "we");
	long n = 0;
	int r;

	assert_non_null(sink);
	config_fixture_load(&written, text, input.environment, NULL);
	assert_string_equal(written.told, "");
	loaded_deinit(&written);
	do {
		countdown = ++n;
		failed = false;
		r = use_all(&input, sink);
		countdown = 0;
		if (r == 0 && failed && !is_silence_allowed)
			fail_msg("allocation %ld failed, and nobody said so", n);
	} while (failed);
	assert_int_equal(r, 0);
	assert_int_equal(fclose(sink), 0);
	return n;
}

/* glibc does without some: a stream's buffer, the shorter copy that asprintf() makes at last. */
static void test_one_allocation_fails(void **state)
{
	(void)state;
	goes_on = false;
	assert_true(fail_each(true) > 500);
}

static void test_all_from_one_on_fail(void **state)
{
	(void)state;
	goes_on = true;
	assert_true(fail_each(false) > 500);
}
/* Valgrind puts its own malloc() in place of any. */
static bool is_in_place(void)
{
	void *volatile p;

	countdown = 1;
	p = malloc(1);
	countdown = 0;
	free(p);
	return p == NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_allocation_fails),
		cmocka_unit_test(test_all_from_one_on_fail),
	};

	return is_in_place() ? cmocka_run_group_tests(tests, config_fixture_setup,
						      config_fixture_teardown)
			     : skip_all();
}
#else
int main(void)
{
	return skip_all();
}
#endif
