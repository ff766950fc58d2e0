/* SPDX-License-Identifier: MIT */
/*
 * Where a server listens: paths that are taken, stale, too long or not ours to use, and sockets
 * that others have bound.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sp/frame.h"
#include "sp/listener.h"
#include "sp_fixture.h"
#include "util/macro.h"

static struct sp_address address_of(const char *path)
{
	return (struct sp_address){
		.path = path, .mode = 0660, .owner = (uid_t)-1, .group = (gid_t)-1
	};
}

/* Tries to bind and lets go of it again. */
static int try_bind(const char *path)
{
	struct sp_address address = address_of(path);
	struct sp_bound b = SP_BOUND_NULL;
	int r = sp_bound_init(&b, &address);

	sp_bound_deinit(&b);
	return r;
}

static int bind_elsewhere(const char *path, bool listens)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (listens)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void test_a_path_in_use_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	assert_int_equal(try_bind(f->path), SP_E_IN_USE);
	fd = peer_open(f);
	peer_request(f, fd, 1, "abc", 3);
	assert_int_equal(peer_answer(f, fd, NULL, 0, NULL), 1);
	peer_close(f, fd);
}

static void test_a_full_listen_queue_means_in_use(void **state)
{
	struct fixture *f = *state;
	int fd = bind_elsewhere(f->path, true), peers[16];

	assert_int_equal(listen(fd, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
		struct sockaddr_un sa = { .sun_family = AF_UNIX };

		memcpy(sa.sun_path, f->path, strlen(f->path) + 1);
		peers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(peers[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(try_bind(f->path), SP_E_IN_USE);
	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		(void)close(peers[i]);
	(void)close(fd);
	(void)unlink(f->path);
}

static void test_a_stale_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	int fd;

	(void)close(bind_elsewhere(f->path, true));
	assert_int_equal(access(f->path, F_OK), 0);
	fixture_start(f);
	fd = peer_open(f);
	peer_close(f, fd);
}

static void test_another_file_is_not_replaced(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)close(fd);
	assert_int_equal(try_bind(f->path), SP_E_NOT_SOCKET);
	assert_int_equal(access(f->path, F_OK), 0);
	(void)unlink(f->path);
	assert_int_equal(symlink("/dev/null", f->path), 0);
	assert_int_equal(try_bind(f->path), SP_E_NOT_SOCKET);
	(void)unlink(f->path);
}

static void test_the_length_of_a_path_is_checked(void **state)
{
	struct fixture *f = *state;
	char path[SP_PATH_MAX + 2];
	size_t n = strlen(f->dir);

	memset(path, 'x', sizeof(path));
	memcpy(path, f->dir, n);
	path[n] = '/';
	path[SP_PATH_MAX + 1] = '\0';
	assert_int_equal(try_bind(path), SP_E_PATH_LENGTH);
	path[SP_PATH_MAX] = '\0';
	assert_int_equal(try_bind(path), 0);
	assert_int_equal(try_bind(""), SP_E_PATH_LENGTH);
}

static void test_a_missing_folder_is_told(void **state)
{
	struct fixture *f = *state;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/missing/rpc.sock", f->dir);
	assert_int_equal(try_bind(path), SP_E_NO_DIRECTORY);
}

static void test_a_forbidden_folder_is_told(void **state)
{
	struct fixture *f = *state;

	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	else
		assert_int_equal(chmod(f->dir, 0500), 0);
	assert_int_equal(try_bind(f->path), SP_E_DENIED);
	assert_int_equal(seteuid(getuid()), 0);
	assert_int_equal(chmod(f->dir, 0700), 0);
}

static void test_mode_and_owner_are_as_told_whatever_the_umask(void **state)
{
	static const mode_t modes[] = { 0600, 0660, 0666, 0777 };
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	struct fixture *f = *state;

	for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
		for (size_t u = 0; u < ARRAY_LEN(masks); u++) {
			struct sp_address address = address_of(f->path);
			struct sp_bound b = SP_BOUND_NULL;
			mode_t before = umask(masks[u]);
			struct stat st;

			address.mode = modes[m];
			address.group = getgid();
			assert_int_equal(sp_bound_init(&b, &address), 0);
			assert_int_equal(umask(before), masks[u]);
			assert_int_equal(lstat(f->path, &st), 0);
			assert_int_equal(st.st_mode & 07777, modes[m]);
			sp_bound_deinit(&b);
			assert_int_not_equal(access(f->path, F_OK), 0);
		}
	}
}

static void test_an_owner_that_may_not_be_given_leaves_no_file(void **state)
{
	struct fixture *f = *state;
	struct sp_address address = address_of(f->path);
	struct sp_bound b = SP_BOUND_NULL;

	assert_int_equal(chmod(f->dir, 0777), 0);
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	address.owner = 0;
	assert_int_equal(sp_bound_init(&b, &address), SP_E_DENIED);
	assert_int_not_equal(access(f->path, F_OK), 0);
	assert_int_equal(seteuid(getuid()), 0);
}

static void test_only_the_own_file_is_removed(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	assert_int_equal(unlink(f->path), 0);
	fd = bind_elsewhere(f->path, true);
	f->server = sp_server_free(f->server);
	fixture_run(f);
	assert_int_equal(access(f->path, F_OK), 0);
	(void)close(fd);
	(void)unlink(f->path);
}

static const struct sp_ops no_ops = { .on_open = NULL };

static void new_server(struct fixture *f)
{
	assert_int_equal(sp_server_new(&f->server, &f->loop, &f->settings, &no_ops, f), 0);
}

static void test_an_inherited_socket_is_served_and_stays(void **state)
{
	struct fixture *f = *state;
	int fd = bind_elsewhere(f->path, true), ours = dup(fd), late;
	uint8_t greeting[SP_GREETING_BYTES];

	new_server(f);
	late = peer_connect(f);
	assert_int_equal(sp_server_adopt(f->server, ours), 0);
	peer_read(f, late, greeting, sizeof(greeting));
	assert_memory_equal(greeting, sp_greeting_rep, sizeof(greeting));
	assert_int_equal(fcntl(ours, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	peer_close(f, late);
	/* Who connects between two daemons waits for the second. */
	sp_server_stop_listening(f->server);
	late = peer_connect(f);
	f->server = sp_server_free(f->server);
	fixture_run(f);
	assert_int_equal(access(f->path, F_OK), 0);
	new_server(f);
	assert_int_equal(sp_server_adopt(f->server, fd), 0);
	peer_read(f, late, greeting, sizeof(greeting));
	peer_close(f, late);
	(void)unlink(f->path);
}

static void test_what_does_not_listen_is_not_adopted(void **state)
{
	struct fixture *f = *state;
	int fds[] = {
		bind_elsewhere(f->path, false),
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		open("/dev/null", O_RDONLY | O_CLOEXEC),
	};

	new_server(f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		assert_int_equal(sp_server_adopt(f->server, fds[i]), SP_E_NOT_LISTENER);
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(sp_server_adopt(f->server, -1), SP_E_NOT_LISTENER);
	(void)unlink(f->path);
}

static void test_who_waits_is_accepted_before_listening_stops(void **state)
{
	struct fixture *f = *state;
	int fd, late;

	fixture_start(f);
	fd = peer_connect(f);
	peer_send(f, fd, sp_greeting_req, SP_GREETING_BYTES);
	sp_server_stop_listening(f->server);
	assert_int_not_equal(access(f->path, F_OK), 0);
	fixture_run(f);
	assert_int_equal(f->n_open, 1);
	peer_request(f, fd, 1, "abc", 3);
	/* The greeting is still there to be read first. */
	peer_read(f, fd, (uint8_t[SP_GREETING_BYTES]){ 0 }, SP_GREETING_BYTES);
	assert_int_equal(peer_answer(f, fd, NULL, 0, NULL), 1);
	peer_close(f, fd);
	late = bind_elsewhere(f->path, true);
	(void)close(late);
	(void)unlink(f->path);
}

static void test_every_error_has_a_sentence(void **state)
{
	(void)state;
	for (unsigned e = 0; e < SP_E_N; e++)
		assert_non_null(sp_error_to_string((enum sp_error)e));
	assert_string_equal(sp_error_to_string(SP_E_N), "unknown error");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_path_in_use_is_left_alone),
		TEST(test_a_full_listen_queue_means_in_use),
		TEST(test_a_stale_socket_is_replaced),
		TEST(test_another_file_is_not_replaced),
		TEST(test_the_length_of_a_path_is_checked),
		TEST(test_a_missing_folder_is_told),
		TEST(test_a_forbidden_folder_is_told),
		TEST(test_mode_and_owner_are_as_told_whatever_the_umask),
		TEST(test_an_owner_that_may_not_be_given_leaves_no_file),
		TEST(test_only_the_own_file_is_removed),
		TEST(test_an_inherited_socket_is_served_and_stays),
		TEST(test_what_does_not_listen_is_not_adopted),
		TEST(test_who_waits_is_accepted_before_listening_stops),
		cmocka_unit_test(test_every_error_has_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
