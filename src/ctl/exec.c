/* SPDX-License-Identifier: MIT */
/*
 * sidepool exec FILE: the whole file is one message of PostgreSQL's simple protocol on one lease,
 * so it is one transaction unless it says BEGIN and COMMIT itself. What it leaves open is rolled
 * back when the lease ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/rows.h"

enum {
	FILE_BYTES_MAX = 64 << 20, /* more than any daemon takes in one message */
};

/* Returns the text, the caller's, or NULL with errno set. */
static char *read_all(FILE *in)
{
	size_t len = 0, capacity = 65536;
	char *text = malloc(capacity), *grown;

	while (text) {
		len += fread(text + len, 1, capacity - len - 1, in);
		if (len + 1 < capacity)
			break;
		errno = EFBIG;
		grown = capacity < FILE_BYTES_MAX ? realloc(text, capacity *= 2) : NULL;
		if (!grown)
			free(text);
		text = grown;
	}
	if (!text)
		return NULL;
	text[len] = '\0';
	if (ferror(in) || memchr(text, '\0', len)) {
		errno = ferror(in) ? errno : EILSEQ; /* PostgreSQL takes no zero byte */
		free(text);
		return NULL;
	}
	return text;
}

static char *read_file(const char *name)
{
	FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	char *text;
	int saved;

	if (!in)
		return NULL;
	text = read_all(in);
	saved = errno;
	if (in != stdin)
		fclose(in);
	errno = saved;
	return text;
}

int ctl_exec(struct ctl *ctl)
{
	struct sidepool_call call = ctl_call(ctl);
	char *sql = read_file(ctl->args[0]);
	int status;

	if (!sql) {
		fprintf(stderr, "sidepool: %s: %s\n", ctl->args[0], strerror(errno));
		return CTL_TROUBLE;
	}
	call.acquire = SIDEPOOL_LEASE_OPTIONS();
	call.finish = SIDEPOOL_FINISH_ROLLBACK;
	status = rows_print(ctl, sidepool_script(ctl->sp, sql, &call), sql);
	free(sql);
	return status;
}
