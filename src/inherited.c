/* SPDX-License-Identifier: MIT */
#include "inherited.h"

#include <stdlib.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "util/macro.h"

/* A descriptor named rpc, or the first that is not of another use: its unit gave no names. */
void inherited_take(struct inherited *in)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	*in = (struct inherited){ .rpc = -1 };
	for (int i = 0; i < n; i++) {
		const char *name = names ? names[i] : "";
		int fd = SD_LISTEN_FDS_START + i;

		if (!strcmp(name, "http") && in->n_http < ARRAY_LEN(in->http))
			in->http[in->n_http++] = fd;
		else if (in->rpc < 0 && (!names || !strcmp(name, "rpc") || n == 1))
			in->rpc = fd;
	}
	for (int i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}
