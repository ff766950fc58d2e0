/* SPDX-License-Identifier: MIT */
#include "sp_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <endian.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sp/frame.h"
#include "util/macro.h"

enum {
	ROUNDS = 12,       /* of the loop: more than any chain of events here is long */
	PATIENCE = 100000, /* rounds after which a test has failed instead of waiting for ever */
};

static struct {
	long countdown;
	long counted;
} faults;

/* The linker puts these in front of the allocator, for our own objects only (see meson.build). */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

static bool is_faulty(void)
{
	faults.counted++;
	return faults.countdown > 0 && --faults.countdown == 0;
}

void *__wrap_malloc(size_t n)
{
	return is_faulty() ? NULL : __real_malloc(n);
}

void *__wrap_realloc(void *p, size_t n)
{
	return is_faulty() ? NULL : __real_realloc(p, n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_faulty() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return is_faulty() ? NULL : __real_reallocarray(p, n, size);
}

long fixture_fail_malloc(long n)
{
	long counted = faults.counted;

	faults.countdown = n;
	faults.counted = 0;
	return counted;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static void on_open(struct sp_conn *c, void *userdata)
{
	struct fixture *f = userdata;

	f->n_open++;
	sp_conn_set_owner(c, f);
	if (f->close_on_open)
		sp_conn_close(c);
}

static void record(struct fixture *f, struct sp_conn *c, const struct sp_request *request,
		   const uint8_t *body, size_t len)
{
	struct seen *s = &f->seen[f->n_seen++];

	assert_true(f->n_seen <= FIXTURE_SEEN_MAX);
	*s = (struct seen){ .conn = sp_conn_ref(c), .request = *request, .len = len };
	memcpy(s->body, body, MIN(len, sizeof(s->body)));
}

static void on_message(struct sp_conn *c, const struct sp_request *request, uint8_t *body,
		       size_t len, void *userdata)
{
	struct fixture *f = userdata;

	assert_ptr_equal(sp_conn_owner(c), f);
	if (f->close_on_message) {
		sp_conn_close(c);
	} else if (f->free_on_message) {
		f->server = sp_server_free(f->server);
	} else if (f->mode == FIXTURE_ECHO) {
		uint8_t *at = sp_reply_begin(c, request, len);

		if (!at)
			return;
		memcpy(at, body, len);
		sp_reply_end(c, len);
	} else {
		record(f, c, request, body, len);
	}
}

static void on_drained(struct sp_conn *c, void *userdata)
{
	struct fixture *f = userdata;

	assert_false(sp_conn_is_congested(c));
	f->n_drained++;
}

static void on_close(struct sp_conn *c, void *userdata)
{
	struct fixture *f = userdata;

	assert_false(sp_conn_is_open(c));
	assert_ptr_equal(sp_conn_owner(c), f);
	f->n_close++;
}

static const struct sp_ops ops = {
	.on_open = on_open,
	.on_message = on_message,
	.on_drained = on_drained,
	.on_close = on_close,
};

/* The first loop of a process opens what libuv keeps for good. */
static void warm_up(void)
{
	uv_loop_t loop;

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	warm_up();
	(void)signal(SIGPIPE, SIG_IGN);
	f->fds_before = count_fds();
	f->settings = sp_settings_default();
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sp-test-XXXXXX");
	if (!mkdtemp(f->dir) || uv_loop_init(&f->loop) < 0)
		return -1;
	(void)snprintf(f->path, sizeof(f->path), "%s/rpc.sock", f->dir);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	sp_server_free(f->server);
	for (size_t i = 0; i < f->n_seen; i++)
		sp_conn_unref(f->seen[i].conn);
	/* Returns when every handle is closed: a forgotten one would hang or fail here. */
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	r = uv_loop_close(&f->loop);
	(void)rmdir(f->dir);
	if (r < 0 || f->n_open != f->n_close || access(f->dir, F_OK) == 0) {
		print_error("left behind: loop %d, open %u, closed %u\n", r, f->n_open, f->n_close);
		return -1;
	}
	if (!getenv("SIDEPOOL_TEST_NO_FD_CHECK") && count_fds() != f->fds_before) {
		print_error("left behind: descriptors\n");
		return -1;
	}
	free(f);
	return 0;
}

void fixture_start(struct fixture *f)
{
	struct sp_address address = {
		.path = f->path, .mode = 0660, .owner = (uid_t)-1, .group = (gid_t)-1
	};

	assert_int_equal(sp_server_new(&f->server, &f->loop, &f->settings, &ops, f), 0);
	assert_int_equal(sp_server_listen(f->server, &address), 0);
}

void fixture_run(struct fixture *f)
{
	for (int i = 0; i < ROUNDS; i++)
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

int peer_connect(const struct fixture *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(sa.sun_path, f->path, strlen(f->path) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

int peer_open(struct fixture *f)
{
	int fd = peer_connect(f);
	uint8_t greeting[SP_GREETING_BYTES];

	peer_send(f, fd, sp_greeting_req, SP_GREETING_BYTES);
	peer_read(f, fd, greeting, sizeof(greeting));
	assert_memory_equal(greeting, sp_greeting_rep, sizeof(greeting));
	fixture_run(f);
	return fd;
}

void peer_send(struct fixture *f, int fd, const void *data, size_t len)
{
	size_t sent = 0;

	for (int i = 0; sent < len && i < PATIENCE; i++) {
		ssize_t n = send(fd, (const char *)data + sent, len - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		else
			return;
	}
	assert_int_equal(sent, len);
}

void peer_request(struct fixture *f, int fd, uint32_t id, const void *body, size_t len)
{
	struct sp_request r = { .n_words = 1, .words = { htonl(SP_REQUEST_ID_BIT | id) } };
	uint8_t header[SP_HEADER_BYTES + 4];
	size_t n = sp_frame_write_header(header, &r, len);

	peer_send(f, fd, header, n);
	if (len > 0)
		peer_send(f, fd, body, len);
}

void peer_read(struct fixture *f, int fd, void *data, size_t len)
{
	size_t got = 0;

	for (int i = 0; got < len && i < PATIENCE; i++) {
		ssize_t n = recv(fd, (char *)data + got, len - got, MSG_DONTWAIT);

		if (n == 0)
			fail_msg("closed after %zu of %zu bytes", got, len);
		if (n > 0)
			got += (size_t)n;
		else
			(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(got, len);
}

uint32_t peer_answer(struct fixture *f, int fd, void *body, size_t max, size_t *ret_len)
{
	uint8_t header[SP_HEADER_BYTES + 4];
	uint32_t id;
	uint64_t len;
	uint8_t *all;

	peer_read(f, fd, header, sizeof(header));
	assert_int_equal(header[0], SP_MESSAGE_TYPE);
	memcpy(&len, header + 1, sizeof(len));
	memcpy(&id, header + SP_HEADER_BYTES, sizeof(id));
	len = be64toh(len) - sizeof(id);
	assert_true(ntohl(id) & SP_REQUEST_ID_BIT);
	all = __real_malloc(len + 1);
	peer_read(f, fd, all, len);
	if (body)
		memcpy(body, all, MIN(len, max));
	free(all);
	if (ret_len)
		*ret_len = len;
	return ntohl(id) & ~SP_REQUEST_ID_BIT;
}

bool peer_is_closed(struct fixture *f, int fd)
{
	char rest[65536];
	ssize_t n;

	fixture_run(f);
	while ((n = recv(fd, rest, sizeof(rest), MSG_DONTWAIT)) > 0)
		fixture_run(f);
	return n == 0 || errno == ECONNRESET;
}

void peer_close(struct fixture *f, int fd)
{
	(void)close(fd);
	fixture_run(f);
}

void fixture_answer(struct fixture *f, size_t i)
{
	struct seen *s = &f->seen[i];

	assert_true(i < f->n_seen && !s->done);
	s->done = true;
	sp_reply(s->conn, &s->request, s->body, MIN(s->len, sizeof(s->body)));
}
