/* SPDX-License-Identifier: MIT */
/* Without a fuzzer: each file of the folder that is named goes through the target once. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

enum {
	INPUT_MOST_BYTES = 65536,
};

static void replay(int folder, const char *name)
{
	uint8_t *data = malloc(INPUT_MOST_BYTES), *exact;
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	check(data && fd >= 0);
	n = read(fd, data, INPUT_MOST_BYTES);
	check(n >= 0 && n < INPUT_MOST_BYTES);
	(void)close(fd);
	/* So that a byte too many is seen. */
	exact = malloc(n > 0 ? (size_t)n : 1);
	check(exact);
	memcpy(exact, data, (size_t)n);
	(void)LLVMFuzzerTestOneInput(exact, (size_t)n);
	free(exact);
	free(data);
}

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	unsigned n = 0;

	if (!folder) {
		(void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	for (struct dirent *e; (e = readdir(folder));)
		if (e->d_name[0] != '.') {
			(void)fprintf(stderr, "%s\n", e->d_name);
			replay(dirfd(folder), e->d_name);
			n++;
		}
	(void)closedir(folder);
	return n > 0 ? 0 : 1;
}
