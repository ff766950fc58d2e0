/* SPDX-License-Identifier: MIT */
#include "fake-client.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-pq.h"
#include "fuzz.h"
#include "result-check.h"
#include "sp/frame.h"
#include "stage.h"

enum {
	HEAD_BYTES = 1 + 8 + 4, /* type, length, request id */
	IN_FIRST_BYTES = 4096,
	MESSAGE_MOST_BYTES = 4096,
};

struct player clients[CLIENTS_N] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };

/* What was told of each write: 0, or an Outcome + 2; 1: a success. */
static uint8_t told[FAKE_WRITES_N];

enum {
	TOLD_NOTHING,
	TOLD_SUCCESS,
	TOLD_OUTCOME, /* and the Outcome */
};

static void send_all(struct player *c, const void *bytes, size_t n)
{
	if (c->fd >= 0 && send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
		c->broken = true;
}

void client_connect(struct player *c, unsigned uid)
{
	if (c->fd >= 0)
		return;
	c->fd = stage_connect(uid);
	if (c->fd < 0)
		return;
	c->in_bytes = 0;
	send_all(c, sp_greeting_req, SP_GREETING_BYTES);
}

void client_leave(struct player *c)
{
	uint8_t *in = c->in;
	size_t capacity = c->in_capacity;

	if (c->fd >= 0)
		(void)close(c->fd);
	*c = (struct player){ .fd = -1, .in = in, .in_capacity = capacity };
}

static struct asked *find(struct player *c, uint32_t id)
{
	for (size_t i = 0; i < ASKED_MOST; i++)
		if (c->asked[i].id == id)
			return &c->asked[i];
	return NULL;
}

static uint32_t note(struct player *c, int write)
{
	struct asked *a = find(c, 0);

	if (!a)
		return 0;
	a->id = ++c->last_id | 0x80000000U;
	a->write = write;
	c->n_asked++;
	return a->id;
}

static void send_message(struct player *c, uint32_t id, uint8_t *message, size_t n, size_t keep)
{
	uint64_t length = htobe64(n + 4);

	id = htonl(id);
	message[0] = 1;
	memcpy(message + 1, &length, sizeof(length));
	memcpy(message + 9, &id, sizeof(id));
	if (keep > 0)
		c->broken = true; /* what it sends next is taken for the rest */
	n += HEAD_BYTES;
	send_all(c, message, n - (keep < n ? keep : n));
}

void client_ask(struct player *c, const Sidepool__V1__Request *request, int write, size_t keep)
{
	uint8_t message[HEAD_BYTES + MESSAGE_MOST_BYTES];
	size_t n = sidepool__v1__request__get_packed_size(request);
	uint32_t id;

	if (c->fd < 0 || n > MESSAGE_MOST_BYTES)
		return;
	id = note(c, keep > 0 ? NO_WRITE : write); /* its end may come to be another */
	if (!id)
		return;
	(void)sidepool__v1__request__pack(request, message + HEAD_BYTES);
	send_message(c, id, message, n, keep);
}

void client_send_body(struct player *c, const uint8_t *body, size_t n)
{
	uint8_t message[HEAD_BYTES + MESSAGE_MOST_BYTES];
	uint32_t id;

	if (c->fd < 0 || n > MESSAGE_MOST_BYTES || !(id = note(c, NO_WRITE)))
		return;
	memcpy(message + HEAD_BYTES, body, n);
	send_message(c, id, message, n, 0);
}

void client_send_raw(struct player *c, const uint8_t *bytes, size_t n)
{
	c->broken = true;
	send_all(c, bytes, n);
}

/* ---- answers ---- */

static void learn(struct player *c, const Sidepool__V1__Response *m)
{
	if (m->lease) {
		c->lease_id = m->lease->lease_id;
		c->token = m->lease->token;
	}
	if (m->stream_id)
		c->stream_id = m->stream_id;
	if (m->kind_case == SIDEPOOL__V1__RESPONSE__KIND_COPY_READY)
		c->stream_id = m->copy_ready->stream_id;
	if (m->n_results > 0 && m->results[0]->statement_id)
		c->statement_id = m->results[0]->statement_id;
}

static void take_answer(struct player *c, uint32_t id, const uint8_t *body, size_t n)
{
	struct asked *a = id ? find(c, id) : NULL;
	struct answer_state state = { .is_any = true };
	Sidepool__V1__Response *m;

	if (c->broken && !a)
		return;
	check(a); /* nobody asked, or it was answered before */
	check_response(&state, body, n);
	m = sidepool__v1__response__unpack(NULL, n, body);
	check(m);
	learn(c, m);
	if (a->write >= 0)
		told[a->write] = (uint8_t)(m->error ? TOLD_OUTCOME + (unsigned)m->error->outcome
						    : TOLD_SUCCESS);
	sidepool__v1__response__free_unpacked(m, NULL);
	a->id = 0;
	c->n_asked--;
}

/* What is complete, after the greeting. */
static void take_messages(struct player *c)
{
	size_t at = 0;
	uint64_t length;
	uint32_t id;

	while (c->in_bytes - at >= HEAD_BYTES) {
		memcpy(&length, c->in + at + 1, sizeof(length));
		memcpy(&id, c->in + at + 9, sizeof(id));
		length = be64toh(length);
		check(c->in[at] == 1 && length >= 4 && length < 1 << 24);
		if (c->in_bytes - at < 9 + length)
			break;
		take_answer(c, ntohl(id), c->in + at + HEAD_BYTES, (size_t)length - 4);
		at += 9 + (size_t)length;
	}
	memmove(c->in, c->in + at, c->in_bytes - at);
	c->in_bytes -= at;
}

static void grow(struct player *c)
{
	if (c->in_bytes < c->in_capacity)
		return;
	c->in_capacity = c->in_capacity ? 2 * c->in_capacity : IN_FIRST_BYTES;
	c->in = realloc(c->in, c->in_capacity);
	check(c->in);
}

/* The daemon's greeting comes first; it is dropped here. */
static bool read_one(struct player *c)
{
	bool any = false;
	ssize_t n;

	for (;;) {
		grow(c);
		n = recv(c->fd, c->in + c->in_bytes, c->in_capacity - c->in_bytes, MSG_DONTWAIT);
		if (n <= 0)
			break;
		c->in_bytes += (size_t)n;
		any = true;
	}
	if (!c->greeted && c->in_bytes >= SP_GREETING_BYTES) {
		check(!memcmp(c->in, sp_greeting_rep, SP_GREETING_BYTES));
		c->in_bytes -= SP_GREETING_BYTES;
		memmove(c->in, c->in + SP_GREETING_BYTES, c->in_bytes);
		c->greeted = true;
	}
	if (c->greeted)
		take_messages(c);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		check(c->broken || stage_is_over() || c->may_be_closed);
		client_leave(c);
	}
	return any;
}

bool clients_read(void)
{
	bool any = false;

	for (size_t i = 0; i < CLIENTS_N; i++)
		any |= clients[i].fd >= 0 && read_one(&clients[i]);
	return any;
}

bool clients_wait(void)
{
	for (size_t i = 0; i < CLIENTS_N; i++)
		if (clients[i].fd >= 0 && !clients[i].broken && clients[i].n_asked > 0)
			return true;
	return false;
}

void clients_check_writes(void)
{
	for (size_t i = 0; i < FAKE_WRITES_N; i++) {
		check(fake_writes[i] <= 1);
		switch (told[i]) {
		case TOLD_SUCCESS:
			check(fake_writes[i] == 1);
			break;
		case TOLD_OUTCOME + SIDEPOOL__V1__OUTCOME__OUTCOME_NOT_SENT:
			check(fake_seen[i] == 0);
			break;
		case TOLD_OUTCOME + SIDEPOOL__V1__OUTCOME__OUTCOME_FAILED:
			check(fake_writes[i] == 0);
			break;
		default:
			break;
		}
	}
}

void clients_reset(void)
{
	for (size_t i = 0; i < CLIENTS_N; i++)
		client_leave(&clients[i]);
	memset(told, 0, sizeof(told));
}
