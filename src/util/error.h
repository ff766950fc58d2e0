/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One rule for every function that can fail:
 *   0         it worked;
 *   negative  an errno that is fatal for the owner of the operation: forwarded untouched, traced, never matched on;
 *   positive  a code of the module's own enum, documented at the function and handled by the direct caller.
 * SIDEPOOL_DEBUG=error prints where each negative code was raised and every place it passed
 * through.
 */

#include <errno.h>

/* Where an error begins: `return err_raise(-ENOMEM);` */
#define err_raise(r) err_traced((r), "raised")

/* Where an error passes through: `if (r < 0) return err_forward(r);` */
#define err_forward(r) err_traced((r), "forwarded")

/*
 * Where a positive code is impossible by construction: turns it into a fatal one instead of losing
 * it.
 */
#define err_fold(r) err_traced((r) > 0 ? -ENOTRECOVERABLE : (r), "folded")

/* Gives the code itself, and not what a function returns: who looks at the source alone sees that it stays negative. */
#define err_traced(r, verb)                                                                        \
	__extension__({                                                                            \
		const int traced_ = (r);                                                           \
		err_trace(traced_, verb, __FILE__, __LINE__, __func__);                            \
		traced_;                                                                           \
	})

void err_trace(int r, const char *verb, const char *file, int line, const char *function);
