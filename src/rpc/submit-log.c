/* SPDX-License-Identifier: MIT */
/*
 * The file begins with a head (magic, id of the journal, next id of an entry, checksum). Behind it
 * stand records, each with its length, a CRC-32C over what follows, one byte that says what it is,
 * and its body; all numbers are little-endian.
 *
 * A crash may leave the last write half done, in any of its sectors: it was not answered then, and
 * everything from the first record that does not fit is cut off. A record that does not fit and has
 * whole ones behind it is more likely a damaged disk: that is kept aside.
 */
#include "rpc/submit-log.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"

enum {
	LOCK_TRIES = 10,
	TYPE_ENTRY = 1,
	TYPE_DONE = 2,
};

static const char magic[8] = { 'S', 'P', 'O', 'O', 'L', 'J', '0', '1' };

struct head {
	char magic[sizeof(magic)];
	uint8_t id[SUBMIT_LOG_ID_BYTES];
	uint64_t next_id;
	uint32_t crc;
	uint32_t zero;
};

struct record_head {
	uint32_t length; /* of type and body */
	uint32_t crc;
};

/* CRC-32C, four bits at a time: a journal is written at the speed of a disk that syncs. */
static uint32_t crc32c(const void *data, size_t n)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *p = data;
	uint32_t crc = ~0U;

	for (; n > 0; n--, p++) {
		crc ^= *p;
		crc = (crc >> 4) ^ nibble[crc & 15];
		crc = (crc >> 4) ^ nibble[crc & 15];
	}
	return ~crc;
}

/* ---- records ---- */

static int put(struct buf *out, uint8_t type, const void *body, size_t n)
{
	struct record_head h = { .length = htole32((uint32_t)n + 1) };
	uint8_t *at = buf_reserve(out, sizeof(h) + 1 + n);

	if (!at)
		return err_raise(-ENOMEM);
	at[sizeof(h)] = type;
	memcpy(at + sizeof(h) + 1, body, n);
	h.crc = htole32(crc32c(at + sizeof(h), n + 1));
	memcpy(at, &h, sizeof(h));
	buf_added(out, sizeof(h) + 1 + n);
	return 0;
}

int submit_log_put_entry(struct buf *out, const uint8_t *bytes, size_t n)
{
	return put(out, TYPE_ENTRY, bytes, n);
}

int submit_log_put_done(struct buf *out, uint64_t id)
{
	id = htole64(id);
	return put(out, TYPE_DONE, &id, sizeof(id));
}

/* The length of a whole record at `at`, or 0. */
static size_t whole(const uint8_t *at, size_t left)
{
	struct record_head h;
	uint32_t n;

	if (left < sizeof(h))
		return 0;
	memcpy(&h, at, sizeof(h));
	n = le32toh(h.length);
	if (n < 2 || n > SUBMIT_LOG_ENTRY_MOST || n > left - sizeof(h) ||
	    crc32c(at + sizeof(h), n) != le32toh(h.crc))
		return 0;
	return sizeof(h) + n;
}

static int read_record(const struct submit_log_reader *reader, const uint8_t *at, size_t n)
{
	const uint8_t *body = at + sizeof(struct record_head) + 1;
	uint64_t id;

	n -= sizeof(struct record_head) + 1;
	switch (at[sizeof(struct record_head)]) {
	case TYPE_ENTRY:
		return reader->entry(reader->userdata, body, n);
	case TYPE_DONE:
		if (n != sizeof(id))
			return 1;
		memcpy(&id, body, sizeof(id));
		return reader->done(reader->userdata, le64toh(id));
	default:
		return 1;
	}
}

static bool has_whole_behind(const uint8_t *at, size_t left)
{
	for (size_t i = 1; i < left; i++)
		if (whole(at + i, left - i) > 0)
			return true;
	return false;
}

/* ---- writing ---- */

static int write_all(int fd, const uint8_t *at, size_t n, off_t offset)
{
	ssize_t r;

	while (n > 0) {
		r = pwrite(fd, at, n, offset);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -(r < 0 ? errno : EIO);
		at += r;
		n -= (size_t)r;
		offset += r;
	}
	return 0;
}

static int sync_data(int fd)
{
	return fdatasync(fd) < 0 ? -errno : 0;
}

int submit_log_append(struct submit_log *log, const struct buf *records)
{
	int r;

	if (log->broken)
		return -EIO;
	r = write_all(log->fd, buf_at(records), buf_len(records), log->length);
	if (r == 0)
		r = sync_data(log->fd);
	if (r == 0) {
		log->length += (off_t)buf_len(records);
		return 0;
	}
	/* Nobody may find at the next start what is refused now. */
	if (ftruncate(log->fd, log->length) < 0 || sync_data(log->fd) < 0)
		log->broken = true;
	return r;
}

static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, r;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

static int fill_fresh(int fd, const struct submit_log *log, uint64_t next_id,
		      const struct buf *records)
{
	struct head h = { .next_id = htole64(next_id) };
	int r;

	memcpy(h.magic, magic, sizeof(magic));
	memcpy(h.id, log->id, sizeof(h.id));
	h.crc = htole32(crc32c(&h, offsetof(struct head, crc)));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	r = write_all(fd, (const uint8_t *)&h, sizeof(h), 0);
	if (r == 0 && buf_len(records) > 0)
		r = write_all(fd, buf_at(records), buf_len(records), sizeof(h));
	return r == 0 ? sync_data(fd) : r;
}

