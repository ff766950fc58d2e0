/* SPDX-License-Identifier: MIT */
/* Numbers are little-endian, at fixed places; the names have 64 bytes each, with a zero byte. */
#include "rpc/submit-record.h"

#include <endian.h>
#include <string.h>

#include "util/error.h"

struct head {
	uint64_t id;
	uint64_t accepted_ms;
	uint64_t expires_ms;
	uint32_t uid;
	uint32_t pid;
	char names[3][SUBMIT_NAME_BYTES];
};

int submit_record_write(const struct submit_record *r, struct buf *out)
{
	struct head h = {
		.id = htole64(r->id),
		.accepted_ms = htole64(r->accepted_ms),
		.expires_ms = htole64(r->expires_ms),
		.uid = htole32(r->uid),
		.pid = htole32(r->pid),
	};

	memcpy(h.names[0], r->application, SUBMIT_NAME_BYTES);
	memcpy(h.names[1], r->share, SUBMIT_NAME_BYTES);
	memcpy(h.names[2], r->pool, SUBMIT_NAME_BYTES);
	if (!buf_reserve(out, sizeof(h) + r->request_bytes))
		return err_raise(-ENOMEM);
	(void)buf_append(out, &h, sizeof(h));
	return buf_append(out, r->request, r->request_bytes);
}

static int read_name(char *to, const char *from)
{
	memcpy(to, from, SUBMIT_NAME_BYTES);
	return memchr(to, 0, SUBMIT_NAME_BYTES) && *to ? 0 : 1;
}

int submit_record_read(const uint8_t *bytes, size_t n, struct submit_record *ret_record)
{
	struct submit_record r = { .request = bytes + sizeof(struct head) };
	struct head h;

	if (n < sizeof(h))
		return 1;
	memcpy(&h, bytes, sizeof(h));
	r.id = le64toh(h.id);
	r.accepted_ms = le64toh(h.accepted_ms);
	r.expires_ms = le64toh(h.expires_ms);
	r.uid = le32toh(h.uid);
	r.pid = le32toh(h.pid);
	r.request_bytes = n - sizeof(h);
	if (read_name(r.application, h.names[0]) || read_name(r.share, h.names[1]) ||
	    read_name(r.pool, h.names[2]))
		return 1;
	*ret_record = r;
	return 0;
}
