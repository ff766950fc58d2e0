/* SPDX-License-Identifier: MIT */
/*
 * A transaction of two statements in two messages: the first one takes the lease and begins, the
 * last one commits and gives the lease back. Whatever happens between, the daemon rolls back when
 * this process is gone.
 */
#include <sidepool.h>
#include <stdio.h>

static const char make[] =
	"create table if not exists example_accounts (id int primary key, cents bigint)";
static const char put[] =
	"insert into example_accounts values ($1, 100) on conflict (id) do update set cents = 100";
static const char move[] =
	"update example_accounts set cents = cents + $2 where id = $1 returning cents";

/* Prints what came, takes the lease out of it, and returns the code. */
static int take(struct sidepool_reply *reply, struct sidepool_lease *lease)
{
	const struct sidepool_error *e = sidepool_error(reply);
	const char *value = sidepool_value(sidepool_result(reply, 0), 0, 0);
	int code = sidepool_code(reply);

	if (code != SIDEPOOL_E_OK)
		fprintf(stderr, "%s\n", sidepool_error_message(e));
	else if (value)
		printf("now %s cents\n", value);
	if (lease)
		sidepool_reply_lease(reply, lease);
	sidepool_reply_free(reply);
	return code;
}

static int run(struct sidepool *sp)
{
	struct sidepool_lease lease = { { 0 } };

	if (take(sidepool_wait(sp, sidepool_query(sp, make, NULL, NULL)), NULL) != 0 ||
	    take(sidepool_wait(sp, sidepool_query(sp, put, SIDEPOOL_TEXT("1"), NULL)), NULL) != 0 ||
	    take(sidepool_wait(sp, sidepool_query(sp, put, SIDEPOOL_TEXT("2"), NULL)), NULL) != 0)
		return 1;
	if (take(sidepool_wait(
			 sp, sidepool_query(
				     sp, move, SIDEPOOL_TEXT("1", "-30"),
				     SIDEPOOL_CALL(.acquire = SIDEPOOL_LEASE_OPTIONS(.begin = 1)))),
		 &lease) != 0)
		return 1;
	return take(
		sidepool_wait(sp, sidepool_query(sp, move, SIDEPOOL_TEXT("2", "30"),
						 SIDEPOOL_CALL(.lease = &lease,
							       .finish = SIDEPOOL_FINISH_COMMIT))),
		NULL);
}

int main(void)
{
	struct sidepool *sp;
	int failed;

	if (sidepool_open(SIDEPOOL_OPTIONS(.application = "example"), &sp) != 0)
		return 1;
	failed = run(sp);
	sidepool_close(sp);
	return failed != 0;
}
