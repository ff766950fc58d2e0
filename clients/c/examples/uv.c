/* SPDX-License-Identifier: MIT */
/* On a libuv loop: each answer asks the next question, ten at a time, a thousand in all. */
#include <sidepool.h>
#include <stdio.h>
#include <uv.h>

#include "../adapters/uv.h"

enum {
	AT_ONCE = 10,
	IN_ALL = 1000,
};

static struct sidepool_uv adapter;
static int asked, answered, failed;

static void ask(struct sidepool *sp);

static void on_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	(void)id;
	(void)userdata;
	answered++;
	failed += sidepool_code(reply) != SIDEPOOL_E_OK;
	sidepool_reply_free(reply);
	if (asked < IN_ALL)
		ask(sp);
	else if (answered == IN_ALL)
		sidepool_uv_stop(&adapter, NULL);
}

static void ask(struct sidepool *sp)
{
	asked++;
	sidepool_query(sp, "select 1", NULL, SIDEPOOL_CALL(.done = on_reply, .deadline_ms = 5000));
}

int main(void)
{
	uv_loop_t *loop = uv_default_loop();
	struct sidepool *sp;

	if (sidepool_open(SIDEPOOL_OPTIONS(.application = "example"), &sp) != 0)
		return 1;
	sidepool_uv_start(&adapter, loop, sp);
	for (int i = 0; i < AT_ONCE; i++)
		ask(sp);
	uv_run(loop, UV_RUN_DEFAULT);
	printf("%d answers, %d failures\n", answered, failed);
	sidepool_close(sp);
	return failed != 0 || answered != IN_ALL || uv_loop_close(loop) != 0;
}
