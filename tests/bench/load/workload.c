/* SPDX-License-Identifier: MIT */
#include "workload.h"

#include <stddef.h>
#include <string.h>

#include "util/macro.h"

static const struct workload *const workloads[] = {
	&workload_select, &workload_tpcb,   &workload_connect, &workload_mixed,
	&workload_hidden, &workload_stream, &workload_idle,
};

const struct workload *workload_at(unsigned number)
{
	return number < ARRAY_LEN(workloads) ? workloads[number] : NULL;
}

const struct workload *workload_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_LEN(workloads); i++)
		if (strcmp(workloads[i]->name, name) == 0)
			return workloads[i];
	return NULL;
}
