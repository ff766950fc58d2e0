/* SPDX-License-Identifier: MIT */
/* One query, blocking. */
#include <sidepool.h>
#include <stdio.h>

int main(void)
{
	struct sidepool *sp = NULL;
	struct sidepool_reply *reply;
	int code;

	sidepool_open(SIDEPOOL_OPTIONS(.application = "example"), &sp);
	reply = sidepool_wait(sp,
			      sidepool_query(sp, "select 6 * $1::int", SIDEPOOL_TEXT("7"), NULL));
	code = sidepool_code(reply);
	puts(code ? sidepool_error_message(sidepool_error(reply))
		  : sidepool_value(sidepool_result(reply, 0), 0, 0));
	sidepool_reply_free(reply);
	sidepool_close(sp);
	return code != 0;
}
