/* SPDX-License-Identifier: MIT */
/* Operations come as JSON, one a line; so do the answers: ../README.md. */
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"

static void answer_line(struct driver *d, const char *line)
{
	json_error_t why;
	json_t *step = json_loads(line, JSON_ALLOW_NUL, &why), *answer;

	if (!step) {
		fprintf(stderr, "%s\n%s\n", why.text, line);
		exit(2);
	}
	answer = driver_do(d, step);
	json_object_set(answer, "id", json_object_get(step, "id"));
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(answer);
	json_decref(step);
}

int main(void)
{
	struct driver d = { 0 };
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0)
		answer_line(&d, line);
	free(line);
	sidepool_close(d.sp);
	return 0;
}
