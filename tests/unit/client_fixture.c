/* SPDX-License-Identifier: MIT */
#include "client_fixture.h"

#include <dirent.h>
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRAME_MAX = 1 << 20,
};

uint64_t fixture_now_us;

static uint64_t fixture_clock(void)
{
	return fixture_now_us;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fds_before = count_fds();
	f->listener = f->peer = -1;
	strcpy(f->dir, "/tmp/sidepool-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	fixture_now_us = 1000000;
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int fds;

	f->sp = sidepool_close(f->sp);
	peer_close(f);
	fixture_unlisten(f);
	if (f->request)
		sidepool__v1__request__free_unpacked(f->request, NULL);
	rmdir(f->dir);
	fds = f->fds_before;
	free(f);
	assert_int_equal(count_fds(), fds);
	return 0;
}

void fixture_open(struct fixture *f, const struct sidepool_options *options)
{
	struct sidepool_options o = { .size = sizeof(o) };

	if (options)
		o = *options;
	o.socket = f->path;
	assert_int_equal(sidepool_open(&o, &f->sp), 0);
	f->sp->now_us = fixture_clock;
}

void fixture_listen(struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
}

void fixture_unlisten(struct fixture *f)
{
	if (f->listener < 0)
		return;
	close(f->listener);
	unlink(f->path);
	f->listener = -1;
}

void fixture_turn(struct fixture *f)
{
	struct pollfd p = { .fd = sidepool_fd(f->sp), .events = sidepool_events(f->sp) };

	poll(&p, 1, 0);
	sidepool_dispatch(f->sp, p.revents);
}

void peer_accept(struct fixture *f)
{
	f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(f->peer >= 0);
}

void peer_close(struct fixture *f)
{
	if (f->peer >= 0)
		close(f->peer);
	f->peer = -1;
}

void peer_write(struct fixture *f, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(f->peer, at, len, MSG_NOSIGNAL);

		assert_true(n > 0 || f->sp);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else {
			fixture_turn(f); /* the socket is full */
		}
	}
}

void peer_read(struct fixture *f, void *data, size_t len)
{
	char *at = data;

	while (len > 0) {
		ssize_t n = recv(f->peer, at, len, 0);

		if (n < 0 && f->sp) {
			fixture_turn(f); /* more is queued there */
			n = recv(f->peer, at, len, 0);
		}
		assert_true(n > 0);
		at += n;
		len -= (size_t)n;
	}
}

bool peer_quiet(struct fixture *f)
{
	struct pollfd p = { .fd = f->peer, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

void peer_request(struct fixture *f)
{
	static uint8_t body[FRAME_MAX];
	uint8_t head[13];
	uint64_t len;

	peer_read(f, head, sizeof(head));
	assert_int_equal(head[0], 1);
	memcpy(&len, head + 1, sizeof(len));
	memcpy(&f->id, head + 9, sizeof(f->id));
	len = be64toh(len) - 4;
	f->id = be32toh(f->id);
	assert_true(len <= sizeof(body));
	assert_true(f->id >> 31);
	if (len > 0)
		peer_read(f, body, len);
	if (f->request)
		sidepool__v1__request__free_unpacked(f->request, NULL);
	f->request = sidepool__v1__request__unpack(NULL, len, body);
	assert_non_null(f->request);
}

void peer_answer_bytes(struct fixture *f, uint32_t id, const void *message, size_t len)
{
	uint8_t head[13] = { 1 };
	uint64_t be_len = htobe64(len + 4);
	uint32_t be_id = htobe32(id);

	memcpy(head + 1, &be_len, sizeof(be_len));
	memcpy(head + 9, &be_id, sizeof(be_id));
	peer_write(f, head, sizeof(head));
	if (len > 0)
		peer_write(f, message, len);
}

void peer_answer(struct fixture *f, uint32_t id, const Sidepool__V1__Response *response)
{
	size_t len = sidepool__v1__response__get_packed_size(response);
	uint8_t *message = malloc(len + 1);

	assert_non_null(message);
	sidepool__v1__response__pack(response, message);
	peer_answer_bytes(f, id, message, len);
	free(message);
}

/* As the daemon does: columns that the request knows are left out. */
static bool knows_columns(const struct fixture *f, uint32_t id)
{
	return f->id == id && f->request->kind_case == SIDEPOOL__V1__REQUEST__KIND_QUERY &&
	       f->request->query->statement->known_columns_id == 8;
}

void peer_answer_text(struct fixture *f, uint32_t id, const char *text)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Result result = SIDEPOOL__V1__RESULT__INIT, *results = &result;
	Sidepool__V1__Column column = SIDEPOOL__V1__COLUMN__INIT, *columns = &column;
	uint32_t len = htole32((uint32_t)strlen(text));
	char rows[256];

	memcpy(rows, &len, sizeof(len));
	memcpy(rows + 4, text, strlen(text));
	column.name = (char *)"v";
	column.type_oid = 25;
	column.type_modifier = -1;
	result.n_columns = knows_columns(f, id) ? 0 : 1;
	result.columns = &columns;
	result.columns_id = 8;
	result.statement_id = 7;
	result.row_count = 1;
	result.rows = (ProtobufCBinaryData){ .data = (uint8_t *)rows, .len = strlen(text) + 4 };
	result.command_tag = (char *)"SELECT 1";
	result.affected_rows = 1;
	response.n_results = 1;
	response.results = &results;
	peer_answer(f, id, &response);
}

void peer_answer_error(struct fixture *f, uint32_t id, Sidepool__V1__ErrorCode code,
		       Sidepool__V1__Outcome outcome)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__Error error = SIDEPOOL__V1__ERROR__INIT;

	error.code = code;
	error.outcome = outcome;
	error.message = (char *)"so it is";
	response.error = &error;
	peer_answer(f, id, &response);
}