int submit_log_rewrite(struct submit_log *log, uint64_t next_id, const struct buf *records)
{
	char fresh[PATH_MAX];
	int fd, r;

	(void)snprintf(fresh, sizeof(fresh), "%s.new", log->path);
	fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill_fresh(fd, log, next_id, records);
	if (r == 0 && rename(fresh, log->path) < 0)
		r = -errno;
	if (r < 0) {
		(void)close(fd);
		(void)unlink(fresh);
		return r;
	}
	if (log->fd >= 0)
		(void)close(log->fd);
	log->fd = fd;
	log->next_id = next_id;
	log->length = (off_t)(sizeof(struct head) + buf_len(records));
	/* Until the folder is synced a crash may bring the old one back. */
	r = sync_folder(log->path);
	log->broken = r < 0;
	return r;
}

/* ---- opening ---- */

static bool is_current(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* Returns a locked descriptor, or a negative errno. A rewrite may put another file in its place. */
static int open_locked(const char *path)
{
	int fd, r;

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			r = -errno;
			(void)close(fd);
			return r;
		}
		if (is_current(fd, path))
			return fd;
		(void)close(fd);
	}
	return -EAGAIN;
}

static int read_all(int fd, struct buf *b)
{
	enum { PIECE = 1 << 20 };
	uint8_t *at;
	ssize_t r;

	do {
		at = buf_reserve(b, PIECE);
		if (!at)
			return -ENOMEM;
		r = pread(fd, at, PIECE, (off_t)buf_len(b));
		if (r < 0)
			return -errno;
		buf_added(b, (size_t)r);
	} while (r > 0);
	return 0;
}

static bool read_head(struct submit_log *log, const struct buf *b)
{
	struct head h;

	if (buf_len(b) < sizeof(h))
		return false;
	memcpy(&h, buf_at(b), sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0 ||
	    crc32c(&h, offsetof(struct head, crc)) != le32toh(h.crc))
		return false;
	memcpy(log->id, h.id, sizeof(h.id));
	log->next_id = le64toh(h.next_id);
	return true;
}

static int put_aside(const struct submit_log *log, const uint8_t *at, size_t n)
{
	char path[PATH_MAX];
	int fd, r;

	(void)snprintf(path, sizeof(path), "%s.damaged", log->path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, at, n, 0);
	if (r == 0)
		r = sync_data(fd);
	(void)close(fd);
	return r;
}

static int cut(struct submit_log *log, const struct buf *b, char *why, size_t why_bytes)
{
	const uint8_t *at = buf_at(b) + log->length;
	size_t left = buf_len(b) - (size_t)log->length;
	bool damaged = has_whole_behind(at, left);
	int r = damaged ? put_aside(log, at, left) : 0;

	if (r < 0) {
		(void)snprintf(
			why, why_bytes,
			"%zu bytes of it are damaged, and cannot be put aside as %s.damaged: %s",
			left, log->path, strerror(-r));
		return -1;
	}
	(void)snprintf(
		why, why_bytes,
		damaged ? "%zu bytes at its end are damaged, and were put aside as %s.damaged"
			: "%zu bytes at its end were not finished, and cut off",
		left, log->path);
	if (ftruncate(log->fd, log->length) < 0 || sync_data(log->fd) < 0) {
		(void)snprintf(why, why_bytes, "its end cannot be cut off: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static int scan(struct submit_log *log, const struct buf *b, const struct submit_log_reader *reader,
		char *why, size_t why_bytes)
{
	size_t at = sizeof(struct head), n;

	while ((n = whole(buf_at(b) + at, buf_len(b) - at)) > 0) {
		if (read_record(reader, buf_at(b) + at, n) != 0) {
			(void)snprintf(why, why_bytes,
				       "the record at byte %zu cannot be read by this version", at);
			return -1;
		}
		at += n;
	}
	log->length = (off_t)at;
	return at < buf_len(b) ? cut(log, b, why, why_bytes) : 0;
}

static int open_and_read(struct submit_log *log, const uint8_t *fresh,
			 const struct submit_log_reader *reader, struct buf *b, char *why,
			 size_t why_bytes)
{
	struct buf nothing = BUF_NULL;
	int r;

	log->fd = open_locked(log->path);
	r = log->fd < 0 ? log->fd : read_all(log->fd, b);
	if (r == 0 && buf_len(b) == 0) {
		memcpy(log->id, fresh, sizeof(log->id));
		r = submit_log_rewrite(log, 1, &nothing);
		if (r == 0)
			return 0;
	}
	if (r < 0) {
		(void)snprintf(why, why_bytes, "%s",
			       r == -EWOULDBLOCK ? "another daemon uses it" : strerror(-r));
		return -1;
	}
	if (!read_head(log, b)) {
		(void)snprintf(why, why_bytes,
			       "it is no journal of sidepoold, or its head is damaged");
		return -1;
	}
	(void)fchmod(log->fd, 0600);
	return scan(log, b, reader, why, why_bytes);
}

int submit_log_open(struct submit_log *log, const char *path, const uint8_t *fresh,
		    const struct submit_log_reader *reader, char *why, size_t why_bytes)
{
	struct buf b = BUF_NULL;
	int r;

	*log = (struct submit_log){ .fd = -1, .path = strdup(path) };
	*why = '\0';
	if (!log->path) {
		(void)snprintf(why, why_bytes, "%s", strerror(ENOMEM));
		return -1;
	}
	r = open_and_read(log, fresh, reader, &b, why, why_bytes);
	buf_deinit(&b);
	if (r < 0)
		submit_log_close(log);
	return r;
}

void submit_log_close(struct submit_log *log)
{
	if (log->path && log->fd >= 0)
		(void)close(log->fd);
	log->fd = -1;
	free(log->path);
	log->path = NULL;
}
