/* SPDX-License-Identifier: MIT */
/*
 * The configuration against any bytes. The first byte says what the rest is: a whole file, which is
 * loaded, printed and, if it was good, must load again from what was printed; or a password,
 * written as it is into a URL and escaped into a connection string, of which nothing may be left in
 * what is shown.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/arguments.h"
#include "config/config.h"
#include "config/report.h"

#define MARK "S3CR3T"

enum {
	IN_FILE =
		0x3e, /* bits of the first byte; one file in 32 is one: making it takes longer than reading it */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void count(void *userdata, const struct config_mistake *m)
{
	check(m->where && m->message && *m->message);
	*(int *)userdata += !m->is_warning;
}

static int load_with(struct config **ret_config, struct config_input *input)
{
	int told = 0, r;

	input->environment = (char *const[]){ "PGHOST=h", NULL };
	input->mistake = count;
	input->userdata = &told;
	r = config_load(ret_config, input);
	check(r == told && (r == 0) == (*ret_config != NULL));
	return r;
}

static struct config *load_file(const char *text, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	char path[32];
	struct arguments arguments = { .config = path };
	struct config_input input = { .arguments = &arguments };
	struct config *c = NULL;

	check(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)load_with(&c, &input);
	(void)close(fd);
	return c;
}

/* As a reload does for a setting changed by hand: the text was read before. Without NUL. */
static struct config *load_text(const char *text, size_t n)
{
	char *copy = strndup(text, n);
	struct config before = { .file = (char *)"fuzz.conf", .file_text = copy };
	struct config_input input = { .read_before = &before };
	struct config *c = NULL;

	check(copy);
	(void)load_with(&c, &input);
	free(copy);
	return c;
}

static char *print(const struct config *c, size_t *ret_n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_n);

	check(f && config_print(c, f) == 0 && fclose(f) == 0);
	return text;
}

static void ignore(void *userdata, const struct config_change *change)
{
	(void)userdata;
	(void)change;
}

/* A value with a quote, a " ;" or a secret in it does not come back as it was. */
static bool is_printable(const char *printed)
{
	return !strstr(printed, "***") && !strpbrk(printed, "\"'");
}

static void fuzz_file(const char *text, size_t n, bool in_file)
{
	struct config *c = in_file ? load_file(text, n) : load_text(text, n), *again;
	char *printed;
	size_t n_printed;

	if (!c)
		return;
	printed = print(c, &n_printed);
	check(config_diff(c, c, ignore, NULL) == 0);
	again = is_printable(printed) ? load_text(printed, n_printed) : NULL;
	if (again)
		check(config_diff(c, again, ignore, NULL) >= 0);
	free(printed);
	config_free(again);
	config_free(c);
}

/*
 * The mark between both halves of the data, without NUL, and without "=": behind it, a URL can be
 * proper by chance.
 */
static char *make_password(const uint8_t *data, size_t n)
{
	char *text = malloc(n + sizeof(MARK)), *to = text;

	check(text);
	for (size_t i = 0; i <= n; i++) {
		if (i == n / 2)
			to = stpcpy(to, MARK);
		if (i < n && data[i] && data[i] != '=')
			*to++ = (char)data[i];
	}
	*to = '\0';
	return text;
}

static void check_masked(const char *target)
{
	char *masked = config_mask(target), *message, *quoted;

	check(masked && !strstr(masked, MARK));
	check(asprintf(&quoted, "bad \"%s\" in it", target) >= 0);
	message = config_mask_message(quoted, target);
	check(message && !strstr(message, MARK));
	free(masked);
	free(message);
	free(quoted);
}

static void fuzz_password(const uint8_t *data, size_t n)
{
	char *password = make_password(data, n), *escaped = malloc(2 * strlen(password) + 1),
	     *to = escaped, *target;

	check(escaped);
	check(asprintf(&target, "postgresql://user:%s@host:5432/db", password) >= 0);
	check_masked(target);
	free(target);
	for (const char *p = password; *p; p++) {
		if (*p == '\'' || *p == '\\')
			*to++ = '\\';
		*to++ = *p;
	}
	*to = '\0';
	check(asprintf(&target, "host=h password='%s' user=u", escaped) >= 0);
	check_masked(target);
	free(target);
	free(escaped);
	free(password);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 1)
		fuzz_password(data + 1, size - 1);
	else
		fuzz_file((const char *)data + 1, size - 1, (data[0] & IN_FILE) == IN_FILE);
	return 0;
}