void peer_answer_hello(struct fixture *f)
{
	Sidepool__V1__Response response = SIDEPOOL__V1__RESPONSE__INIT;
	Sidepool__V1__HelloReply hello = SIDEPOOL__V1__HELLO_REPLY__INIT;
	Sidepool__V1__ParameterStatus parameter = SIDEPOOL__V1__PARAMETER_STATUS__INIT;
	Sidepool__V1__ParameterStatus *parameters = &parameter;
	char *pools[] = { (char *)"main", (char *)"other" };
	char *features[] = { (char *)"listen" };

	parameter.name = (char *)"server_version";
	parameter.value = (char *)"15.20";
	hello.version = 1;
	hello.daemon_version = (char *)"9.9";
	hello.application = (char *)"tester";
	hello.n_pools = 2;
	hello.pools = pools;
	hello.n_features = 1;
	hello.features = features;
	hello.n_parameters = 1;
	hello.parameters = &parameters;
	hello.max_message_bytes = 100000;
	response.kind_case = SIDEPOOL__V1__RESPONSE__KIND_HELLO;
	response.hello = &hello;
	peer_answer(f, f->id, &response);
}

void fixture_connect(struct fixture *f)
{
	static const uint8_t ours[8] = { 0, 'S', 'P', 0, 0, 0x31, 0, 0 };
	static const uint8_t theirs[8] = { 0, 'S', 'P', 0, 0, 0x30, 0, 0 };
	uint8_t greeting[8];

	peer_accept(f);
	peer_read(f, greeting, sizeof(greeting));
	assert_memory_equal(greeting, theirs, sizeof(theirs));
	peer_write(f, ours, sizeof(ours));
	fixture_turn(f);
	peer_request(f);
	assert_int_equal(f->request->kind_case, SIDEPOOL__V1__REQUEST__KIND_HELLO);
	peer_answer_hello(f);
	fixture_turn(f);
	assert_int_equal(sidepool_connection_state(f->sp), SIDEPOOL_CONNECTION_READY);
}

void fixture_ready(struct fixture *f)
{
	fixture_listen(f);
	fixture_open(f, NULL);
	assert_int_not_equal(sidepool_connect(f->sp, NULL), 0);
	fixture_connect(f);
	sidepool_reply_free(sidepool_next(f->sp, NULL, NULL));
	assert_int_equal(sidepool_in_flight(f->sp), 0);
}

void got_reply(struct sidepool *sp, uint32_t id, struct sidepool_reply *reply, void *userdata)
{
	struct got *got = userdata;

	(void)sp;
	sidepool_reply_free(got->reply);
	got->times++;
	got->id = id;
	got->reply = reply;
}

void got_free(struct got *got)
{
	got->reply = sidepool_reply_free(got->reply);
}

const char *first_value(const struct sidepool_reply *reply)
{
	return sidepool_value(sidepool_result(reply, 0), 0, 0);
}
