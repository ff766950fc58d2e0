/* SPDX-License-Identifier: MIT */
/* sidepool query SQL [PARAMETER...] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/rows.h"

int ctl_query(struct ctl *ctl)
{
	struct sidepool_call call = ctl_call(ctl);
	size_t n = (size_t)ctl->n_args - 1;
	const char **values = calloc(n + 1, sizeof(*values));
	struct sidepool_params params = { .count = n, .values = values };
	int status;

	if (!values) {
		perror("sidepool");
		return CTL_TROUBLE;
	}
	for (size_t i = 0; i < n; i++)
		values[i] = strcmp(ctl->args[i + 1], "\\N") == 0 ? NULL : ctl->args[i + 1];
	status = rows_print(ctl, sidepool_query(ctl->sp, ctl->args[0], &params, &call),
			    ctl->args[0]);
	free(values);
	return status;
}
