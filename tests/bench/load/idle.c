/* SPDX-License-Identifier: MIT */
/* Clients that are connected and ask nothing: "ready" is printed when all are there. */
#include "workload.h"

const struct workload workload_idle = {
	.name = "idle",
	.help = "clients that are connected and ask nothing; says \"ready\" when they are",
};
