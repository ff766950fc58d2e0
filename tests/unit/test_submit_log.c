/* SPDX-License-Identifier: MIT */
/* The file of the journal: what was written is read again, and what is torn or damaged is told from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/submit-log.h"
#include "util/macro.h"

static const uint8_t fresh[SUBMIT_LOG_ID_BYTES] = { 1, 2, 3 };

struct fixture {
	char folder[64];
	char path[80];
	struct submit_log log;
	char read[4096]; /* "+TEXT" for each entry, "-ID" for each note */
	char why[256];
};

static int on_entry(void *userdata, const uint8_t *bytes, size_t n)
{
	struct fixture *f = userdata;
	size_t at = strlen(f->read);

	(void)snprintf(f->read + at, sizeof(f->read) - at, "+%.*s", (int)n, (const char *)bytes);
	return 0;
}

static int on_done(void *userdata, uint64_t id)
{
	struct fixture *f = userdata;
	size_t at = strlen(f->read);

	(void)snprintf(f->read + at, sizeof(f->read) - at, "-%llu", (unsigned long long)id);
	return 0;
}

static int reopen(struct fixture *f)
{
	struct submit_log_reader reader = { .entry = on_entry, .done = on_done, .userdata = f };

	submit_log_close(&f->log);
	f->read[0] = '\0';
	return submit_log_open(&f->log, f->path, fresh, &reader, f->why, sizeof(f->why));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->folder, "/tmp/sidepool-test-log.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	(void)snprintf(f->path, sizeof(f->path), "%s/j", f->folder);
	f->log.fd = -1;
	assert_int_equal(reopen(f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "", ".new", ".damaged" };
	struct fixture *f = *state;
	char path[96];

	submit_log_close(&f->log);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", f->path, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

#define given(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void append(struct fixture *f, const char *text, uint64_t done)
{
	struct buf b = BUF_NULL;

	if (text)
		assert_int_equal(submit_log_put_entry(&b, (const uint8_t *)text, strlen(text)), 0);
	if (done)
		assert_int_equal(submit_log_put_done(&b, done), 0);
	assert_int_equal(submit_log_append(&f->log, &b), 0);
	buf_deinit(&b);
}

static void flip(const struct fixture *f, off_t at)
{
	FILE *file = fopen(f->path, "r+e");
	int c;

	assert_non_null(file);
	assert_int_equal(fseeko(file, at, SEEK_SET), 0);
	c = fgetc(file);
	assert_int_equal(fseeko(file, at, SEEK_SET), 0);
	assert_int_equal(fputc(c ^ 1, file), c ^ 1);
	assert_int_equal(fclose(file), 0);
}

static void test_what_was_written_is_read_again(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	append(f, "one", 0);
	append(f, "two", 7);
	assert_int_equal(reopen(f), 0);
	assert_string_equal(f->read, "+one+two-7");
	assert_string_equal(f->why, "");
	assert_memory_equal(f->log.id, fresh, sizeof(fresh));
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	append(f, "three", 0);
	assert_int_equal(reopen(f), 0);
	assert_string_equal(f->read, "+one+two-7+three");
}

static void test_a_rewrite_keeps_the_id_and_the_next_number(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_NULL;

	append(f, "old", 0);
	assert_int_equal(submit_log_put_entry(&b, (const uint8_t *)"new", 3), 0);
	assert_int_equal(submit_log_rewrite(&f->log, 42, &b), 0);
	buf_deinit(&b);
	append(f, "newer", 0);
	memset(f->log.id, 0, sizeof(f->log.id));
	assert_int_equal(reopen(f), 0);
	assert_string_equal(f->read, "+new+newer");
	assert_int_equal(f->log.next_id, 42);
	assert_memory_equal(f->log.id, fresh, sizeof(fresh));
}

static void test_an_end_torn_anywhere_is_cut_off(void **state)
{
	struct fixture *f = *state;
	off_t before, after;

	append(f, "kept", 0);
	before = f->log.length;
	append(f, "torn away", 0);
	after = f->log.length;
	for (off_t at = after - 1; at > before; at--) {
		assert_int_equal(truncate(f->path, at), 0);
		assert_int_equal(reopen(f), 0);
		assert_string_equal(f->read, "+kept");
		assert_non_null(strstr(f->why, "cut off"));
		assert_int_equal(f->log.length, before);
		append(f, "torn away", 0);
		assert_int_equal(f->log.length, after);
	}
}

static void test_a_damaged_record_at_the_end_is_not_read(void **state)
{
	struct fixture *f = *state;
	off_t before, after;

	append(f, "kept", 0);
	before = f->log.length;
	append(f, "damaged", 0);
	after = f->log.length;
	for (off_t at = before; at < after; at++) {
		flip(f, at);
		assert_int_equal(reopen(f), 0);
		assert_string_equal(f->read, "+kept");
		append(f, "damaged", 0);
	}
}

static void test_what_stands_behind_damage_is_put_aside(void **state)
{
	struct fixture *f = *state;
	char aside[96];
	off_t before;

	append(f, "kept", 0);
	before = f->log.length;
	append(f, "damaged", 0);
	append(f, "behind", 0);
	flip(f, before + 9);
	assert_int_equal(reopen(f), 0);
	assert_string_equal(f->read, "+kept");
	assert_non_null(strstr(f->why, "put aside"));
	(void)snprintf(aside, sizeof(aside), "%s.damaged", f->path);
	assert_int_equal(access(aside, R_OK), 0);
	/* What was put aside is not written over. */
	append(f, "damaged", 0);
	append(f, "behind", 0);
	flip(f, before + 9);
	assert_int_equal(reopen(f), -1);
}

static void test_a_damaged_head_or_another_file_is_refused(void **state)
{
	struct fixture *f = *state;

	append(f, "kept", 0);
	for (off_t at = 0; at < 36; at++) {
		flip(f, at);
		assert_int_equal(reopen(f), -1);
		flip(f, at);
	}
	assert_int_equal(reopen(f), 0);
	assert_string_equal(f->read, "+kept");
	assert_int_equal(truncate(f->path, 20), 0);
	assert_int_equal(reopen(f), -1);
}

static void test_a_second_one_is_kept_out(void **state)
{
	struct fixture *f = *state;
	struct submit_log other;
	struct submit_log_reader reader = { .entry = on_entry, .done = on_done, .userdata = f };
	struct buf nothing = BUF_NULL;

	assert_int_equal(submit_log_open(&other, f->path, fresh, &reader, f->why, sizeof(f->why)),
			 -1);
	assert_non_null(strstr(f->why, "another daemon"));
	/* A rewrite puts another file in its place, which is as well locked. */
	assert_int_equal(submit_log_rewrite(&f->log, 1, &nothing), 0);
	assert_int_equal(submit_log_open(&other, f->path, fresh, &reader, f->why, sizeof(f->why)),
			 -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		given(test_what_was_written_is_read_again),
		given(test_a_rewrite_keeps_the_id_and_the_next_number),
		given(test_an_end_torn_anywhere_is_cut_off),
		given(test_a_damaged_record_at_the_end_is_not_read),
		given(test_what_stands_behind_damage_is_put_aside),
		given(test_a_damaged_head_or_another_file_is_refused),
		given(test_a_second_one_is_kept_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
