/* SPDX-License-Identifier: MIT */
/*
 * Writes the files that are made from the table of settings: `config-docs example`, and
 * `config-docs man TEMPLATE`, which copies the template and puts the settings of a section in place
 * of a line "@SETTINGS section@". For the build and for deploy/; not installed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/report.h"

static int put_man_line(const char *line)
{
	char section[32];

	if (sscanf(line, "@SETTINGS %31[a-z]@", section) == 1)
		return config_print_man(stdout, section);
	return fputs(line, stdout) < 0 ? -EIO : 0;
}

static int print_man(const char *template)
{
	FILE *f = fopen(template, "re");
	char line[1024];
	int r = 0;

	if (!f) {
		perror(template);
		return -errno;
	}
	while (r == 0 && fgets(line, sizeof(line), f))
		r = put_man_line(line);
	(void)fclose(f);
	return r;
}

int main(int argc, char **argv)
{
	int r = -EINVAL;

	if (argc == 2 && !strcmp(argv[1], "example"))
		r = config_print_example(stdout);
	else if (argc == 3 && !strcmp(argv[1], "man"))
		r = print_man(argv[2]);
	else
		(void)fprintf(stderr, "usage: config-docs example | man TEMPLATE\n");
	return r < 0 || fflush(stdout) != 0;
}
