/* SPDX-License-Identifier: MIT */
/*
 * Their names tell what they are for (FileDescriptorName=). Where nobody gave names, systemd puts the
 * unit's or "unknown": the first of those is rpc, unless one is called so. One alone is rpc unless it is
 * called http.
 */
#include "inherited.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "util/log.h"
#include "util/macro.h"

static bool is_unnamed(const char *name)
{
	const char *dot = strrchr(name, '.');

	return !*name || !strcmp(name, "unknown") || (dot && !strcmp(dot, ".socket"));
}

/* The index of the one that programs connect to; n: none. */
static int find_rpc(char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(names[i], "rpc"))
			return i;
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], "http") != 0 && (n == 1 || is_unnamed(names[i])))
			return i;
	return n;
}

static void take(struct inherited *in, char **names, int n)
{
	int rpc = find_rpc(names, n);

	if (rpc < n)
		in->rpc = SD_LISTEN_FDS_START + rpc;
	for (int i = 0; i < n; i++) {
		if (!strcmp(names[i], "http") && in->n_http < ARRAY_LEN(in->http))
			in->http[in->n_http++] = SD_LISTEN_FDS_START + i;
		else if (i != rpc)
			log_warning(
				LOG_FIELDS(log_str("NAME", names[i])),
				"a socket from systemd that is named '%s' is not used: "
				"FileDescriptorName= is to be rpc, once, or http, up to %d times",
				names[i], INHERITED_HTTP_MAX);
	}
}

void inherited_take(struct inherited *in)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	*in = (struct inherited){ .rpc = -1 };
	if (n < 0)
		log_warning(LOG_NO_FIELDS, "the sockets from systemd cannot be used: %s",
			    strerror(-n));
	else if (n > 0)
		take(in, names, n);
	for (int i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}
