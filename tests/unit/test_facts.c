/* SPDX-License-Identifier: MIT */
/* Which unit, user slice or container a process is of, told from its /proc/PID/cgroup. */
#include "rpc/facts.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/macro.h"

#define ID                                                                                         \
	"3f5e0c1b2a4d6978"                                                                         \
	"8897a6b5c4d3e2f1"                                                                         \
	"00112233445566778899aabbccddeeff"

static void test_the_cgroup_names_the_unit(void **state)
{
	static const struct {
		const char *cgroup, *unit;
	} cases[] = {
		{ "", "" },
		{ "0::/\n", "" },
		{ "0::/system.slice/api.service\n", "api.service" },
		{ "0::/system.slice/system-worker.slice/worker@3.service/child\n",
		  "worker@3.service" },
		{ "0::/user.slice/user-1000.slice/session-3.scope\n", "user-1000.slice" },
		{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/studio.service\n",
		  "studio.service" },
		{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope\n",
		  "run-r1.scope" },
		{ "0::/system.slice/docker-" ID ".scope\n", "3f5e0c1b2a4d" },
		{ "0::/docker/" ID "\n", "3f5e0c1b2a4d" },
		{ "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-" ID ".scope\n",
		  "3f5e0c1b2a4d" },
		/* version 1, hybrid */
		{ "9:name=systemd:/system.slice/cron.service\n8:pids:/x.service\n0::/\n",
		  "cron.service" },
		{ "1:name=systemd:/a.service\n0::/b.service\n", "b.service" },
		{ "4:memory:/other.service\n", "" },
	};
	char unit[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		facts_unit(cases[i].cgroup, unit, sizeof(unit));
		assert_string_equal(unit, cases[i].unit);
	}
}

static void test_a_long_name_is_cut(void **state)
{
	char unit[8];

	(void)state;
	facts_unit("0::/a-very-long-name.service\n", unit, sizeof(unit));
	assert_string_equal(unit, "a-very-");
}

static void test_a_name_for_who_gave_none(void **state)
{
	char name[64];

	(void)state;
	facts_name(&(struct facts){ .unit = "api.service", .executable = "/usr/bin/node" }, name,
		   sizeof(name));
	assert_string_equal(name, "api");
	facts_name(&(struct facts){ .unit = "user-1000.slice", .executable = "/usr/bin/node" },
		   name, sizeof(name));
	assert_string_equal(name, "node");
	facts_name(&(struct facts){ .pid = 4121 }, name, sizeof(name));
	assert_string_equal(name, "pid 4121");
}

/* A child that becomes another program, which ends when our end of its input is closed. */
static pid_t start(int *ret_input, int *ret_go)
{
	int input[2], go[2];
	pid_t child;
	char c;

	assert_int_equal(pipe(input) | pipe(go), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(input[1]);
		(void)close(go[1]);
		(void)read(go[0], &c, 1);
		(void)fcntl(go[0], F_SETFD, FD_CLOEXEC); /* closed: the program has begun */
		(void)dup2(input[0], STDIN_FILENO);
		(void)execl("/bin/cat", "cat", (char *)NULL);
		_exit(EXIT_FAILURE);
	}
	(void)close(input[0]);
	(void)close(go[0]);
	*ret_input = input[1];
	*ret_go = go[1];
	return child;
}

/* SIGPIPE is off: the write fails when the last reader is gone, which execve(2) has closed. */
static void become(int go)
{
	struct pollfd p = { .fd = go, .events = 0 };

	assert_int_equal(write(go, "", 1), 1);
	assert_int_equal(poll(&p, 1, -1), 1); /* POLLERR: nobody reads any more */
	(void)close(go);
}

static void test_what_was_read_is_believed_for_a_moment(void **state)
{
	struct facts_known known = { .until = { 0 } };
	const usec then = 50, soon = then + 99999, later = then + 100000;
	char name[64];
	struct facts f;
	int input, go;
	pid_t pid = start(&input, &go);

	(void)state;
	facts_read(&f, &known, then, getuid(), getgid(), pid);
	facts_name(&f, name, sizeof(name));
	assert_string_equal(strrchr(f.executable, '/') + 1, "test_facts");
	become(go);
	facts_read(&f, &known, soon, getuid(), getgid(), pid);
	assert_string_equal(strrchr(f.executable, '/') + 1, "test_facts");
	facts_read(&f, &known, soon, getuid() + 1, getgid(), pid);
	assert_string_equal(strrchr(f.executable, '/') + 1, "cat");
	facts_read(&f, &known, soon, getuid(), getgid(), pid);
	assert_string_equal(strrchr(f.executable, '/') + 1, "cat");
	facts_read(&f, &known, later, getuid(), getgid(), pid + FACTS_KNOWN);
	facts_read(&f, &known, later, getuid(), getgid(), pid);
	assert_string_equal(strrchr(f.executable, '/') + 1, "cat");
	(void)close(input);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_cgroup_names_the_unit),
		cmocka_unit_test(test_a_long_name_is_cut),
		cmocka_unit_test(test_a_name_for_who_gave_none),
		cmocka_unit_test(test_what_was_read_is_believed_for_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
